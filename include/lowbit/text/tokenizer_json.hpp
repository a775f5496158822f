// SPDX-License-Identifier: Apache-2.0
// Strict reader for the JSON of Hugging Face tokenizers: anything this library does not implement
// is rejected by name rather than skipped, even where it might not matter to the caller.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/text/decimal.hpp"
#include "lowbit/text/json_fields.hpp"
#include "lowbit/text/tokenizer_json_model.hpp"
#include "lowbit/text/tokenizer_json_post.hpp"
#include "lowbit/text/tokenizer_json_steps.hpp"
#include "lowbit/text/tokenizer_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// `special`: whether the token is one that the model requires. By default such tokens match the
/// text before normalization, others after it.
[[nodiscard]] inline result<added_token> parse_added_token(const nlohmann::json& value,
                                                           bool special) {
  added_token token;
  if (value.is_string()) {
    token.content = value.get<std::string>();
    token.normalized = !special;
  } else if (value.is_object()) {
    LOWBIT_TRY(read_bool(value, "special", special));
    token.normalized = !special;
    LOWBIT_TRY(read_string(value, "content", token.content));
    LOWBIT_TRY(read_bool(value, "single_word", token.single_word));
    LOWBIT_TRY(read_bool(value, "lstrip", token.lstrip));
    LOWBIT_TRY(read_bool(value, "rstrip", token.rstrip));
    LOWBIT_TRY(read_bool(value, "normalized", token.normalized));
  } else {
    return wrong_type("token", value, "a string or an object");
  }
  if (token.content.empty())
    return status::error(errc::malformed, "token content is empty, expected text");
  return token;
}

[[nodiscard]] inline status parse_added_tokens(const nlohmann::json& root, tokenizer_parts& parts) {
  const auto& list = member(root, "added_tokens");
  if (list.is_null()) return {};
  if (!list.is_array()) return wrong_type("added_tokens", list, "an array");
  std::unordered_map<std::string, std::uint64_t> ids;
  for (const std::string& token : parts.tokens) ids.emplace(token, ids.size());
  for (const auto& entry : list) {
    auto token = parse_added_token(entry, true);
    if (!token) return token.status().in("added_tokens");
    const auto& id = entry.is_object() ? member(entry, "id") : entry;
    if (!id.is_number_unsigned()) return wrong_type("added_tokens: id", id, "a token id");
    const auto [known, is_new] = ids.emplace(token->content, parts.tokens.size());
    const std::uint64_t expected = known->second;
    if (id.get<std::uint64_t>() != expected)
      return status::error(errc::malformed, "added_tokens: '", token->content, "' has id ",
                           id.get<std::uint64_t>(), ", expected ", expected);
    if (is_new) parts.tokens.push_back(token->content);
    parts.added.push_back(*std::move(token));
  }
  return {};
}

/// Errors: malformed; unsupported for a component that this library does not have
[[nodiscard]] inline result<tokenizer_parts> parse_tokenizer_json(std::string_view text) {
  constexpr std::string_view members[] = {"model",          "normalizer", "pre_tokenizer",
                                          "post_processor", "truncation", "padding",
                                          "added_tokens"};
  LOWBIT_TRY_ASSIGN(auto root, parse_object(text, members, decimal_of_reference));
  tokenizer_parts parts;
  LOWBIT_TRY(read_model(member(root, "model"), parts).in("model"));
  LOWBIT_TRY(read_steps<normalizer_step>(member(root, "normalizer"), "normalizers",
                                         normalizer_readers, parts.normalizers)
                 .in("normalizer"));
  LOWBIT_TRY(read_steps<pre_tokenizer_step>(member(root, "pre_tokenizer"), "pretokenizers",
                                            pre_tokenizer_readers, parts.pre_tokenizers)
                 .in("pre_tokenizer"));
  LOWBIT_TRY(parse_added_tokens(root, parts));
  parts.specials = plain_template();
  bool has_template = false;
  LOWBIT_TRY(read_post_processor(member(root, "post_processor"), has_template, parts)
                 .in("post_processor"));
  find_roles(parts);
  if (const auto& cut = member(root, "truncation"); cut.is_object()) {
    std::string direction = "Right", strategy = "LongestFirst";
    LOWBIT_TRY(read_string(cut, "direction", direction));
    LOWBIT_TRY(read_string(cut, "strategy", strategy));
    if (direction != "Right" || strategy != "LongestFirst")
      return status::error(errc::unsupported, "truncation: ", direction, " ", strategy,
                           ", expected Right LongestFirst");
  }
  if (const auto& pad = member(root, "padding"); pad.is_object())
    LOWBIT_TRY(read_string(pad, "pad_token", parts.padding));
  return parts;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
