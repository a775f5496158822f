// SPDX-License-Identifier: Apache-2.0
// The terms of TinyBERT's objective but for the prediction term, which is soft_cross_entropy of
// loss/soft_targets.hpp. The learned map from the student's width to the teacher's stands here too:
// it is part of the loss and never of the model.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "lowbit/train/loss/layer_map.hpp"
#include "lowbit/train/loss/masked_scores.hpp"
#include "lowbit/train/model/bert.hpp"

namespace lowbit::train {

/// Hidden states (.., H_S) of a student in the teacher's space: h W^T + b. One map for all layers
/// and the embedding output, learned also when the widths are equal, as in TinyBERT's code (the
/// paper gives embeddings a matrix of their own).
struct width_map {
  Tensor weight;  // (H_T, H_S)
  Tensor bias;    // (H_T)

  /// W ~ N(0, 0.02), b = 0, from the generator of libtorch.
  width_map(std::int64_t teacher, std::int64_t student, const torch::Device& device)
      : weight(at::randn({teacher, student}).mul_(0.02).to(device).requires_grad_(true)),
        bias(at::zeros({teacher}).to(device).requires_grad_(true)) {}

  [[nodiscard]] Tensor operator()(const Tensor& hidden) const {
    return at::linear(hidden, weight, bias);
  }
  /// Under the names that TinyBERT's checkpoints use; readers of checkpoints pass over them.
  [[nodiscard]] std::vector<named_tensor> parameters() const {
    return {{"fit_dense.weight", weight}, {"fit_dense.bias", bias}};
  }
};

/// Which terms are computed.
struct tinybert_terms {
  bool attention = true, hidden = true, embedding = true;
  bool prediction = true;

  [[nodiscard]] bool intermediate() const { return attention || hidden || embedding; }
};

/// Sum over student layers m of MSE(A_m student, A_g(m) teacher) for scores A (B, A, T, T) before
/// the softmax, where entries <= -100 (masked ones) count as 0 on both sides. The mean is over all
/// entries of all heads: both models have the same number of heads.
///
/// Source: TinyBERT, equation 7; the paper's 1/h and MSE's mean are one mean here
inline Tensor attention_matching(const trace& student, const trace& teacher, const layer_map& map) {
  Tensor sum = at::zeros({}, student.hidden[0].options());
  for (std::size_t m = 1; m < map.size(); ++m) {
    sum = sum + at::mse_loss(without_masked(student.attention[m - 1].scores),
                             without_masked(teacher.attention[map[m] - 1].scores));
  }
  return sum;
}

/// MSE(fit(h_m student), h_g(m) teacher), the mean over all tokens and channels of the teacher.
/// Source: TinyBERT, equation 8; of m = 0 equation 9
inline Tensor state_matching(const trace& student, const trace& teacher, const layer_map& map,
                             const width_map& fit, std::size_t m) {
  return at::mse_loss(fit(student.hidden[m]), teacher.hidden[map[m]]);
}

/// The embedding term alone.
inline Tensor embedding_matching(const trace& student, const trace& teacher, const layer_map& map,
                                 const width_map& fit) {
  return state_matching(student, teacher, map, fit, 0);
}

/// The hidden states of layers 1 .. M, summed.
inline Tensor layer_matching(const trace& student, const trace& teacher, const layer_map& map,
                             const width_map& fit) {
  Tensor sum = at::zeros({}, student.hidden[0].options());
  for (std::size_t m = 1; m < map.size(); ++m) {
    sum = sum + state_matching(student, teacher, map, fit, m);
  }
  return sum;
}

}  // namespace lowbit::train
