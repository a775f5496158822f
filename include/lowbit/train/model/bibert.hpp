// SPDX-License-Identifier: Apache-2.0
// BiBERT (Qin et al., ICLR 2022) and its baseline, naive binarization, as training schemes: sign
// weights with a scale per row, sign inputs, sign q, k and v. They differ in the attention
// probabilities.
#pragma once

#include "lowbit/train/model/scheme.hpp"

namespace lowbit::train {

class binary_scheme : public training_scheme {
 public:
  void describe(nlohmann::json& config) const override {
    config["quantize_act"] = true;
    config["weight_bits"] = 1;
    config["input_bits"] = 1;
    config["embedding_bits"] = 1;
    config["clip_val"] = 2.5;
  }
  [[nodiscard]] Tensor embed(const Tensor& table, const Tensor& ids,
                             const forward_options&) const override {
    return binary_embedding(table, ids);
  }
  [[nodiscard]] Tensor input(linear_part&, site at, const Tensor& x,
                             const forward_options&) const override {
    // activate() has already taken the sign.
    return at == site::feed_forward_output ? x : sign_through(x, pass_band::closed);
  }
  [[nodiscard]] Tensor multiply(linear_part& part, site, const Tensor& x,
                                const forward_options& o) const override {
    return binary_linear_function::apply(x, part.weight, part.bias, o.type);
  }
  [[nodiscard]] Tensor head(extra_tensors&, projection, const Tensor& x,
                            const forward_options&) const override {
    return sign_through(x, pass_band::open);
  }
  [[nodiscard]] Tensor activate(const Tensor& x) const override { return sign_gelu(x); }
};

/// Attention bit 1[score > 0] instead of the softmax. Dropout, if any, applies to the scores.
class bibert_scheme : public binary_scheme {
 public:
  [[nodiscard]] std::string name() const override { return "bibert"; }
  [[nodiscard]] Tensor probabilities(extra_tensors&, const Tensor& scores,
                                     const forward_options& o) const override {
    return attention_bit(at::dropout(scores, o.dropout, o.training));
  }
};

/// The baseline: the softmax stays and the same sign is applied to its output. Probabilities are
/// positive, so every real token gets the bit 1 and all attention information is lost (BiBERT,
/// section 3.2); a masked token underflows to 0 and stays off.
class softmax_binarized_scheme : public binary_scheme {
 public:
  [[nodiscard]] std::string name() const override { return "softmax-binarized"; }
  /// Its own model type: a runtime that read it as BiBERT would give plausible but wrong answers.
  void describe(nlohmann::json& config) const override {
    binary_scheme::describe(config);
    config["model_type"] = "bert-softmax-binarized";
  }
  [[nodiscard]] Tensor probabilities(extra_tensors&, const Tensor& scores,
                                     const forward_options& o) const override {
    return sign_through(at::dropout(at::softmax(scores, -1), o.dropout, o.training),
                        pass_band::closed);
  }
};

}  // namespace lowbit::train
