// SPDX-License-Identifier: Apache-2.0
// Messages on standard error, and escaping of text from files and users for a terminal. Nothing
// here throws if standard error is full or closed: there is nowhere to report it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "lowbit/core/printable.hpp"

namespace lowbit_tool {

/// Whether tabs are kept: only where the text is the last field on the line.
enum class tabs : std::uint8_t { escaped, kept };

/// One line without terminal control sequences (core/printable.hpp).
inline std::string escaped(std::string_view text, tabs keep = tabs::escaped) {
  std::string out;
  const auto put = [&](std::string_view part) { out += part; };
  while (keep == tabs::kept) {
    const std::size_t tab = text.find('\t');
    if (tab == std::string_view::npos) break;
    lowbit::detail::put_printable(text.substr(0, tab), put);
    out += '\t';
    text.remove_prefix(tab + 1);
  }
  lowbit::detail::put_printable(text, put);
  return out;
}

/// Verbatim: progress, and lines that are already escaped.
inline void print_error(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

/// Prints `lowbit: TEXT` as one line.
inline void report(std::string_view text) { print_error("lowbit: " + escaped(text) + "\n"); }
inline void warn(std::string_view text) { report("warning: " + std::string(text)); }

}  // namespace lowbit_tool
