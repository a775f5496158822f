// SPDX-License-Identifier: Apache-2.0
// Recognises the quantization scheme of a config.json by the fields that its training code writes.
// Independent of shapes. Variants with the same fields but different arithmetic are rejected by
// name, because the nearest scheme would give plausible but wrong logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "lowbit/core/status.hpp"
#include "lowbit/io/json.hpp"

namespace lowbit::inline LOWBIT_ISA {

enum class scheme : std::uint8_t { fp32, bibert, bit, ternarybert, binarybert, q8bert, ibert };

[[nodiscard]] constexpr std::string_view scheme_name(scheme value) {
  switch (value) {
    case scheme::fp32:
      return "fp32";
    case scheme::bibert:
      return "bibert";
    case scheme::bit:
      return "bit";
    case scheme::ternarybert:
      return "ternarybert";
    case scheme::binarybert:
      return "binarybert";
    case scheme::q8bert:
      return "q8bert";
    case scheme::ibert:
      return "ibert";
  }
  return "?";
}

namespace detail {

/// True if the classifier reads relu(pooled), as in TinyBERT. TinyBERT's own program writes two
/// characteristic empty strings and no architectures. If architectures are present they decide,
/// because a plain BERT fine-tuned from a TinyBERT checkpoint keeps the two strings.
inline bool is_tinybert(const nlohmann::json& config) {
  const nlohmann::json* architectures = find_member(config, "architectures");
  if (architectures == nullptr || !architectures->is_array() || architectures->empty()) {
    return config.contains("pre_trained") && config.contains("training");
  }
  for (const nlohmann::json& entry : *architectures) {
    if (entry.is_string() &&
        entry.get_ref<const std::string&>().find("TinyBert") != std::string::npos) {
      return true;
    }
  }
  return false;
}

/// Rejects variants of BiT that its published models do not use.
inline status check_bit_fields(const nlohmann::json& config, std::string_view name) {
  struct rule {
    std::string_view field;
    bool expected;
  };
  constexpr rule rules[] = {
      {"not_quantize_attention", false}, {"embed_layerwise", false}, {"weight_layerwise", true},
      {"input_layerwise", true},         {"sym_quant_qkvo", true},   {"sym_quant_ffn_attn", false},
  };
  for (const rule& r : rules) {
    const auto value = json_bool(config, r.field, name, r.expected);
    if (!value) return value.status();
    if (*value != r.expected) {
      return status::error(errc::unsupported, name, ": ", r.field, " is ",
                           *value ? "true" : "false", ", expected ", r.expected ? "true" : "false",
                           " for a BiT model");
    }
  }
  LOWBIT_TRY_ASSIGN(const auto act, json_string(config, "hidden_act", name, "gelu"));
  if (act != "relu") {
    return status::error(errc::unsupported, name, ": hidden_act is ", quote_name(act),
                         ", expected \"relu\" for a BiT model");
  }
  return {};
}

/// BiT and BinaryBERT share a code base and the fields weight_quant_method and input_quant_method.
inline result<scheme> recognise_bit_family(const nlohmann::json& config, std::string_view name) {
  LOWBIT_TRY_ASSIGN(const auto weights, json_string(config, "weight_quant_method", name));
  LOWBIT_TRY_ASSIGN(const auto inputs, json_string(config, "input_quant_method", name));
  LOWBIT_TRY_ASSIGN(const auto weight_bits, json_size(config, "weight_bits", name));
  LOWBIT_TRY_ASSIGN(const auto input_bits, json_size(config, "input_bits", name));
  if (weights != "bwn" || inputs != "elastic" || weight_bits != 1) return scheme::binarybert;
  if (input_bits != 1) {
    return status::error(errc::unsupported, name, ": input_bits is ", input_bits,
                         " with elastic inputs, expected 1: only the one-bit BiT is computed");
  }
  LOWBIT_TRY(check_bit_fields(config, name));
  return scheme::bit;
}

/// BiBERT and TernaryBERT share the fields quantize_act, weight_bits and input_bits.
inline result<scheme> recognise_bibert_family(const nlohmann::json& config, std::string_view name) {
  LOWBIT_TRY_ASSIGN(const auto quantize, json_bool(config, "quantize_act", name, false));
  LOWBIT_TRY_ASSIGN(const auto weight_bits, json_size(config, "weight_bits", name));
  LOWBIT_TRY_ASSIGN(const auto input_bits, json_size(config, "input_bits", name, 32));
  if (!quantize) {
    if (weight_bits >= 32 && input_bits >= 32) return scheme::fp32;
    return status::error(errc::unsupported, name, ": weight_bits is ", weight_bits,
                         " without quantize_act, expected quantize_act true");
  }
  if (weight_bits == 2) return scheme::ternarybert;
  if (weight_bits != 1) {
    return status::error(errc::unsupported, name, ": weight_bits is ", weight_bits,
                         " with quantize_act, expected 1 (BiBERT) or 2 (TernaryBERT)");
  }
  if (input_bits != 1) {
    return status::error(errc::unsupported, name, ": input_bits is ", input_bits,
                         " with weight_bits 1, expected 1: BiBERT's attention is defined for one "
                         "bit only");
  }
  return scheme::bibert;
}

}  // namespace detail

/// True if a folder contains latent weights with trained ranges, as written by `lowbit-train qat -p
/// q8bert`. scheme::q8bert without them comes from another program.
[[nodiscard]] inline bool has_trained_ranges(const nlohmann::json& config) {
  return detail::find_member(config, "lowbit_scheme") != nullptr;
}

/// The scheme of a config, from its fields alone.
///
/// Errors: unsupported for a variant that no scheme here implements; not_found or malformed for a
/// field
///         that the recognised family requires
inline result<scheme> recognise_scheme(const nlohmann::json& config, std::string_view name) {
  const auto has = [&](std::string_view field) {
    return detail::find_member(config, field) != nullptr;
  };
  LOWBIT_TRY_ASSIGN(const auto model_type, json_string(config, "model_type", name, "bert"));
  LOWBIT_TRY_ASSIGN(const auto integer_only, json_bool(config, "quant_mode", name, false));
  if (model_type == "ibert" || integer_only) return scheme::ibert;
  if (has_trained_ranges(config)) {
    LOWBIT_TRY_ASSIGN(const auto own, json_string(config, "lowbit_scheme", name));
    if (own == scheme_name(scheme::q8bert)) return scheme::q8bert;
    return status::error(errc::unsupported, name, ": lowbit_scheme is ", detail::quote_name(own),
                         ", expected \"q8bert\"");
  }
  if (has("weight_quant_method") || has("input_quant_method")) {
    return detail::recognise_bit_family(config, name);
  }
  if (has("quantize_act") || has("weight_bits") || has("input_bits")) {
    return detail::recognise_bibert_family(config, name);
  }
  const nlohmann::json* query = detail::find_member(config, "attention_query");
  if (query != nullptr && query->is_object()) return scheme::q8bert;  // one object per linear layer
  return scheme::fp32;
}

}  // namespace lowbit::inline LOWBIT_ISA
