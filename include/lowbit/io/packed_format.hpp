// SPDX-License-Identifier: Apache-2.0
// Reads and writes the quantization_config of a packed folder. Unknown fields are errors, because
// they could change the meaning of the tensors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/embedding_format.hpp"
#include "lowbit/io/json.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// config["quantization_config"] of a folder packed by lowbit.
struct packed_format {
  int version = 1;
  std::string policy;
  std::string zero;  ///< "torch": sign(0) = 0, or "plus-one": sign(0) = +1
};

namespace detail {

/// The fields of an embedding model beside "pooling".
inline constexpr std::string_view embedding_fields[] = {
    "max_tokens",          "lower_case",     "modules",    "prompts",
    "default_prompt_name", "include_prompt", "dimensions", "pooling_strategy",
    "activation_function", "skiplist_words"};

/// The modules behind the pooling: {"type": "Normalize"} or a Dense with its fields.
inline status parse_packed_modules(const nlohmann::json& field, std::string_view place,
                                   bool per_token, std::vector<embedding_module>& out) {
  const nlohmann::json* modules = find_member(field, "modules");
  if (modules == nullptr) return {};
  if (!modules->is_array()) return wrong_type(place, "modules", *modules, "an array of modules");
  out.clear();
  for (const nlohmann::json& module : *modules) {
    if (!module.is_object()) return wrong_type(place, "modules", module, "an object");
    LOWBIT_TRY_ASSIGN(const auto type, json_string(module, "type", place));
    if (type == "Normalize") {
      out.emplace_back();
    } else if (type == "Dense") {
      LOWBIT_TRY_ASSIGN(auto dense, parse_dense(module, place, per_token));
      out.push_back(std::move(dense));
    } else {
      return status::error(errc::unsupported, place, ": module ", quote_name(type),
                           ", expected Dense or Normalize");
    }
  }
  return {};
}

inline status parse_packed_embedding(const nlohmann::json& field, std::string_view place,
                                     std::optional<embedding_format>& out) {
  if (find_member(field, "pooling") == nullptr) {
    for (const std::string_view other : embedding_fields) {
      if (find_member(field, other) != nullptr)
        return missing_field(place, "pooling", "mean or cls beside " + std::string(other));
    }
    return {};
  }
  embedding_format found;
  LOWBIT_TRY_ASSIGN(found.pooling, json_string(field, "pooling", place));
  LOWBIT_TRY_ASSIGN(found.max_tokens, json_size(field, "max_tokens", place, 0));
  LOWBIT_TRY_ASSIGN(found.lower_case, json_bool(field, "lower_case", place, false));
  if (find_member(field, "max_tokens") != nullptr && found.max_tokens < 3) {
    return status::error(errc::malformed, place, ": max_tokens is ", found.max_tokens,
                         ", expected at least 3");
  }
  LOWBIT_TRY(parse_packed_modules(field, place, found.is_per_token(), found.modules));
  if (found.is_sparse()) LOWBIT_TRY(parse_splade(field, place, found.weights));
  if (found.is_per_token()) LOWBIT_TRY(parse_skipped(field, place, found.skipped));
  LOWBIT_TRY(parse_prompts(field, place, found));
  LOWBIT_TRY_ASSIGN(found.pools_prompt, json_bool(field, "include_prompt", place, true));
  LOWBIT_TRY_ASSIGN(found.dimensions, json_size(field, "dimensions", place, 0));
  out = std::move(found);
  return {};
}

/// Leaves both outputs unchanged if the config has no quantization_config.
/// Errors: unsupported or malformed naming the field
inline status parse_packed(const nlohmann::json& config, std::string_view name,
                           std::optional<packed_format>& out,
                           std::optional<embedding_format>& embedding) {
  const nlohmann::json* field = find_member(config, "quantization_config");
  if (field == nullptr) return {};
  const std::string place = std::string(name) + ": quantization_config";
  if (!field->is_object()) return wrong_type(name, "quantization_config", *field, "an object");
  LOWBIT_TRY_ASSIGN(const auto method, json_string(*field, "quant_method", place));
  if (method != "lowbit") {
    return status::error(errc::unsupported, place, ": quant_method is ", quote_name(method),
                         ", expected \"lowbit\"");
  }
  constexpr std::string_view known[] = {"quant_method", "format_version", "policy", "zero",
                                        "pooling"};
  for (const auto& [key, value] : field->items()) {
    if (std::find(std::begin(known), std::end(known), key) == std::end(known) &&
        std::find(std::begin(embedding_fields), std::end(embedding_fields), key) ==
            std::end(embedding_fields)) {
      return status::error(errc::unsupported, place, ": field ", quote_name(key),
                           " is not known to this version of lowbit");
    }
  }
  LOWBIT_TRY_ASSIGN(const auto version, json_size(*field, "format_version", place));
  if (version != 1) {
    return status::error(errc::unsupported, place, ": format_version is ", version,
                         ", expected 1, the only one this version of lowbit reads");
  }
  LOWBIT_TRY_ASSIGN(auto policy, json_string(*field, "policy", place));
  if (policy.empty()) return status::error(errc::malformed, place, ": policy is an empty string");
  LOWBIT_TRY_ASSIGN(auto zero, json_string(*field, "zero", place));
  if (zero != "torch" && zero != "plus-one") {
    return status::error(errc::malformed, place, ": zero is ", quote_name(zero),
                         ", expected \"torch\" or \"plus-one\"");
  }
  out = packed_format{1, std::move(policy), std::move(zero)};
  return parse_packed_embedding(*field, place, embedding);
}

}  // namespace detail

/// The quantization_config that parse_packed reads.
inline nlohmann::json packed_fields(const packed_format& format,
                                    const std::optional<embedding_format>& embedding) {
  nlohmann::json out = {{"quant_method", "lowbit"},
                        {"format_version", format.version},
                        {"policy", format.policy},
                        {"zero", format.zero}};
  if (!embedding) return out;
  out["pooling"] = embedding->pooling;
  if (embedding->max_tokens != 0) out["max_tokens"] = embedding->max_tokens;
  if (embedding->lower_case) out["lower_case"] = true;
  if (embedding->modules.size() != 1 || !embedding->normalises_first()) {
    out["modules"] = nlohmann::json::array();
    for (const embedding_module& m : embedding->modules) {
      out["modules"].push_back(m.is_dense() ? nlohmann::json{{"type", "Dense"},
                                                             {"in_features", m.in},
                                                             {"out_features", m.out},
                                                             {"activation_function", m.activation}}
                                            : nlohmann::json{{"type", "Normalize"}});
    }
  }
  if (!embedding->prompts.empty()) out["prompts"] = embedding->prompts;
  if (!embedding->default_prompt.empty()) out["default_prompt_name"] = embedding->default_prompt;
  if (!embedding->pools_prompt) out["include_prompt"] = false;
  if (embedding->dimensions != 0) out["dimensions"] = embedding->dimensions;
  if (embedding->weights.sum) out["pooling_strategy"] = "sum";
  if (embedding->weights.twice) out["activation_function"] = "log1p_relu";
  if (!embedding->skipped.empty()) out["skiplist_words"] = embedding->skipped;
  return out;
}

}  // namespace lowbit::inline LOWBIT_ISA
