// SPDX-License-Identifier: Apache-2.0
// Reads config.json of TernaryBERT and BinaryBERT checkpoints, and determines their policy.
#pragma once

#include "lowbit/io/config.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct quantized_bert_fields {
  std::size_t weight_bits = 2;
  std::size_t input_bits = 8;
  bool learned_steps = false;  // LSQ
  float clip = 2.5F;           // default if the checkpoint has no clip
};

inline status unsupported_field(std::string_view place, std::string_view field,
                                const std::string& found, std::string_view expected) {
  return status::error(errc::unsupported, place, ": ", field, " is ", found, ", expected ",
                       expected);
}

inline status check_input_bits(const quantized_bert_fields& f, std::string_view place) {
  const std::size_t b = f.input_bits;
  if (b == 2 || b == 4 || (b == 8 && !f.learned_steps)) return {};
  return unsupported_field(place, "input_bits", std::to_string(b),
                           f.learned_steps ? "4 or 2 with input_quant_method lsq" : "8, 4 or 2");
}

/// Reads the fields of BinaryBERT's training program.
inline result<quantized_bert_fields> read_binarybert_fields(const nlohmann::json& config,
                                                            std::string_view place) {
  struct rule {
    std::string_view field;
    bool expected;
  };
  constexpr rule rules[] = {{"sym_quant_qkvo", true},
                            {"sym_quant_ffn_attn", false},
                            {"weight_layerwise", true},
                            {"input_layerwise", true},
                            {"embed_layerwise", false}};
  for (const rule& r : rules) {
    const auto value = json_bool(config, r.field, place, r.expected);
    if (!value) return value.status();
    if (*value != r.expected) {
      return unsupported_field(place, r.field, *value ? "true" : "false",
                               r.expected ? "true" : "false");
    }
  }
  LOWBIT_TRY_ASSIGN(const auto weights, json_string(config, "weight_quant_method", place));
  LOWBIT_TRY_ASSIGN(const auto inputs, json_string(config, "input_quant_method", place));
  LOWBIT_TRY_ASSIGN(const auto weight_bits, json_size(config, "weight_bits", place));
  LOWBIT_TRY_ASSIGN(const auto input_bits, json_size(config, "input_bits", place));
  LOWBIT_TRY_ASSIGN(const auto clip, json_float(config, "clip_init_val", place, 2.5F));
  if (!(weight_bits == 1 && weights == "bwn") && !(weight_bits == 2 && weights == "twn")) {
    return status::error(errc::unsupported, place, ": weight_quant_method is ", quote_name(weights),
                         " with weight_bits ", weight_bits, ", expected bwn with 1 or twn with 2");
  }
  if (inputs != "uniform" && inputs != "lsq") {
    return unsupported_field(place, "input_quant_method", quote_name(inputs), "uniform or lsq");
  }
  const quantized_bert_fields fields{weight_bits, input_bits, inputs == "lsq", clip};
  LOWBIT_TRY(check_input_bits(fields, place));
  return fields;
}

inline result<quantized_bert_fields> read_quantized_bert_fields(const model_config& config,
                                                                std::string_view place) {
  if (config.recognised == scheme::binarybert) return read_binarybert_fields(config.raw, place);
  LOWBIT_TRY_ASSIGN(const auto input_bits, json_size(config.raw, "input_bits", place, 8));
  LOWBIT_TRY_ASSIGN(const auto clip, json_float(config.raw, "clip_val", place, 2.5F));
  const quantized_bert_fields fields{2, input_bits, false, clip};
  LOWBIT_TRY(check_input_bits(fields, place));
  return fields;
}

inline bool is_quantized_bert(scheme s) {
  return s == scheme::ternarybert || s == scheme::binarybert;
}

/// The policy name of a TernaryBERT or BinaryBERT checkpoint. Only the tensors show whether it is
/// split, so the caller passes that.
/// Errors: unsupported, not_found or malformed naming the field
inline result<std::string> quantized_bert_policy(const model_config& config, bool split,
                                                 std::string_view place) {
  const auto fields = read_quantized_bert_fields(config, place);
  if (!fields) return fields.status();
  const activation_function act = config.shape.hidden_act;
  if (config.recognised == scheme::ternarybert && act != activation_function::gelu) {
    return unsupported_field(place, "hidden_act", quote_name(name_of(act)),
                             "\"gelu\" for a TernaryBERT model");
  }
  std::string name = config.recognised == scheme::ternarybert ? "ternarybert" : "binarybert";
  if (split) name += "_split";
  name += "_w" + std::to_string(fields->weight_bits) + "a" + std::to_string(fields->input_bits);
  if (fields->input_bits != 8 && config.recognised == scheme::binarybert && !fields->learned_steps)
    name += "_dynamic";
  return name;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
