// SPDX-License-Identifier: Apache-2.0
// The post-processors of tokenizer.json: where special tokens stand around one text or two, and
// whether offsets leave out the space that a byte-level token starts with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/encoding.hpp"
#include "lowbit/text/unicode.hpp"
#include "lowbit/text/vocabulary.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

enum class template_kind { special, first_text, second_text };

struct template_piece {
  template_kind kind = template_kind::special;
  std::int32_t type_id = 0;
  std::vector<std::string> tokens{};  ///< of a special piece
  std::vector<std::int64_t> ids{};    ///< of these tokens if the file states them, else empty
};

/// Each text occurs once, the second only in `pair`.
struct token_template {
  std::vector<template_piece> single, pair;

  [[nodiscard]] static std::size_t specials(const std::vector<template_piece>& pieces) {
    std::size_t n = 0;
    for (const template_piece& p : pieces) n += p.tokens.size();
    return n;
  }
};

/// No special tokens.
[[nodiscard]] inline token_template plain_template() {
  using enum template_kind;
  return {{{first_text, 0}}, {{first_text, 0}, {second_text, 1}}};
}

/// [CLS] A [SEP] B [SEP]
[[nodiscard]] inline token_template bert_template(const std::string& cls, const std::string& sep) {
  using enum template_kind;
  return {{{special, 0, {cls}}, {first_text, 0}, {special, 0, {sep}}},
          {{special, 0, {cls}},
           {first_text, 0},
           {special, 0, {sep}},
           {second_text, 1},
           {special, 1, {sep}}}};
}

/// <s> A </s></s> B </s>
[[nodiscard]] inline token_template roberta_template(const std::string& cls,
                                                     const std::string& sep) {
  using enum template_kind;
  return {{{special, 0, {cls}}, {first_text, 0}, {special, 0, {sep}}},
          {{special, 0, {cls}},
           {first_text, 0},
           {special, 0, {sep, sep}},
           {second_text, 0},
           {special, 0, {sep}}}};
}

/// Looks up the ids of special tokens.
/// Errors: malformed for a token that is not in the vocabulary or has another id there
[[nodiscard]] inline status find_specials(std::vector<template_piece>& pieces,
                                          const vocabulary& words) {
  for (template_piece& p : pieces) {
    const auto stated = std::exchange(p.ids, {});
    for (std::size_t i = 0; i < p.tokens.size(); ++i) {
      const auto id = words.id(p.tokens[i]);
      if (!id)
        return status::error(errc::malformed, "vocabulary: no token '", p.tokens[i],
                             "', expected one");
      if (i < stated.size() && stated[i] != *id)
        return status::error(errc::malformed, "post_processor: '", p.tokens[i], "' has id ",
                             stated[i], ", the vocabulary says ", *id);
      p.ids.push_back(*id);
    }
  }
  return {};
}

/// trim_offsets of ByteLevel and RobertaProcessing.
struct offset_trimmer {
  bool add_prefix_space = true;

  /// Shrinks the span of a token by the characters of white space at its ends, counted in `token`
  /// (byte-level or added). `is_first`: the first of its text.
  [[nodiscard]] text_span trim(std::string_view token, std::string_view text, text_span at,
                               bool is_first) const {
    const auto is_space = [](char32_t c) { return c == byte_level_space || is_whitespace(c); };
    std::size_t leading = 0, trailing = 0;
    bool inside = false;
    for (std::size_t i = 0; i < token.size(); i += utf8_length(token[i])) {
      const bool space = is_space(decode_utf8(token, i));
      inside = inside || !space;
      leading += space && !inside ? 1 : 0;
      trailing = space ? trailing + 1 : 0;
    }
    // A single space may be the one that the pre-tokenizer put there.
    if ((is_first || at.begin == 0) && add_prefix_space && leading == 1) leading = 0;
    for (; leading > 0 && at.begin < at.end; --leading) at.begin += utf8_length(text[at.begin]);
    at.begin = std::min(at.begin, at.end);
    std::size_t end = at.end;
    for (; trailing > 0 && end > 0; --trailing) {
      do --end;
      while (end > 0 && is_continuation_byte(text[end]));
    }
    if (trailing == 0) at.end = std::max(end, at.begin);
    return at;
  }

 private:
  static constexpr char32_t byte_level_space = 0x120;
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
