// SPDX-License-Identifier: Apache-2.0
// UTF-8, and the code point properties that BERT's normalizer and pre-tokenizer need, based on
// utf8proc. Where the reference uses older or newer Unicode data, its result is used
// (unicode_differences.hpp).
#pragma once

#include <utf8proc.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "lowbit/core/config.hpp"
#include "lowbit/text/unicode_differences.hpp"

#if !LOWBIT_HOSTED
#error "lowbit: text/ needs LOWBIT_HOSTED=1"
#endif

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

[[nodiscard]] inline utf8proc_category_t category(char32_t c) {
  switch (c) {  // categories that Unicode changed after the reference's table
    case 0x166D:
    case 0x111C9:
      return UTF8PROC_CATEGORY_PO;
    case 0x1734:
    case 0x1171E:
      return UTF8PROC_CATEGORY_MN;
    default:
      break;
  }
  if (find_range<code_point_range>(categories_unknown_to_reference, c) != nullptr)
    return UTF8PROC_CATEGORY_CN;
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

/// Unicode's White_Space property.
[[nodiscard]] inline bool is_whitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x9 && c <= 0xD);
  if (c == 0x85) return true;
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL ||
         kind == UTF8PROC_CATEGORY_ZP;
}

/// Characters dropped by clean_text: NUL, the replacement character, and categories Cc, Cf and Co
/// (but not Cn).
[[nodiscard]] inline bool is_dropped_by_cleaning(char32_t c) {
  if (c < 0x80) return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
  if (c == 0xFFFD) return true;
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF ||
         kind == UTF8PROC_CATEGORY_CO;
}

/// ASCII punctuation including symbols, and the P* categories.
[[nodiscard]] inline bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
}

[[nodiscard]] inline bool is_nonspacing_mark(char32_t c) {
  return c >= 0x300 && category(c) == UTF8PROC_CATEGORY_MN;
}

/// Ideographs that are surrounded by spaces. The gap at 2B820..2B91F matches the reference.
[[nodiscard]] constexpr bool is_spaced_ideograph(char32_t c) {
  if (c < 0x3400) return false;
  return c <= 0x4DBF || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/// The regular expression class \w, for added tokens with single_word.
[[nodiscard]] inline bool is_word_character(char32_t c) {
  const auto kind = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NL) return true;  // L*, M*, Nd, Nl
  if (find_range<code_point_range>(word_characters_since_15_1, c) != nullptr) return true;
  return kind == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D ||
         (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||  // circled letters are
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);  // Other_Alphabetic
}

/// Marks of any kind, which StripAccents drops.
[[nodiscard]] inline bool is_mark(char32_t c) {
  if (c < 0x300 || find_range<code_point_range>(marks_unknown_to_reference, c) != nullptr)
    return false;
  if (c == 0x1CF2 || c == 0x1CF3) return true;  // letters since Unicode 12
  const auto kind = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME;
}

/// Numbers of any kind, which Digits splits off.
[[nodiscard]] inline bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto kind = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO) ||
         find_range<code_point_range>(numeric_since_15_1, c) != nullptr;
}

/// The classes of the GPT-2 pattern.
enum class pattern_class { space, letter, number, other };
[[nodiscard]] inline pattern_class class_in_pattern(char32_t c) {
  using enum pattern_class;
  if (c < 0x80) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return letter;
    if (c >= '0' && c <= '9') return number;
    return is_whitespace(c) ? space : other;
  }
  const auto kind = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if (kind == UTF8PROC_CATEGORY_CN) {  // unless utf8proc knows them
    if (find_range<code_point_range>(pattern_letters_since_15_1, c) != nullptr) return letter;
    if (find_range<code_point_range>(pattern_numbers_since_15_1, c) != nullptr) return number;
  }
  if (find_range<code_point_range>(pattern_unknown_to_reference, c) != nullptr) return other;
  if (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO) return letter;
  if (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO) return number;
  return is_whitespace(c) ? space : other;
}

[[nodiscard]] inline std::uint8_t combining_class(char32_t c) {
  if (c < 0x300 || find_range<code_point_range>(normalization_unknown_to_reference, c) != nullptr)
    return 0;
  return static_cast<std::uint8_t>(
      utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class);
}

/// A full decomposition: canonical ones have at most 4 code points, compatible ones 18.
struct decomposition {
  std::array<utf8proc_int32_t, 18> code_points{};
  std::size_t size = 0;
};
[[nodiscard]] inline decomposition canonical_decomposition(char32_t c) {
  decomposition d;
  d.code_points[0] = static_cast<utf8proc_int32_t>(c);
  d.size = 1;
  if (c < 0xC0 || find_range<code_point_range>(normalization_unknown_to_reference, c) != nullptr)
    return d;
  int boundary = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), d.code_points.data(),
                                         static_cast<utf8proc_ssize_t>(d.code_points.size()),
                                         UTF8PROC_DECOMPOSE, &boundary);
  LOWBIT_EXPECTS(n >= 1 && static_cast<std::size_t>(n) <= d.code_points.size());
  d.size = static_cast<std::size_t>(n);
  return d;
}

[[nodiscard]] inline decomposition compatibility_decomposition(char32_t c) {
  if (find_range<code_point_range>(compatibility_unknown_to_reference, c) != nullptr ||
      find_range<code_point_range>(normalization_unknown_to_reference, c) != nullptr)
    return canonical_decomposition(c);
  decomposition d;
  int boundary = 0;
  const auto n = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(c), d.code_points.data(),
      static_cast<utf8proc_ssize_t>(d.code_points.size()),
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT), &boundary);
  LOWBIT_EXPECTS(n >= 1 && static_cast<std::size_t>(n) <= d.code_points.size());
  d.size = static_cast<std::size_t>(n);
  return d;
}

/// Context-free lower case: a capital sigma always becomes the medial form. U+0130 is the only code
/// point with a second one in lower case, U+0307, which the caller appends.
[[nodiscard]] inline char32_t lower_case(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (const auto* r = find_range<lower_case_range>(lower_case_since_16, c))
    return static_cast<char32_t>(static_cast<std::int32_t>(c) + r->distance);
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

/// Length of the UTF-8 sequence that starts with a valid lead byte.
[[nodiscard]] constexpr std::size_t utf8_length(char lead) {
  const auto b = static_cast<unsigned char>(lead);
  return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

[[nodiscard]] constexpr bool is_continuation_byte(char b) {
  return (static_cast<unsigned char>(b) & 0xC0u) == 0x80u;
}

/// Decodes the code point at byte `at` of valid UTF-8.
[[nodiscard]] inline char32_t decode_utf8(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return lead;
  const std::size_t n = utf8_length(text[at]);
  char32_t c = lead & (0x7Fu >> n);
  for (std::size_t i = 1; i < n; ++i)
    c = (c << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
  return c;
}

/// The byte offset of the first invalid UTF-8 sequence.
[[nodiscard]] inline std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    utf8proc_int32_t c = 0;
    const auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                    static_cast<utf8proc_ssize_t>(text.size() - at), &c);
    if (n < 1) return at;
    at += static_cast<std::size_t>(n);
  }
  return std::nullopt;
}

/// Writes c as UTF-8 and returns the number of bytes (1 to 4).
[[nodiscard]] inline std::size_t encode_utf8(char32_t c, char* out) {
  if (c < 0x80) {
    *out = static_cast<char>(c);
    return 1;
  }
  return static_cast<std::size_t>(utf8proc_encode_char(static_cast<utf8proc_int32_t>(c),
                                                       reinterpret_cast<utf8proc_uint8_t*>(out)));
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
