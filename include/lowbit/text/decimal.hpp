// SPDX-License-Identifier: Apache-2.0
// Decimal numbers as the reference reads them from tokenizer.json: the digits as one integer, times
// or divided by a power of ten. That is not always the nearest double, and the last bit of a score
// decides between splits into the same pieces in another order, which Unigram models often meet.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Source:   serde_json without its feature float_roundtrip
/// Requires: `text` is a JSON number that a double can hold
[[nodiscard]] inline double decimal_of_reference(std::string_view text) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t digits = 0;
  std::int64_t exponent = 0;
  bool fraction = false,
       full = false;  // full: the next digit does not fit, nor is one after it read
  std::size_t at = text.starts_with('-') ? 1 : 0;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.') {
      fraction = true;
      full = false;
      continue;
    }
    const auto digit = static_cast<std::uint64_t>(text[at] - '0');
    full = full || digits > (most - digit) / 10;
    if (!full) digits = digits * 10 + digit;
    if (full != fraction) exponent += fraction ? -1 : 1;
  }
  if (at < text.size()) {
    ++at;
    if (text[at] == '+') ++at;
    std::int64_t written = 0;  // stays 0 if out of range: only zero is written like that
    std::from_chars(text.data() + at, text.data() + text.size(), written);
    exponent += std::clamp<std::int64_t>(written, -1'000'000, 1'000'000);
  }
  const auto power = [](std::int64_t n) {
    return std::strtod(("1e" + std::to_string(n)).c_str(), nullptr);
  };
  auto value = static_cast<double>(digits);
  for (; exponent < -308 && value != 0; exponent += 308) value /= power(308);
  if (value != 0) value = exponent < 0 ? value / power(-exponent) : value * power(exponent);
  return text.starts_with('-') ? -value : value;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
