// SPDX-License-Identifier: Apache-2.0
// Differences between the Unicode data of the reference (Hugging Face tokenizers 0.23) and
// utf8proc. The reference mixes four versions: categories of about 8.0, normalization of 9.0,
// regular expressions of 16.0, lower case of 17.0. Vocabularies were learned with that data, so
// newer code points must be treated as the reference treats them. The ranges were determined by
// querying the reference for every code point (tests/text/golden/make-golden.js). They also cover
// what a newer utf8proc knows of Unicode 16 and 17; wide ranges contain only code points that lack
// the property in the reference.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <span>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct code_point_range {
  char32_t first, last;  // both inclusive
};

/// Unassigned in the reference: neither mark nor punctuation nor format character.
inline constexpr std::array<code_point_range, 41> categories_unknown_to_reference{{
    {0x61D, 0x61D},     {0x7FD, 0x7FD},     {0x890, 0x8E2},     {0x9FD, 0x9FE},
    {0xA76, 0xA76},     {0xAFA, 0xAFF},     {0xB55, 0xB55},     {0xC04, 0xC3C},
    {0xC77, 0xC77},     {0xC84, 0xC84},     {0xD00, 0xD00},     {0xD3B, 0xD3C},
    {0xD81, 0xD81},     {0xEBA, 0xEBA},     {0xECE, 0xECE},     {0x180F, 0x1886},
    {0x1ABF, 0x1AEB},   {0x1B4E, 0x1B4F},   {0x1B7D, 0x1B7F},   {0x1DF6, 0x1DFB},
    {0x2E43, 0x2E5D},   {0xA82C, 0xA82C},   {0xA8C5, 0xA8C5},   {0xA8FF, 0xA8FF},
    {0xA9BD, 0xA9BD},   {0x10D24, 0x10F89}, {0x11070, 0x11074}, {0x110C2, 0x110CD},
    {0x111CF, 0x111CF}, {0x1123E, 0x11241}, {0x1133B, 0x1133B}, {0x113BB, 0x1145E},
    {0x11660, 0x1166C}, {0x116B9, 0x116B9}, {0x1182F, 0x11FFF}, {0x12FF1, 0x1612F},
    {0x16D6D, 0x16F4F}, {0x16FE2, 0x16FE4}, {0x1CF00, 0x1CF46}, {0x1E000, 0x1E6F5},
    {0x1E944, 0x1E95F},
}};

/// No decomposition and combining class 0 in the reference.
inline constexpr std::array<code_point_range, 20> normalization_unknown_to_reference{{
    {0x7FD, 0x7FD},     {0x897, 0x8D3},     {0x9FE, 0x9FE},     {0xC3C, 0xC3C},
    {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},   {0x1ABF, 0x1AEB},
    {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x105C9, 0x105E4}, {0x10D24, 0x10F85},
    {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x11383, 0x113D0}, {0x1145E, 0x1145E},
    {0x11839, 0x11A99}, {0x11D42, 0x1612F}, {0x16D68, 0x16FF1}, {0x1E08F, 0x1E6F5},
}};

/// Lower-case pairs added in Unicode 16 and 17: lower = code point + distance.
struct lower_case_range {
  char32_t first, last;
  std::int32_t distance;
};
inline constexpr std::array<lower_case_range, 10> lower_case_since_16{{
    {0x1C89, 0x1C89, 1},
    {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CC, 1},
    {0xA7CE, 0xA7CE, 1},
    {0xA7D2, 0xA7D2, 1},
    {0xA7D4, 0xA7D4, 1},
    {0xA7DA, 0xA7DA, 1},
    {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 32},
    {0x16EA0, 0x16EB8, 27},
}};

/// Matches \w since Unicode 16: letters, marks and digits newer than 15.0.
inline constexpr std::array<code_point_range, 32> word_characters_since_15_1{{
    {0x897, 0x897},     {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},
    {0x105C0, 0x105F3}, {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85},
    {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC}, {0x11380, 0x11389}, {0x1138B, 0x1138B},
    {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2, 0x113C2},
    {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
    {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A},
    {0x13460, 0x143FA}, {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79},
    {0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9}, {0x1E5D0, 0x1E5FA}, {0x2EBF0, 0x2EE5D},
}};

template <class Range>
[[nodiscard]] constexpr const Range* find_range(std::span<const Range> ranges, char32_t c) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), c,
                                      [](char32_t x, const Range& r) { return x < r.first; });
  if (after == ranges.begin() || std::prev(after)->last < c) return nullptr;
  return &*std::prev(after);
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
