// SPDX-License-Identifier: Apache-2.0
// The binarizers of BiBERT as autograd functions: the forward is exactly the runtime's, the
// backward is the straight-through estimator. Independent of layers; bibert.hpp says which site
// uses which function.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "lowbit/core/config.hpp"

namespace lowbit::train {

using at::Tensor;

/// Forward: `value`, computed from `latent` without a gradient. Backward: dL/dlatent = dL/dvalue
/// (straight-through estimator, Bengio et al., 2013; Q8BERT, section 3).
struct straight_through_function : torch::autograd::Function<straight_through_function> {
  static Tensor forward(torch::autograd::AutogradContext*, const Tensor& latent,
                        const Tensor& value) {
    LOWBIT_EXPECTS(latent.sizes() == value.sizes());
    return value.detach();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0], Tensor()};
  }
};

inline Tensor straight_through(const Tensor& latent, const Tensor& value) {
  return straight_through_function::apply(latent, value);
}

/// Where the gradient of a sign passes: |x| <= 1 (inputs of linear layers) or |x| < 1 (q, k, v and
/// the attention bit).
enum class pass_band { closed, open };

/// gradient * 1[|x| <= 1] or gradient * 1[|x| < 1], elementwise, in one pass over memory.
/// hardtanh_backward is open at its limits, so the closed band uses the next float after 1.
inline Tensor pass_gradient(const Tensor& gradient, const Tensor& x, pass_band band) {
  const double limit = band == pass_band::open ? 1.0 : std::nextafter(1.0F, 2.0F);
  return at::hardtanh_backward(gradient, x, -limit, limit);
}

/// y = torch.sign(x), values {-1, 0, +1}; dL/dx = dL/dy * 1[|x| in band].
struct sign_function : torch::autograd::Function<sign_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        pass_band band) {
    context->save_for_backward({x});
    context->saved_data["closed"] = band == pass_band::closed;
    return x.sign();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const Tensor x = context->get_saved_variables()[0];
    const auto band = context->saved_data["closed"].toBool() ? pass_band::closed : pass_band::open;
    return {pass_gradient(gradients[0], x, band), Tensor()};
  }
};

inline Tensor sign_through(const Tensor& x, pass_band band) {
  return sign_function::apply(x, band);
}

/// sign(GELU(x)), computed as sign(x): GELU keeps the sign, but its float form underflows to -0
/// below -5.54, where torch.sign gives 0 and the runtime -1.
/// dL/dx = dL/dy * 1[|GELU(x)| <= 1] * GELU'(x): the straight-through estimate for the sign, then
/// the derivative of the GELU, as in the paper.
struct sign_gelu_function : torch::autograd::Function<sign_gelu_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x) {
    context->save_for_backward({x});
    return x.sign();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const Tensor x = context->get_saved_variables()[0];
    const Tensor passed = pass_gradient(gradients[0], at::gelu(x), pass_band::closed);
    return {at::gelu_backward(passed, x)};
  }
};

inline Tensor sign_gelu(const Tensor& x) { return sign_gelu_function::apply(x); }

/// p = 1[x > 0] (0 for an exact zero, as in the official code); dL/dx = dL/dp * 1[|x| < 1].
struct attention_bit_function : torch::autograd::Function<attention_bit_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x) {
    context->save_for_backward({x});
    return x.gt(0).to(x.scalar_type());
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {pass_gradient(gradients[0], context->get_saved_variables()[0], pass_band::open)};
  }
};

inline Tensor attention_bit(const Tensor& scores) { return attention_bit_function::apply(scores); }

/// A matrix W split into what the runtime stores: W_hat = scale * signs, row by row.
///   center_o = mean_j W(o,j);  scale_o = mean_j |W(o,j)|;  signs(o,j) = sign(W(o,j) - center_o)
/// A weight equal to its center is +1, as one bit stores it, not torch.sign's 0: one such weight in
/// the row of [CLS] would change the logits of every sentence after export.
struct binary_rows {
  Tensor centered;  // (N, K) W - center
  Tensor signs;     // (N, K) in {-1, +1}
  Tensor scale;     // (N, 1) of the weights before centering
};

inline binary_rows binarize_rows(const Tensor& weight) {
  binary_rows rows;
  // Means in double, as in the runtime's encoder: a weight within rounding error of its center must
  // get the same bit.
  rows.scale = weight.abs().mean(1, true, at::kDouble).to(weight.scalar_type());
  rows.centered = weight - weight.mean(1, true, at::kDouble).to(weight.scalar_type());
  rows.signs = 1 - 2 * rows.centered.lt(0).to(weight.scalar_type());
  return rows;
}

/// dL/dW from dL/dW_hat: passes where |W - center| <= 1, then its row mean is subtracted, because
/// the center depends on every weight of the row. The scale is treated as a constant.
inline Tensor weight_gradient(const Tensor& gradient, const Tensor& centered) {
  const Tensor passed = pass_gradient(gradient, centered, pass_band::closed);
  return passed - passed.mean(1, true);
}

/// Rows `ids` of a binarized table: W_hat[ids]. Computes only these rows.
struct binary_embedding_function : torch::autograd::Function<binary_embedding_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& table,
                        const Tensor& ids) {
    const binary_rows rows = binarize_rows(table.index_select(0, ids));
    context->save_for_backward({rows.centered, ids});
    context->saved_data["rows"] = table.size(0);
    return rows.signs * rows.scale;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor rows = weight_gradient(gradients[0], saved[0]);
    Tensor table = at::zeros({context->saved_data["rows"].toInt(), rows.size(1)}, rows.options());
    return {table.index_add_(0, saved[1], rows), Tensor()};
  }
};

inline Tensor binary_embedding(const Tensor& table, const Tensor& ids) {
  return binary_embedding_function::apply(table, ids);
}

}  // namespace lowbit::train
