// SPDX-License-Identifier: Apache-2.0
// The terms of BiBERT's training objective and their sum. Each term is a plain function of tensors;
// the tests recompute each with loops.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <vector>

#include "lowbit/train/loss/masked_scores.hpp"
#include "lowbit/train/loss/soft_targets.hpp"
#include "lowbit/train/model/bert.hpp"

namespace lowbit::train {

/// D(X, Y) = || X / ||X|| - Y / ||Y|| ||, Frobenius norms over the whole batch tensor.
inline Tensor direction_distance(const Tensor& x, const Tensor& y) {
  return (x / x.norm() - y / y.norm()).norm();
}

/// S = F F^T / sqrt(d) for one of query, key, value (B, A, T, d); entries <= -100 count as 0.
inline Tensor similarity(const Tensor& f) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(f.size(-1)));
  return without_masked(head_scores(f, f).mul(scale));
}

/// BiBERT's direction-matching distillation: sum over F in {query, key, value} and student layers
/// of D(S_F student, S_F teacher). Student layer l is matched to teacher layer l*r + r-1, where r
/// is the ratio of the depths.
inline Tensor direction_matching(const trace& student, const trace& teacher) {
  const std::size_t ratio = teacher.attention.size() / student.attention.size();
  Tensor sum = at::zeros({}, student.logits.options());
  for (std::size_t l = 0; l < student.attention.size(); ++l) {
    const attention_trace& s = student.attention[l];
    const attention_trace& t = teacher.attention[l * ratio + ratio - 1];
    sum = sum + direction_distance(similarity(s.query), similarity(t.query)) +
          direction_distance(similarity(s.key), similarity(t.key)) +
          direction_distance(similarity(s.value), similarity(t.value));
  }
  return sum;
}

/// Sum over l = 0..L_student of D(h_l student, h_{l*r} teacher).
inline Tensor hidden_matching(const trace& student, const trace& teacher) {
  const std::size_t ratio = teacher.attention.size() / student.attention.size();
  Tensor sum = at::zeros({}, student.logits.options());
  for (std::size_t l = 0; l < student.hidden.size(); ++l) {
    sum = sum + direction_distance(student.hidden[l], teacher.hidden[l * ratio]);
  }
  return sum;
}

/// Weights of the objective; the defaults are the paper's.
struct bibert_objective {
  bool direction_matching = true;  ///< false: the ablation without DMD
  double dmd_weight = 1.0;
  double hidden_weight = 1.0;
  double soft_weight = 1.0;  ///< of the soft cross entropy (a mean over classes)
  double hard_weight = 0.5;  ///< of the negative log likelihood of the label
  double temperature = 1.0;
};

/// L = L_pred + L_Q + L_K + L_V + L_hid, L_pred = soft cross entropy + 0.5 * NLL(label).
inline Tensor bibert_loss(const trace& student, const trace& teacher,
                          const bibert_objective& options) {
  Tensor loss = options.soft_weight *
                    soft_cross_entropy(student.logits, teacher.logits, options.temperature) +
                options.hard_weight * at::cross_entropy_loss(student.logits, student.targets);
  if (options.direction_matching && options.dmd_weight > 0) {
    loss = loss + options.dmd_weight * direction_matching(student, teacher);
  }
  if (options.hidden_weight > 0) {
    loss = loss + options.hidden_weight * hidden_matching(student, teacher);
  }
  return loss;
}

}  // namespace lowbit::train
