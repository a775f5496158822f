// SPDX-License-Identifier: Apache-2.0
// The two linear layers of training, full precision and binary, as one autograd function each, so
// that the operand type can be chosen: float32, or bfloat16 with float32 accumulation. A product of
// signs is exact in bfloat16 while |sum| <= 256, which a trained layer rarely exceeds. Evaluation
// always uses float32, so reported accuracies do not depend on the choice.
#pragma once

#include <torch/torch.h>

#include "lowbit/train/model/straight_through.hpp"

namespace lowbit::train {

/// The operand type of the matrix products of a training step.
enum class precision { f32, bf16 };

/// The libtorch type of the operands.
inline at::ScalarType element_type(precision type) {
  return type == precision::bf16 ? at::kBFloat16 : at::kFloat;
}

/// a (M, K) times b (K, N), both of one element type; result float32.
inline Tensor matrix_product(const Tensor& a, const Tensor& b) {
  return at::mm(a, b).to(at::kFloat);
}

/// y = x W^T + b for x (M, K), W (N, K), b (N).
struct linear_function : torch::autograd::Function<linear_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& weight, const Tensor& bias, precision type) {
    const Tensor inputs = x.to(element_type(type)), weights = weight.to(element_type(type));
    context->save_for_backward({inputs, weights});
    return matrix_product(inputs, weights.t()) + bias;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor dy = gradients[0].to(saved[0].scalar_type());
    Tensor dx, dw, db;  // of operands that need a gradient
    if (context->needs_input_grad(0)) dx = matrix_product(dy, saved[1]);
    if (context->needs_input_grad(1)) dw = matrix_product(dy.t(), saved[0]);
    if (context->needs_input_grad(2)) db = gradients[0].sum(0);
    return {dx, dw, db, Tensor()};
  }
};

/// y_o = scale_o * sum_j x_j signs(o,j) + b_o, for x that is already binarized (BiBERT's
/// linear layer). The gradient of W follows weight_gradient().
struct binary_linear_function : torch::autograd::Function<binary_linear_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& weight, const Tensor& bias, precision type) {
    const binary_rows rows = binarize_rows(weight);
    const Tensor signs = rows.signs.to(element_type(type));  // exact: -1, +1
    const Tensor inputs = x.to(element_type(type));
    context->save_for_backward({inputs, signs, rows.centered, rows.scale.t()});
    return at::addcmul(bias, matrix_product(inputs, signs.t()), rows.scale.t());
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto type = saved[0].scalar_type();
    const Tensor& dy = gradients[0];
    const Tensor dx = matrix_product((dy * saved[3]).to(type), saved[1]);
    const Tensor dw = matrix_product(dy.to(type).t(), saved[0]);
    return {dx, weight_gradient(dw, saved[2]), dy.sum(0), Tensor()};
  }
};

}  // namespace lowbit::train
