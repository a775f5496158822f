// SPDX-License-Identifier: Apache-2.0
// Losses from labels and a teacher's softened logits, shared by all recipes that compare only
// logits, from Bort's pre-training to quantization-aware training.
#pragma once

#include <torch/torch.h>

#include "lowbit/train/model/bert.hpp"

namespace lowbit::train {

/// mean over batch and classes of -softmax(teacher)_c * log_softmax(student)_c, both divided by the
/// temperature. The mean is over B*C, not over B (as in TinyBERT's and BiBERT's code).
inline Tensor soft_cross_entropy(const Tensor& student, const Tensor& teacher,
                                 double temperature = 1.0) {
  const Tensor target = at::softmax(teacher / temperature, -1);
  return -(target * at::log_softmax(student / temperature, -1)).mean();
}

/// KL(softmax(teacher / T) || softmax(student / T)), summed over the C classes, mean over the n
/// rows. logits (n, C).
inline Tensor kl_divergence(const Tensor& student, const Tensor& teacher, double temperature) {
  const Tensor log_target = at::log_softmax(teacher / temperature, -1);
  const Tensor log_found = at::log_softmax(student / temperature, -1);
  return (log_target.exp() * (log_target - log_found)).sum(-1).mean();
}

struct soft_target_options {
  double hard_weight = 0.1;  ///< of the cross entropy with the label
  double soft_weight = 0.5;  ///< of T^2 KL
  double temperature = 2.0;  ///< T

  friend bool operator==(const soft_target_options&, const soft_target_options&) = default;
};

/// hard * CE(student, label) + soft * T^2 * KL(teacher || student), mean over the n rows. T^2 keeps
/// the gradient's magnitude independent of T; summing the divergence over classes keeps the balance
/// of the terms independent of the number of classes.
///
/// Source: Hinton, Vinyals, Dean 2015 (arXiv 1503.02531), section 2; Bort's pre-training has the
///         weights 0.1 and 0.5 and T = 2
inline Tensor soft_target_loss(const Tensor& student, const Tensor& teacher, const Tensor& labels,
                               const soft_target_options& o) {
  return o.hard_weight * at::cross_entropy_loss(student, labels) +
         o.soft_weight * o.temperature * o.temperature *
             kl_divergence(student, teacher, o.temperature);
}

}  // namespace lowbit::train
