// SPDX-License-Identifier: Apache-2.0
// BiT (Liu et al., NeurIPS 2022) as a training scheme: one-bit weights around their tensor's mean,
// elastic activations with a learned step at every site and a learned shift before every linear
// layer. One bit is what the runtime computes; two and four bits are the stages on the way there,
// whose folders the runtime refuses by name.
#pragma once

#include "lowbit/train/model/learned_step.hpp"
#include "lowbit/train/model/scheme.hpp"
#include "lowbit/train/model/weight_codes.hpp"

namespace lowbit::train {

class bit_scheme : public training_scheme {
 public:
  explicit bit_scheme(unsigned input_bits = 1) : bits_(input_bits) {}

  [[nodiscard]] std::string name() const override {
    return bits_ == 1 ? "bit" : "bit-w1a" + std::to_string(bits_);
  }
  [[nodiscard]] unsigned input_bits() const { return bits_; }
  void describe(nlohmann::json& config) const override {
    config["weight_bits"] = 1;
    config["input_bits"] = bits_;
    config["weight_quant_method"] = "bwn";
    config["input_quant_method"] = "elastic";
    config["clip_init_val"] = 2.5;
    config["learnable_scaling"] = true;
    config["sym_quant_qkvo"] = true;
    config["sym_quant_ffn_attn"] = false;
    config["embed_layerwise"] = false;
    config["weight_layerwise"] = true;
    config["input_layerwise"] = true;
    config["not_quantize_attention"] = false;
  }
  [[nodiscard]] const char* hidden_act() const override { return "relu"; }

  [[nodiscard]] extra_tensors linear_extras(site, std::int64_t, std::int64_t k) const override {
    return {{"input_clip_val", new_step()}, {"move.bias", at::zeros({k})}};
  }
  /// The authors' move_q, move_k and move_v are not among them: their forward never uses these.
  [[nodiscard]] extra_tensors attention_extras(std::int64_t) const override {
    return {{"clip_query", new_step()},
            {"clip_key", new_step()},
            {"clip_value", new_step()},
            {"clip_attn", new_step()}};
  }

  /// Rows by their own scale, around the mean of the whole table.
  [[nodiscard]] Tensor embed(const Tensor& table, const Tensor& ids,
                             const forward_options&) const override {
    const Tensor rows = table.index_select(0, ids);
    return straight_through(rows, centered_binary_weights(rows, center_of(table), scale_of::row));
  }
  [[nodiscard]] bool shares_inputs() const override { return false; }
  /// Two or four unsigned bits start from the least value of the batch.
  [[nodiscard]] bool by_token() const override { return bits_ == 1; }
  [[nodiscard]] Tensor input(linear_part& part, site at, const Tensor& x,
                             const forward_options&) const override {
    return learned_step(x + extra(part.extras, "move.bias"), extra(part.extras, "input_clip_val"),
                        {bits_, at != site::feed_forward_output});
  }
  [[nodiscard]] Tensor multiply(linear_part& part, site, const Tensor& x,
                                const forward_options& o) const override {
    const Tensor coded =
        centered_binary_weights(part.weight, center_of(part.weight), scale_of::tensor);
    return linear_function::apply(x, straight_through(part.weight, coded), part.bias, o.type);
  }
  [[nodiscard]] Tensor head(extra_tensors& extras, projection which, const Tensor& x,
                            const forward_options&) const override {
    constexpr const char* names[] = {"clip_query", "clip_key", "clip_value"};
    return learned_step(x, extra(extras, names[static_cast<std::size_t>(which)]), {bits_, true});
  }
  [[nodiscard]] Tensor probabilities(extra_tensors& extras, const Tensor& scores,
                                     const forward_options& o) const override {
    return learned_step(at::dropout(at::softmax(scores, -1), o.dropout, o.training),
                        extra(extras, "clip_attn"), {bits_, false});
  }
  [[nodiscard]] Tensor activate(const Tensor& x) const override { return at::relu(x); }

 private:
  unsigned bits_;
};

}  // namespace lowbit::train
