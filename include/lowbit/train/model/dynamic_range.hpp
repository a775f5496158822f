// SPDX-License-Identifier: Apache-2.0
// Activations as integers whose step comes from the range of a whole batch tensor, padding included
// (TernaryBERT; BinaryBERT with eight bits). Padding and the other sentences therefore affect a
// result, here as in the runtime.
#pragma once

#include <torch/torch.h>

#include "lowbit/train/model/weight_codes.hpp"

namespace lowbit::train {

/// x clipped to the interval clip (2). dx = dy strictly inside; each end gets the sum of dy over
/// the x at or beyond it (PACT, Choi et al. 2018, for both ends), as in BinaryBERT's code.
struct clip_function : torch::autograd::Function<clip_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& clip) {
    context->save_for_backward({x, clip});
    return at::minimum(at::maximum(x, clip[0]), clip[1]);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &dy = gradients[0];
    const Tensor below = x.le(saved[1][0]), above = x.ge(saved[1][1]);
    return {dy.masked_fill(below.logical_or(above), 0),
            at::stack({(dy * below).sum(), (dy * above).sum()})};
  }
};

/// Symmetric: x_hat = round(x s) / s, s = (2^(b-1) - 1) / max |x| after clipping.
/// Asymmetric: the range [min, max] in 2^b - 1 steps.
/// Source: the published programs of TernaryBERT (symmetric) and BinaryBERT (both).
inline Tensor dynamic_codes(const Tensor& clipped, unsigned bits, bool symmetric) {
  const Tensor x = clipped.detach();
  const auto levels = static_cast<double>(1U << bits);
  if (symmetric) {
    const Tensor largest = x.abs().max();
    if (largest.item<float>() == 0.0F) return x;
    const Tensor s = (levels / 2 - 1) / largest;
    return (x * s).round_().div_(s);
  }
  const Tensor low = x.min(), span = (x.max() - low) + 1e-8;
  return ((x - low) / span * (levels - 1)).round_().div_(levels - 1).mul_(span).add_(low);
}

/// x as a site reads it: clipped and quantized; straight-through gradient for the rounding.
inline Tensor dynamic_range(const Tensor& x, const Tensor& clip, unsigned bits, bool symmetric) {
  const Tensor clipped = clip_function::apply(x, clip);
  return straight_through(clipped, dynamic_codes(clipped, bits, symmetric));
}

}  // namespace lowbit::train
