// SPDX-License-Identifier: Apache-2.0
// What the trainer's pictures are made of: text that XML holds, and axes. Plain SVG without scripts
// or fonts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>

namespace lowbit::train::detail {

/// Text as XML holds it; control characters, which it cannot hold, become '?'.
inline std::string xml_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

/// printf into a string of at most 511 characters.
template <class... Values>
std::string printed(const char* format, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

/// An axis from `low` to `high` with a tick every `step`: 1, 2 or 5 times a power of ten.
struct svg_axis {
  double low = 0.0, high = 1.0, step = 0.2;

  /// Around all values, which are finite, with at most `ticks` steps.
  static svg_axis around(double least, double most, int ticks) {
    if (!(most > least)) {  // a constant: room on both sides
      const double room = std::max(std::abs(least) * 0.1, 1e-3);
      least -= room, most += room;
    }
    const double raw = (most - least) / ticks, power = std::pow(10.0, std::floor(std::log10(raw)));
    svg_axis a;
    for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
      a.step = factor * power;
      a.low = std::floor(least / a.step + 1e-9) * a.step;
      a.high = std::ceil(most / a.step - 1e-9) * a.step;
      if (a.high - a.low < a.step * (ticks + 0.5)) break;
    }
    return a;
  }
  [[nodiscard]] double share(double value) const { return (value - low) / (high - low); }
  [[nodiscard]] int steps() const { return static_cast<int>(std::lround((high - low) / step)); }
  [[nodiscard]] double tick(int i) const { return low + i * step; }
  /// As many decimals as the step has.
  [[nodiscard]] std::string label(int i) const {
    const double value = std::abs(tick(i)) < step / 2 ? 0.0 : tick(i);
    if (std::abs(value) >= 1e6 || step < 1e-4) return printed("%.6g", value);
    return printed("%.*f", std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9))),
                   value);
  }
};

/// `more`: attributes besides.
inline std::string svg_text(double x, double y, std::string_view text, const char* anchor,
                            int size = 12, const char* more = "fill=\"#222\"") {
  return printed("<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" text-anchor=\"%s\" %s>", x, y, size,
                 anchor, more) +
         xml_text(text) + "</text>\n";
}

}  // namespace lowbit::train::detail
