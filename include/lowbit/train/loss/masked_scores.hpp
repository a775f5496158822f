// SPDX-License-Identifier: Apache-2.0
// Treatment of masked scores in every attention loss.
#pragma once

#include <torch/torch.h>

namespace lowbit::train {

/// Scores before the softmax with those of masked keys (<= -100) set to 0. The authors' code adds
/// -10000 to them, which would dominate a squared error.
inline at::Tensor without_masked(const at::Tensor& scores) {
  return scores.masked_fill(scores.le(-100.0), 0.0);
}

}  // namespace lowbit::train
