// SPDX-License-Identifier: Apache-2.0
// BiT (Liu et al., NeurIPS 2022) as a training scheme: one-bit weights centered on their tensor's
// mean, elastic activations with a learned step at every site and a learned shift before every
// linear layer. The runtime computes one-bit activations only; two and four bits are intermediate
// training stages, whose folders it rejects.
#pragma once

#include "lowbit/train/model/learned_step.hpp"
#include "lowbit/train/model/low_bit_weights.hpp"
#include "lowbit/train/model/weight_codes.hpp"

namespace lowbit::train {

class bit_scheme : public low_bit_weight_scheme {
 public:
  explicit bit_scheme(unsigned input_bits = 1) : low_bit_weight_scheme(input_bits) {}

  [[nodiscard]] std::string name() const override {
    return input_bits() == 1 ? "bit" : "bit-w1a" + std::to_string(input_bits());
  }
  void describe(nlohmann::json& config) const override {
    describe_codes(config, 1, "bwn", "elastic");
    config["not_quantize_attention"] = false;
  }
  [[nodiscard]] activation_function hidden_act() const override {
    return activation_function::relu;
  }

  [[nodiscard]] extra_tensors linear_extras(site, std::int64_t k) const override {
    return {{"input_clip_val", new_step()}, {"move.bias", at::zeros({k})}};
  }
  /// Without the authors' move_q, move_k and move_v, which their forward never uses.
  [[nodiscard]] extra_tensors attention_extras() const override {
    return attention_clips(new_step);
  }

  /// A scale per row; the center is the mean of the whole table.
  [[nodiscard]] Tensor embed(const Tensor& table, const Tensor& ids,
                             const forward_options&) const override {
    const Tensor rows = table.index_select(0, ids);
    return straight_through(rows, centered_binary_weights(rows, center_of(table), scale_of::row));
  }
  /// Two or four unsigned bits are offset by the minimum over the batch.
  [[nodiscard]] bool by_token() const override { return input_bits() == 1; }
  [[nodiscard]] Tensor input(linear_part& part, site at, const Tensor& x,
                             const forward_options&) const override {
    return encode(extra(part.extras, "input_clip_val"), x + extra(part.extras, "move.bias"),
                  at != site::feed_forward_output);
  }
  [[nodiscard]] Tensor activate(const Tensor& x) const override { return at::relu(x); }

 protected:
  [[nodiscard]] Tensor encode(Tensor& step, const Tensor& x, bool is_signed) const override {
    return learned_step(x, step, {input_bits(), is_signed});
  }
  [[nodiscard]] Tensor weights(linear_part& part) const override {
    return straight_through(
        part.weight,
        centered_binary_weights(part.weight, center_of(part.weight), scale_of::tensor));
  }
};

}  // namespace lowbit::train
