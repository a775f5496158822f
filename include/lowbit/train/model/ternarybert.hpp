// SPDX-License-Identifier: Apache-2.0
// TernaryBERT (Zhang et al., EMNLP 2020) and BinaryBERT (Bai et al., ACL 2021) as training schemes:
// ternary or one-bit weights, activations of a few bits with the range of the batch or a learned
// step (LSQ). After its split, BinaryBERT has two matrices for each ternary one.
#pragma once

#include "lowbit/train/model/dynamic_range.hpp"
#include "lowbit/train/model/learned_step.hpp"
#include "lowbit/train/model/low_bit_weights.hpp"

namespace lowbit::train {

/// Ternary weights clipped to a fixed interval; all activations symmetric, even probabilities.
class ternarybert_scheme : public low_bit_weight_scheme {
 public:
  explicit ternarybert_scheme(unsigned input_bits = 8, double clip = 2.5)
      : low_bit_weight_scheme(input_bits), clip_(clip) {}

  [[nodiscard]] std::string name() const override {
    return "ternarybert_w2a" + std::to_string(input_bits());
  }
  void describe(nlohmann::json& config) const override {
    config["quantize_act"] = true;
    config["weight_bits"] = 2;
    config["input_bits"] = input_bits();
    config["clip_val"] = clip_;
  }
  /// Fixed intervals, as in the authors' code.
  [[nodiscard]] extra_tensors linear_extras(site, std::int64_t) const override {
    return {{"weight_clip_val", interval(), false}, {"act_clip_val", interval(), false}};
  }
  [[nodiscard]] extra_tensors attention_extras() const override {
    return attention_clips([this] { return interval(); }, false);
  }
  [[nodiscard]] Tensor embed(const Tensor& table, const Tensor& ids,
                             const forward_options&) const override {
    const Tensor rows = at::hardtanh(table.index_select(0, ids), -clip_, clip_);
    return straight_through(rows, ternary_weights(rows, scale_of::row));
  }
  [[nodiscard]] Tensor input(linear_part& part, site, const Tensor& x,
                             const forward_options&) const override {
    return encode(extra(part.extras, "act_clip_val"), x, true);
  }
  [[nodiscard]] Tensor activate(const Tensor& x) const override { return at::gelu(x); }

 protected:
  [[nodiscard]] Tensor encode(Tensor& clip, const Tensor& x, bool) const override {
    return dynamic_range(x, clip, input_bits(), true);
  }
  [[nodiscard]] Tensor weights(linear_part& part) const override {
    const Tensor clipped = clip_function::apply(part.weight, extra(part.extras, "weight_clip_val"));
    return straight_through(clipped, ternary_weights(clipped, scale_of::tensor));
  }

 private:
  [[nodiscard]] Tensor interval() const {
    return at::tensor({static_cast<float>(-clip_), static_cast<float>(clip_)});
  }
  double clip_;
};

/// The variants of BinaryBERT.
struct binarybert_format {
  unsigned input_bits = 8;
  bool ternary = false;  ///< the model before the split
  bool split = false;    ///< two one-bit matrices for each ternary one
  bool learned_steps = false;
  activation_function hidden_act = activation_function::gelu;

  /// The combinations in the authors' scripts: ranges and GELU with eight bits, LSQ and ReLU below.
  static binarybert_format of(unsigned input_bits, bool ternary, bool split) {
    using enum activation_function;
    return {input_bits, ternary, split, input_bits != 8, input_bits != 8 ? relu : gelu};
  }
};

class binarybert_scheme : public low_bit_weight_scheme {
 public:
  explicit binarybert_scheme(const binarybert_format& format)
      : low_bit_weight_scheme(format.input_bits), format_(format) {}

  [[nodiscard]] std::string name() const override {
    return std::string("binarybert") + (format_.split ? "_split" : "") +
           (format_.ternary ? "_w2a" : "_w1a") + std::to_string(input_bits()) +
           (input_bits() != 8 && !format_.learned_steps ? "_dynamic" : "");
  }
  void describe(nlohmann::json& config) const override {
    describe_codes(config, format_.ternary ? 2 : 1, format_.ternary ? "twn" : "bwn",
                   format_.learned_steps ? "lsq" : "uniform");
  }
  [[nodiscard]] activation_function hidden_act() const override { return format_.hidden_act; }
  [[nodiscard]] std::size_t parts() const override { return format_.split ? 2 : 1; }
  [[nodiscard]] extra_tensors linear_extras(site, std::int64_t) const override {
    return {{"input_clip_val", learned()}};
  }
  [[nodiscard]] extra_tensors attention_extras() const override {
    return attention_clips([this] { return learned(); });
  }
  [[nodiscard]] Tensor embed(const Tensor& table, const Tensor& ids,
                             const forward_options&) const override {
    const Tensor rows = table.index_select(0, ids);
    return straight_through(rows, coded(rows, scale_of::row));
  }
  [[nodiscard]] Tensor input(linear_part& part, site at, const Tensor& x,
                             const forward_options&) const override {
    return encode(extra(part.extras, "input_clip_val"), x, at != site::feed_forward_output);
  }
  [[nodiscard]] Tensor activate(const Tensor& x) const override {
    return apply_activation(format_.hidden_act, x);
  }

 protected:
  [[nodiscard]] Tensor encode(Tensor& learned, const Tensor& x, bool is_signed) const override {
    if (format_.learned_steps) return learned_step(x, learned, {input_bits(), is_signed});
    return dynamic_range(x, learned, input_bits(), is_signed);
  }
  [[nodiscard]] Tensor weights(linear_part& part) const override {
    return straight_through(part.weight, coded(part.weight, scale_of::tensor));
  }

 private:
  [[nodiscard]] Tensor learned() const {
    return format_.learned_steps ? new_step() : at::tensor({-2.5F, 2.5F});
  }
  [[nodiscard]] Tensor coded(const Tensor& weight, scale_of scale) const {
    return format_.ternary ? ternary_weights(weight, scale) : binary_weights(weight, scale);
  }
  binarybert_format format_;
};

}  // namespace lowbit::train
