// SPDX-License-Identifier: Apache-2.0
// Escapes text from files and users so that it prints on one line and cannot control a terminal.
// Uses no library code, because core/status.hpp depends on it.
#pragma once

#include <cstddef>
#include <string_view>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA::detail {

/// Length in bytes of the UTF-8 character at the start of `text` if it is printable on one line; 0
/// for control characters (C0, delete, C1), line separators, characters that override the text
/// direction, and invalid UTF-8.
[[nodiscard]] constexpr std::size_t printable_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned a = byte(0);
  if (a < 0x80) return a < 0x20 || a == 0x7F ? 0 : 1;
  const std::size_t length = a < 0xC2 || a > 0xF4 ? 0 : a < 0xE0 ? 2 : a < 0xF0 ? 3 : 4;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  if (length == 0) return 0;
  const unsigned two = a << 8U | byte(1);
  if (length == 2) return two < 0xC2A0 ? 0 : 2;  // C1
  if (length == 4) return two < 0xF090 || two > 0xF48F ? 0 : 4;
  if (two < 0xE0A0 || (two >= 0xEDA0 && two <= 0xEDBF)) return 0;  // overlong; surrogates
  const unsigned c = byte(2);
  const bool ends_or_turns = (two == 0xE280 && c >= 0xA8 && c <= 0xAE) ||  // U+2028 to 202E
                             (two == 0xE281 && c >= 0xA6 && c <= 0xA9);    // U+2066 to 2069
  return ends_or_turns ? 0 : 3;
}

/// Calls put(part) for consecutive parts of text, with unprintable bytes replaced by \n, \t, \r or
/// \xNN. Avoids substr(), which is a library call if it is not inlined.
template <class Put>
constexpr void put_printable(std::string_view text, Put put) {
  const char* at = text.data();
  for (std::size_t left = text.size(); left != 0;) {
    std::size_t length = printable_bytes({at, left});
    if (length != 0) {
      put(std::string_view(at, length));
    } else {
      length = 1;
      const auto byte = static_cast<unsigned char>(*at);
      constexpr const char* digits = "0123456789abcdef";
      const char hex[] = {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
      const char letter[] = {'\\', byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r'};
      const bool has_letter = byte == '\n' || byte == '\t' || byte == '\r';
      put(has_letter ? std::string_view(letter, 2) : std::string_view(hex, 4));
    }
    at += length;
    left -= length;
  }
}

}  // namespace lowbit::inline LOWBIT_ISA::detail
