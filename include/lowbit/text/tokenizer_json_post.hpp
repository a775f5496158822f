// SPDX-License-Identifier: Apache-2.0
// The post-processors of tokenizer.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/json_fields.hpp"
#include "lowbit/text/tokenizer_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// A special token as [token, id].
[[nodiscard]] inline result<template_piece> read_token_and_id(const nlohmann::json& part,
                                                              const std::string& key) {
  const auto& value = member(part, key);
  if (!value.is_array() || value.size() != 2 || !value[0].is_string() ||
      !value[1].is_number_unsigned() || value[1].get<std::uint64_t>() > std::uint64_t{1} << 31U)
    return wrong_type(key, value, "[token, id]");
  return template_piece{
      template_kind::special, 0, {value[0].get<std::string>()}, {value[1].get<std::int64_t>()}};
}

/// BertProcessing and RobertaProcessing; `pieces` makes the template of two tokens.
[[nodiscard]] inline status read_pair_of_specials(const nlohmann::json& part,
                                                  token_template (*make)(const std::string&,
                                                                         const std::string&),
                                                  token_template& out) {
  LOWBIT_TRY_ASSIGN(const auto sep, read_token_and_id(part, "sep"));
  LOWBIT_TRY_ASSIGN(const auto cls, read_token_and_id(part, "cls"));
  out = make(cls.tokens[0], sep.tokens[0]);
  out.single.front().ids = cls.ids;  // to be checked
  out.single.back().ids = sep.ids;
  return {};
}

[[nodiscard]] inline status read_type_id(const nlohmann::json& part, std::int32_t& out) {
  const auto& id = member(part, "type_id");
  if (!id.is_number_unsigned() || id.get<std::uint64_t>() > 1)
    return wrong_type("type_id", id, "0 or 1");
  out = id.get<std::int32_t>();
  return {};
}

/// special_tokens: {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, ..}
[[nodiscard]] inline status read_special(const nlohmann::json& all, const std::string& name,
                                         template_piece& out) {
  const auto& entry = all.is_object() ? member(all, name) : all;
  const std::string place = "special_tokens: '" + name + "'";
  if (!entry.is_object()) return wrong_type(place, entry, "an object");
  const auto& ids = member(entry, "ids");
  const auto& tokens = member(entry, "tokens");
  if (!ids.is_array() || !tokens.is_array() || ids.size() != tokens.size() || ids.empty())
    return wrong_type(place, entry, "an object with as many ids as tokens");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!tokens[i].is_string() || !ids[i].is_number_unsigned() ||
        ids[i].get<std::uint64_t>() > std::uint64_t{1} << 31U)
      return wrong_type(place, tokens[i].is_string() ? ids[i] : tokens[i], "ids and tokens");
    out.tokens.push_back(tokens[i].get<std::string>());
    out.ids.push_back(ids[i].get<std::int64_t>());
  }
  return {};
}

/// Errors: malformed; unsupported unless each text occurs once
[[nodiscard]] inline status read_template(const nlohmann::json& part, const std::string& key,
                                          std::vector<template_piece>& out) {
  const auto& list = member(part, key);
  if (!list.is_array()) return wrong_type(key, list, "an array");
  std::size_t texts[2] = {0, 0};
  for (const auto& entry : list) {
    template_piece piece;
    const auto& special = entry.is_object() ? member(entry, "SpecialToken") : entry;
    const auto& sequence = entry.is_object() ? member(entry, "Sequence") : entry;
    const auto& value = special.is_object() ? special : sequence;
    if (!value.is_object() || !member(value, "id").is_string())
      return wrong_type(key, entry, "SpecialToken or Sequence with an id");
    LOWBIT_TRY(read_type_id(value, piece.type_id).in(key));
    const auto id = member(value, "id").get<std::string>();
    if (special.is_object()) {
      LOWBIT_TRY(read_special(member(part, "special_tokens"), id, piece));
    } else if (id == "A" || id == "B") {
      piece.kind = id == "A" ? template_kind::first_text : template_kind::second_text;
      ++texts[id == "A" ? 0 : 1];
    } else {
      return status::error(errc::malformed, key, ": Sequence '", id, "', expected A or B");
    }
    out.push_back(std::move(piece));
  }
  if (texts[0] != 1 || texts[1] != (key == "pair" ? 1U : 0U))
    return status::error(errc::unsupported, key, ": ", texts[0], " times A and ", texts[1],
                         " times B, expected ", key == "pair" ? "both once" : "A once");
  return {};
}

/// Errors: malformed; unsupported for an unknown type, or if two processors add tokens
[[nodiscard]] inline status read_post_processor(const nlohmann::json& part, bool& has_template,
                                                tokenizer_parts& parts) {
  if (part.is_null()) return {};
  LOWBIT_TRY_ASSIGN(const auto type, component_type(part));
  if (type == "Sequence") {
    const auto& list = member(part, "processors");
    if (!list.is_array()) return wrong_type("processors", list, "an array");
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (auto s = read_post_processor(list[i], has_template, parts); !s.ok())
        return s.in("processors[" + std::to_string(i) + "]");
    }
    return {};
  }
  if (type == "ByteLevel" || type == "RobertaProcessing") {
    bool trims = true;
    offset_trimmer trimmer;
    LOWBIT_TRY(read_bool(part, "trim_offsets", trims));
    LOWBIT_TRY(read_bool(part, "add_prefix_space", trimmer.add_prefix_space));
    if (trims) parts.trimmers.push_back(trimmer);
    if (type == "ByteLevel") return {};
  } else if (type != "BertProcessing" && type != "TemplateProcessing") {
    return status::error(errc::unsupported, "'", type,
                         "', expected one of Sequence, BertProcessing, RobertaProcessing, "
                         "TemplateProcessing, ByteLevel");
  }
  if (std::exchange(has_template, true))
    return status::error(errc::unsupported, "'", type, "' after another that adds special tokens");
  if (type != "TemplateProcessing")
    return read_pair_of_specials(part, type == "BertProcessing" ? bert_template : roberta_template,
                                 parts.specials);
  parts.specials = {};
  LOWBIT_TRY(read_template(part, "single", parts.specials.single));
  return read_template(part, "pair", parts.specials.pair);
}

/// The tokens before and after a text take the roles of [CLS] and [SEP].
inline void find_roles(tokenizer_parts& parts) {
  parts.classifier.clear();
  parts.separator.clear();
  bool after = false;
  for (const template_piece& p : parts.specials.single) {
    if (p.kind != template_kind::special) {
      after = true;
    } else if (std::string& role = after ? parts.separator : parts.classifier; role.empty()) {
      role = p.tokens.front();
    }
  }
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
