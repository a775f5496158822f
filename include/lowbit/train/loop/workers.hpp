// SPDX-License-Identifier: Apache-2.0
// The processes that train one model together, as seen by the training loop.
#pragma once

#include <torch/torch.h>

#include <cstddef>
#include <vector>

#include "lowbit/core/status.hpp"

namespace lowbit::train {

/// A single process; base class of the others.
class workers {
 public:
  workers() = default;
  workers(const workers&) = delete;
  workers& operator=(const workers&) = delete;
  virtual ~workers() = default;

  [[nodiscard]] virtual std::size_t rank() const { return 0; }
  [[nodiscard]] virtual std::size_t size() const { return 1; }
  /// Replaces every tensor by its sum over all processes, bit-identical in each.
  /// Errors: io_error when another process is gone or too late
  [[nodiscard]] virtual status sum(const std::vector<at::Tensor>& tensors) const {
    static_cast<void>(tensors);
    return {};
  }

  [[nodiscard]] bool leads() const { return rank() == 0; }
  /// Replaces every tensor by the leader's. Implemented as a sum to which the others add zeros: it
  /// runs only a few times per epoch.
  [[nodiscard]] status share(const std::vector<at::Tensor>& tensors) const {
    if (size() == 1) return {};
    torch::NoGradGuard no_gradients;
    if (!leads()) {
      for (const at::Tensor& t : tensors) t.zero_();
    }
    return sum(tensors);
  }
};

}  // namespace lowbit::train
