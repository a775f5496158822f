// SPDX-License-Identifier: Apache-2.0
// The terms of TinyBERT's objective, except the prediction term, which is soft_cross_entropy in
// loss/soft_targets.hpp. Includes the learned map from the student's width to the teacher's, which
// is part of the loss, not of the model.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "lowbit/train/loss/layer_map.hpp"
#include "lowbit/train/loss/masked_scores.hpp"
#include "lowbit/train/model/bert.hpp"

namespace lowbit::train {

/// Maps hidden states (.., H_S) of a student into the teacher's space: h W^T + b. One map for all
/// layers and the embedding output, used even if the widths are equal, as in TinyBERT's code (the
/// paper has a separate matrix for embeddings).
struct width_map {
  Tensor weight;  // (H_T, H_S)
  Tensor bias;    // (H_T)

  /// W ~ N(0, 0.02), b = 0; uses libtorch's generator.
  width_map(std::int64_t teacher, std::int64_t student, const torch::Device& device)
      : weight(at::randn({teacher, student}).mul_(0.02).to(device).requires_grad_(true)),
        bias(at::zeros({teacher}).to(device).requires_grad_(true)) {}

  [[nodiscard]] Tensor operator()(const Tensor& hidden) const {
    return at::linear(hidden, weight, bias);
  }
  /// With the names of TinyBERT's checkpoints; checkpoint readers ignore them.
  [[nodiscard]] std::vector<named_tensor> parameters() const {
    return {{"fit_dense.weight", weight}, {"fit_dense.bias", bias}};
  }
};

/// The terms to compute.
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
/// Source: TinyBERT, equation 8; equation 9 for m = 0
inline Tensor state_matching(const trace& student, const trace& teacher, const layer_map& map,
                             const width_map& fit, std::size_t m) {
  return at::mse_loss(fit(student.hidden[m]), teacher.hidden[map[m]]);
}

/// The embedding term only.
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
