// SPDX-License-Identifier: Apache-2.0
// Pruning of single weights during training: the sparsity at each step, and the masks that keep
// pruned weights at zero. Weights are selected as in the runtime (codec/prune.hpp), so a packed
// folder has the same zeros.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/codec/prune.hpp"
#include "lowbit/train/model/scheme.hpp"

namespace lowbit::train {

/// Sparsity rises from 0 at step `first` to `target` at the last update, fast while many weights
/// are redundant, slowly at the end:
///   s(t) = target * (1 - (1 - (t - t0) / (n dt))^3),  t in { t0, t0 + dt, .., t0 + n dt }
///
/// Source: Zhu and Gupta, 2017, equation 1 with an initial sparsity of 0
struct sparsity_schedule {
  double target = 0.5;
  std::int64_t first = 0;   ///< t0
  std::int64_t every = 10;  ///< dt
  std::int64_t count = 1;   ///< n; 0: all zeros at once

  /// From `begin` to about `end`, as fractions of `total`; the last update is before step `total`.
  static sparsity_schedule of_run(double target, double begin, double end, std::int64_t every,
                                  std::int64_t total) {
    const auto step = [total](double share) {
      return std::min<std::int64_t>(static_cast<std::int64_t>(share * static_cast<double>(total)),
                                    total - 1);
    };
    sparsity_schedule s{target, step(begin), every, 0};
    const std::int64_t span = std::max<std::int64_t>(0, step(end) - s.first);
    s.every = std::clamp<std::int64_t>(every, 1, std::max<std::int64_t>(1, span));
    s.count = span / s.every;
    return s;
  }
  [[nodiscard]] std::int64_t last() const { return first + every * count; }
  [[nodiscard]] bool updates_at(std::int64_t step) const {
    return step >= first && step <= last() && (step - first) % every == 0;
  }
  /// The sparsity set by the last update at or before `step`.
  [[nodiscard]] double in_force(std::int64_t step) const {
    if (step < first) return 0.0;
    return at(std::min(last(), first + (step - first) / every * every));
  }
  [[nodiscard]] double at(std::int64_t step) const {
    if (step < first) return 0.0;
    if (step >= last()) return target;
    const double left =
        1.0 - static_cast<double>(step - first) / static_cast<double>(every * count);
    return target * (1.0 - left * left * left);
  }
};

/// Masks of matrices, 1 for a kept weight. A pruned weight is 0, has no gradient, and is always
/// among the smallest, so it stays pruned.
class magnitude_masks {
 public:
  /// `matrices`: handles of parameters on their final device.
  explicit magnitude_masks(const std::vector<named_tensor>& matrices) {
    for (const auto& [name, weights] : matrices) {
      const Tensor mask = at::ones_like(weights).detach();
      matrices_.push_back({name, weights, mask});
      if (weights.requires_grad()) {
        weights.register_hook([mask](const Tensor& gradient) { return gradient * mask; });
      }
    }
  }

  /// Zeroes the smallest round(sparsity * size) weights of each matrix.
  void prune(double sparsity) {
    torch::NoGradGuard no_gradients;
    for (const matrix& m : matrices_) {
      const Tensor w = m.weights.detach().to(at::kCPU).contiguous();
      const auto n = static_cast<std::size_t>(w.size(0)), k = static_cast<std::size_t>(w.size(1));
      auto kept = prune_magnitude<>({w.data_ptr<float>(), n, k, k}, sparsity).value();
      m.weights.copy_(at::from_blob(kept.data(), w.sizes(), at::kFloat));
      m.mask.copy_(m.weights.ne(0));
    }
  }
  /// Call after each optimizer update, whose momentum and decay ignore the masks.
  void apply() {
    torch::NoGradGuard no_gradients;
    for (const matrix& m : matrices_) m.weights.mul_(m.mask);
  }
  /// The masks, for checkpoints; handles.
  [[nodiscard]] std::vector<named_tensor> buffers() const {
    std::vector<named_tensor> all;
    for (const matrix& m : matrices_) all.emplace_back(m.name + ".mask", m.mask);
    return all;
  }
  /// The fraction of zeros in all matrices.
  [[nodiscard]] double sparsity() const {
    std::int64_t zeros = 0, all = 0;
    for (const matrix& m : matrices_) {
      zeros += m.weights.eq(0).sum().item<std::int64_t>();
      all += m.weights.numel();
    }
    return all == 0 ? 0.0 : static_cast<double>(zeros) / static_cast<double>(all);
  }

 private:
  struct matrix {
    std::string name;
    Tensor weights, mask;
  };
  std::vector<matrix> matrices_;
};

}  // namespace lowbit::train
