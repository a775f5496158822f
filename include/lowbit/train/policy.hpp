// SPDX-License-Identifier: Apache-2.0
// What a training module computes at each site, as one type per scheme: the training twin of the
// runtime's policies. A policy is stateless; bert.hpp is the same code for all of them.
#pragma once

#include <torch/torch.h>

#include "lowbit/train/matmul.hpp"
#include "lowbit/train/straight_through.hpp"

namespace lowbit::train {

/// Full precision BERT: the teacher.
struct fp32_policy {
  static constexpr bool binary = false;
  static constexpr const char* name = "fp32";

  static Tensor embed(const Tensor& table, const Tensor& ids) { return at::embedding(table, ids); }
  static Tensor input(const Tensor& x) { return x; }
  static Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b, precision type) {
    return linear_function::apply(x, w, b, type);
  }
  static Tensor head(const Tensor& x) { return x; }
  /// The input of the second feed-forward linear.
  static Tensor activation(const Tensor& x) { return at::gelu(x); }
  static Tensor probabilities(const Tensor& scores, double dropout, bool training) {
    return at::dropout(at::softmax(scores, -1), dropout, training);
  }
};

/// What the fully binary schemes share: sign weights with a row scale, sign inputs, sign q, k, v.
struct binary_policy {
  static constexpr bool binary = true;

  static Tensor embed(const Tensor& table, const Tensor& ids) {
    return binary_embedding(table, ids);
  }
  static Tensor input(const Tensor& x) { return sign_through(x, pass_band::closed); }
  static Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b, precision type) {
    return binary_linear_function::apply(x, w, b, type);
  }
  static Tensor head(const Tensor& x) { return sign_through(x, pass_band::open); }
  static Tensor activation(const Tensor& x) { return sign_gelu(x); }
};

/// BiBERT: attention bit 1[score > 0] instead of the softmax. Dropout, when used, sits on the
/// scores.
struct bibert_policy : binary_policy {
  static constexpr const char* name = "bi";
  static Tensor probabilities(const Tensor& scores, double dropout, bool training) {
    return attention_bit(at::dropout(scores, dropout, training));
  }
};

/// The baseline that BiBERT improves on: the softmax stays and its output goes through the same
/// sign. Probabilities are positive, so every real token gets the bit 1 and all attention
/// information is lost (BiBERT, section 3.2); a masked token underflows to 0 and stays off.
struct softmax_binarized_policy : binary_policy {
  static constexpr const char* name = "softmax-binarized";
  static Tensor probabilities(const Tensor& scores, double dropout, bool training) {
    return sign_through(at::dropout(at::softmax(scores, -1), dropout, training), pass_band::closed);
  }
};

}  // namespace lowbit::train
