// SPDX-License-Identifier: Apache-2.0
// What every loss on attention takes a masked score for.
#pragma once

#include <torch/torch.h>

namespace lowbit::train {

/// Scores before the softmax where those of masked keys, the ones <= -100, count as 0. Authors'
/// code adds -10000 to them, which would be all that a squared error sees.
inline at::Tensor without_masked(const at::Tensor& scores) {
  return scores.masked_fill(scores.le(-100.0), 0.0);
}

}  // namespace lowbit::train
