// SPDX-License-Identifier: Apache-2.0
// Layer-wise losses for a student of the teacher's depth and hidden size: mean squared errors of
// hidden states and attention scores, as in BiT, TernaryBERT and BinaryBERT.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "lowbit/train/loss/masked_scores.hpp"
#include "lowbit/train/model/bert.hpp"

namespace lowbit::train {

/// Sum over all L + 1 hidden states of the mean squared error.
inline Tensor hidden_error(const trace& student, const trace& teacher) {
  Tensor sum = at::zeros({}, student.hidden[0].options());
  for (std::size_t l = 0; l < student.hidden.size(); ++l) {
    sum = sum + at::mse_loss(student.hidden[l], teacher.hidden[l]);
  }
  return sum;
}

/// Sum over the layers of the mean squared error of masked scores before the softmax; scores <=
/// -100 count as 0 on both sides. heads[l] (int64): the teacher's head for each of the student's;
/// empty: the same heads.
inline Tensor score_error(const trace& student, const trace& teacher,
                          const std::vector<Tensor>& heads = {}) {
  Tensor sum = at::zeros({}, student.hidden[0].options());
  for (std::size_t l = 0; l < student.attention.size(); ++l) {
    const Tensor& all = teacher.attention[l].scores;
    const Tensor target = heads.empty() ? all : all.index_select(1, heads[l]);
    sum = sum + at::mse_loss(without_masked(student.attention[l].scores), without_masked(target));
  }
  return sum;
}

}  // namespace lowbit::train
