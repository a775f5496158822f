// SPDX-License-Identifier: Apache-2.0
// The common base of the training schemes of BiT, TernaryBERT and BinaryBERT, whose published code
// is derived from one another. The codes of weights and activations are up to each scheme.
#pragma once

#include "lowbit/train/model/scheme.hpp"

namespace lowbit::train {

/// Each linear layer quantizes its own input; ranges span a batch.
class low_bit_weight_scheme : public training_scheme {
 public:
  [[nodiscard]] unsigned input_bits() const { return bits_; }
  [[nodiscard]] bool shares_inputs() const override { return false; }
  [[nodiscard]] bool by_token() const override { return false; }
  [[nodiscard]] Tensor head(extra_tensors& extras, projection which, const Tensor& x,
                            const forward_options&) const override {
    constexpr const char* names[] = {"clip_query", "clip_key", "clip_value"};
    return encode(extra(extras, names[static_cast<std::size_t>(which)]), x, true);
  }
  [[nodiscard]] Tensor probabilities(extra_tensors& extras, const Tensor& scores,
                                     const forward_options& o) const override {
    return encode(extra(extras, "clip_attn"),
                  at::dropout(at::softmax(scores, -1), o.dropout, o.training), false);
  }
  [[nodiscard]] Tensor multiply(linear_part& part, site, const Tensor& x,
                                const forward_options& o) const override {
    return linear_function::apply(x, weights(part), part.bias, o.type);
  }

 protected:
  explicit low_bit_weight_scheme(unsigned input_bits) : bits_(input_bits) {}
  /// Quantizes x with the clip or step of its site. `is_signed` is false for attention
  /// probabilities and the activations between the feed-forward layers.
  [[nodiscard]] virtual Tensor encode(Tensor& learned, const Tensor& x, bool is_signed) const = 0;
  /// The quantized weights that are multiplied.
  [[nodiscard]] virtual Tensor weights(linear_part& part) const = 0;
  /// The clips or steps of attention, each created by `made`.
  template <class Make>
  [[nodiscard]] static extra_tensors attention_clips(const Make& made, bool trained = true) {
    return {{"clip_query", made(), trained},
            {"clip_key", made(), trained},
            {"clip_value", made(), trained},
            {"clip_attn", made(), trained}};
  }
  /// The config.json fields that BiT and BinaryBERT share.
  void describe_codes(nlohmann::json& config, int weight_bits, const char* weight_method,
                      const char* input_method) const {
    config["weight_bits"] = weight_bits;
    config["input_bits"] = bits_;
    config["weight_quant_method"] = weight_method;
    config["input_quant_method"] = input_method;
    config["clip_init_val"] = 2.5;
    config["learnable_scaling"] = true;
    config["sym_quant_qkvo"] = true;
    config["sym_quant_ffn_attn"] = false;
    config["embed_layerwise"] = false;
    config["weight_layerwise"] = true;
    config["input_layerwise"] = true;
  }

 private:
  unsigned bits_;
};

}  // namespace lowbit::train
