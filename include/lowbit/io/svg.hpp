// SPDX-License-Identifier: Apache-2.0
// Building blocks of the project's charts: escaped text and numbers, common elements, and a shared
// style; io/svg_layout.hpp has axes and label placement. Plain SVG without scripts or fonts. The
// caller supplies all positions. printf is not used for numbers, because it prints a decimal comma
// in some locales.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "lowbit/core/config.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {

inline constexpr const char *svg_ink = "#222", *svg_grid = "#ddd", *svg_grey = "#7a7a7a",
                            *svg_blue = "#1f4e9c", *svg_orange = "#d9822b", *svg_red = "#c23b3b";

namespace detail {

/// Concatenates the parts. For inlined "text" + std::string, gcc 12 warns of an overlapping copy.
template <class... Parts>
[[nodiscard]] std::string svg_joined(const Parts&... parts) {
  std::string out;
  ((out += parts), ...);
  return out;
}

}  // namespace detail

/// Formats a finite value with `digits` after the point, or in total for
/// std::chars_format::general.
[[nodiscard]] inline std::string svg_number(double value, int digits = 1,
                                            std::chars_format format = std::chars_format::fixed) {
  char text[384];  // the largest double has 309 digits before the point
  return {text, std::to_chars(text, text + sizeof text, value, format, digits).ptr};
}

/// Escapes text for an element or a quoted attribute. Characters not allowed in XML (control
/// characters, U+FFFE, U+FFFF, invalid UTF-8) become '?'.
[[nodiscard]] inline std::string svg_escaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0, size = 1; at < text.size(); at += size) {
    size = detail::utf8_length(text[at]);
    if (detail::find_invalid_utf8(text.substr(at, size))) {
      out += '?';
      size = 1;
      continue;
    }
    switch (const char32_t c = detail::decode_utf8(text, at)) {
      case U'&':
        out += "&amp;";
        break;
      case U'<':
        out += "&lt;";
        break;
      case U'>':
        out += "&gt;";
        break;
      case U'"':
        out += "&quot;";
        break;
      case U'\'':
        out += "&#39;";
        break;
      default:
        const bool held =
            c == U'\t' || c == U'\n' || c == U'\r' || (c >= 0x20 && c != 0xFFFE && c != 0xFFFF);
        out += held ? text.substr(at, size) : "?";
    }
  }
  return out;
}

/// Approximate width of a text in a sans-serif font of `size`.
[[nodiscard]] inline double svg_width(std::string_view text, double size) {
  const auto letters = text.size() - static_cast<std::size_t>(std::count_if(
                                         text.begin(), text.end(), detail::is_continuation_byte));
  return 0.58 * size * static_cast<double>(letters);
}

/// Attributes of an element. Each starts with a space, so they can be concatenated.
[[nodiscard]] inline std::string svg_attribute(std::string_view name, std::string_view value) {
  return detail::svg_joined(" ", name, "=\"", svg_escaped(value), "\"");
}
[[nodiscard]] inline std::string svg_attribute(std::string_view name, double value,
                                               int digits = 1) {
  return svg_attribute(name, svg_number(value, digits));
}
[[nodiscard]] inline std::string svg_fill(const char* colour, double opacity = 1.0) {
  return svg_attribute("fill", colour) +
         (opacity < 1.0 ? svg_attribute("fill-opacity", opacity, 2) : "");
}
[[nodiscard]] inline std::string svg_stroke(const char* colour, double width = 1.0) {
  return svg_attribute("stroke", colour) + svg_attribute("stroke-width", width);
}

/// For text over lines: an outline in the background colour around each letter.
inline constexpr const char* svg_rim =
    " stroke=\"#fff\" stroke-width=\"2.5\" paint-order=\"stroke\"";

/// `look`: further attributes of the element.
[[nodiscard]] inline std::string svg_text(double x, double y, std::string_view text,
                                          const char* anchor = "start", int size = 12,
                                          const std::string& look = {}) {
  return detail::svg_joined(
      "<text", svg_attribute("x", x), svg_attribute("y", y), svg_attribute("font-size", size, 0),
      svg_attribute("text-anchor", anchor), look, ">", svg_escaped(text), "</text>\n");
}
[[nodiscard]] inline std::string svg_line(double from_x, double from_y, double to_x, double to_y,
                                          const std::string& look) {
  return detail::svg_joined("<path d=\"M", svg_number(from_x), " ", svg_number(from_y), "L",
                            svg_number(to_x), " ", svg_number(to_y), "\"", look, "/>\n");
}
/// `title`: the tooltip.
[[nodiscard]] inline std::string svg_circle(double x, double y, double radius,
                                            const std::string& look, std::string_view title = {}) {
  const std::string circle = detail::svg_joined(
      "<circle", svg_attribute("cx", x), svg_attribute("cy", y), svg_attribute("r", radius), look);
  if (title.empty()) return circle + "/>\n";
  return circle + "><title>" + svg_escaped(title) + "</title></circle>\n";
}

/// One value of the left axis: a grid line across the plot and its label.
[[nodiscard]] inline std::string svg_row(double left, double right, double y,
                                         std::string_view label) {
  return svg_line(left, y, right, y, svg_stroke(svg_grid)) +
         svg_text(left - 8, y + 4, label, "end");
}
/// One value of the bottom axis.
[[nodiscard]] inline std::string svg_column(double top, double bottom, double x,
                                            std::string_view label) {
  return svg_line(x, top, x, bottom, svg_stroke(svg_grid)) +
         svg_text(x, bottom + 19, label, "middle");
}

/// The complete file. The background is painted, so that it looks the same on light and dark pages.
[[nodiscard]] inline std::string svg_document(double width, double height,
                                              const std::string& elements) {
  const std::string w = svg_number(width, 0), h = svg_number(height, 0);
  return detail::svg_joined(
      "<svg xmlns=\"http://www.w3.org/2000/svg\"", svg_attribute("width", w),
      svg_attribute("height", h), svg_attribute("viewBox", detail::svg_joined("0 0 ", w, " ", h)),
      svg_attribute("font-family", "sans-serif"), svg_fill(svg_ink),
      ">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n", elements, "</svg>\n");
}

}  // namespace lowbit::inline LOWBIT_ISA
