// SPDX-License-Identifier: Apache-2.0
// The processes that train one model together, as the training loop sees them.
#pragma once

#include <torch/torch.h>

#include <cstddef>
#include <vector>

namespace lowbit::train {

/// One process on its own; others derive from it.
class workers {
 public:
  workers() = default;
  workers(const workers&) = delete;
  workers& operator=(const workers&) = delete;
  virtual ~workers() = default;

  [[nodiscard]] virtual std::size_t rank() const { return 0; }
  [[nodiscard]] virtual std::size_t size() const { return 1; }
  /// Replaces every tensor by its sum over all processes.
  virtual void sum(const std::vector<at::Tensor>& tensors) const { static_cast<void>(tensors); }

  [[nodiscard]] bool leads() const { return rank() == 0; }
};

}  // namespace lowbit::train
