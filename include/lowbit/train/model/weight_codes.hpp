// SPDX-License-Identifier: Apache-2.0
// Quantizes latent weights: BWN (one bit, centered as in BiT or not as in BinaryBERT) and TWN
// (ternary). All use the straight-through estimator. Must not know layers. Scales and thresholds
// are computed as in the runtime, not with libtorch's means: a weight within rounding error of a
// threshold must get the same code.
#pragma once

#include <torch/torch.h>

#include "lowbit/codec/running_mean.hpp"
#include "lowbit/train/model/straight_through.hpp"

namespace lowbit::train {

/// The set of weights that share a scale.
enum class scale_of { tensor, row };

namespace detail {

/// A plain (N, K) float matrix on the CPU.
inline matrix_view<const float> view_of(const Tensor& w) {
  const auto n = static_cast<std::size_t>(w.size(0)), k = static_cast<std::size_t>(w.size(1));
  return {w.data_ptr<float>(), n, k, k};
}

/// Means of |w| as computed by PyTorch's norm on a CPU (see running_mean.hpp): () or (N, 1). True
/// means on other devices.
inline Tensor running_means(const Tensor& w, scale_of scale) {
  if (!w.is_cpu()) {
    const Tensor magnitude = w.abs().to(at::kDouble);
    return (scale == scale_of::tensor ? magnitude.mean() : magnitude.mean(1, true)).to(at::kFloat);
  }
  const Tensor plain = w.contiguous();
  const matrix_view<const float> all = view_of(plain);
  if (scale == scale_of::tensor) return at::scalar_tensor(running_mean_magnitude(all));
  Tensor out = at::empty({w.size(0), 1});
  for (std::size_t r = 0; r < all.rows; ++r) {
    out.data_ptr<float>()[r] = running_mean_magnitude(all.rows_from(r, 1));
  }
  return out;
}

}  // namespace detail

/// BWN without a center (BinaryBERT): W_hat = scale * sign(W), scale = mean |W|. A weight of 0 is
/// +1, as one bit stores it. W (N, K).
inline Tensor binary_weights(const Tensor& weight, scale_of scale) {
  const Tensor w = weight.detach(), m = detail::running_means(w, scale);
  return at::where(w.ge(0), m, -m);
}

/// BWN with a center (BiT, section 3.1): W_hat = scale * sign(W - center), scale = mean |W| before
/// centering. A weight equal to the center is +1. center: () float.
inline Tensor centered_binary_weights(const Tensor& weight, const Tensor& center, scale_of scale) {
  const Tensor w = weight.detach(), magnitude = w.abs();
  const Tensor m = (scale == scale_of::tensor ? magnitude.mean(at::kDouble)
                                              : magnitude.mean(1, true, at::kDouble))
                       .to(at::kFloat);
  return at::where((w - center).ge(0), m, -m);
}
inline Tensor center_of(const Tensor& weight) {
  return weight.detach().mean(at::kDouble).to(at::kFloat);
}

/// TWN (Li et al. 2016, as in TernaryBERT): W_hat = scale * sign(W) where |W| > 0.7 mean |W|, else
/// 0; scale = mean |W| of the nonzero ones. W (N, K).
inline Tensor ternary_weights(const Tensor& weight, scale_of scale) {
  const Tensor w = weight.detach(), magnitude = w.abs();
  const Tensor on = magnitude.gt(detail::running_means(w, scale).mul(0.7F));
  const Tensor kept = at::where(on, magnitude, at::zeros_like(magnitude));
  const bool rows = scale == scale_of::row;
  const Tensor sum = rows ? kept.sum(1, true, at::kDouble) : kept.sum(at::kDouble);
  const Tensor count = rows ? on.sum(1, true) : on.sum();
  const Tensor m = (sum / count.clamp_min(1)).to(at::kFloat);
  return at::where(on, at::where(w.gt(0), m, -m), at::zeros_like(w));
}

}  // namespace lowbit::train
