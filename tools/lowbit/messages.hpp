// SPDX-License-Identifier: Apache-2.0
// What the programs say on standard error, and text of files and users as a terminal may see it.
// Nothing here throws for a standard error that is full or closed: there is nowhere to say so.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "lowbit/text/unicode.hpp"

namespace lowbit_tool {

/// Whether a tab may stand in a text: only where nothing follows it on the line.
enum class tabs : std::uint8_t { escaped, kept };

/// One line that drives no terminal: control characters (C0, delete, C1) and bytes that are not
/// UTF-8 are written as \xNN.
inline std::string escaped(std::string_view text, tabs keep = tabs::escaped) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (std::size_t at = 0, size = 1; at < text.size(); at += size) {
    size = lowbit::detail::utf8_length(text[at]);
    bool harmless = size <= text.size() - at;
    if (!harmless || lowbit::detail::find_invalid_utf8(text.substr(at, size))) {
      harmless = false;
      size = 1;
    } else {
      const char32_t c = lowbit::detail::decode_utf8(text, at);
      harmless = (c >= 0x20 && c < 0x7F) || c >= 0xA0 || (c == U'\t' && keep == tabs::kept);
    }
    for (const char c : text.substr(at, size)) {
      if (harmless) {
        out += c;
        continue;
      }
      const auto byte = static_cast<unsigned char>(c);
      out += {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
    }
  }
  return out;
}

/// As it is: progress and lines that are escaped already.
inline void print_error(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

/// `lowbit: TEXT` as one line.
inline void report(std::string_view text) { print_error("lowbit: " + escaped(text) + "\n"); }
inline void warn(std::string_view text) { report("warning: " + std::string(text)); }

}  // namespace lowbit_tool
