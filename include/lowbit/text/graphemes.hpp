// SPDX-License-Identifier: Apache-2.0
// Grapheme clusters (Unicode Annex 29), with the Unicode data of the reference, because
// SentencePiece's charsmap is applied to clusters. Pairs of regional indicators are left out: the
// only caller looks at clusters of less than six bytes, and one indicator has four.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lowbit/text/grapheme_classes.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

[[nodiscard]] inline grapheme_class grapheme_class_of(char32_t c) {
  if (c < 0x80) return c < 0x20 || c == 0x7F ? grapheme_class::control : grapheme_class::other;
  if (c >= 0xAC00 && c <= 0xD7A3)
    return (c - 0xAC00) % 28 == 0 ? grapheme_class::hangul_lv : grapheme_class::hangul_lvt;
  const auto* r = find_range<grapheme_range>(grapheme_ranges, c);
  return r == nullptr ? grapheme_class::other : r->kind;
}

/// Decides, character by character, where clusters end.
class grapheme_breaker {
 public:
  explicit grapheme_breaker(char32_t first) { take(first, grapheme_class_of(first)); }

  /// Whether `c` begins a new cluster; it is the previous character of the next call.
  [[nodiscard]] bool breaks_before(char32_t c) {
    const grapheme_class kind = grapheme_class_of(c);
    const bool joined = joins(c, kind);
    take(c, kind);
    return !joined;
  }

 private:
  [[nodiscard]] bool joins(char32_t c, grapheme_class next) const {
    using enum grapheme_class;
    if (previous_ == '\r' && c == '\n') return true;
    if (kind_ == control || next == control) return false;
    switch (next) {
      case extend:
      case linker:
      case spacing:
      case joiner:
      case non_joiner:
        return true;
      case hangul_l:
      case hangul_lv:
      case hangul_lvt:
        if (kind_ == hangul_l) return true;
        break;
      case hangul_v:
        if (kind_ == hangul_l || kind_ == hangul_v || kind_ == hangul_lv) return true;
        break;
      case hangul_t:
        if (kind_ == hangul_v || kind_ == hangul_t || kind_ == hangul_lv || kind_ == hangul_lvt)
          return true;
        break;
      case consonant:
        if (conjunct_ == 2) return true;
        break;
      case pictograph:
        if (emoji_ == 2) return true;
        break;
      default:
        break;
    }
    return kind_ == prepend;
  }

  void take(char32_t c, grapheme_class kind) {
    using enum grapheme_class;
    const bool extends = kind == extend || kind == linker;
    if (kind == consonant) {
      conjunct_ = 1;
    } else if (kind == linker && conjunct_ != 0) {
      conjunct_ = 2;
    } else if (!extends && kind != joiner) {
      conjunct_ = 0;
    }
    if (kind == pictograph) {
      emoji_ = 1;
    } else if (kind == joiner && emoji_ == 1) {
      emoji_ = 2;
    } else if (emoji_ == 2 || (!extends && kind != non_joiner)) {
      emoji_ = 0;
    }
    previous_ = c;
    kind_ = kind;
  }

  char32_t previous_ = 0;
  grapheme_class kind_ = grapheme_class::control;
  std::uint8_t conjunct_ = 0;  // 1 after a consonant and its marks, 2 if a linker is among them
  std::uint8_t emoji_ = 0;     // 1 after a pictograph and its marks, 2 after the joiner behind them
};

/// End of the cluster that starts at byte `begin` of valid UTF-8. Cost: linear in the cluster
[[nodiscard]] inline std::size_t grapheme_end(std::string_view text, std::size_t begin) {
  grapheme_breaker breaker(decode_utf8(text, begin));
  std::size_t at = begin + utf8_length(text[begin]);
  while (at < text.size() && !breaker.breaks_before(decode_utf8(text, at)))
    at += utf8_length(text[at]);
  return at;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
