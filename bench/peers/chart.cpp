// SPDX-License-Identifier: Apache-2.0
#include "chart.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "lowbit/io/svg_layout.hpp"

namespace lowbit_bench {
namespace {

using namespace lowbit;

constexpr double left = 64, top = 48, height = 320, bar_width = 15, group_gap = 30;
constexpr double line_names = 170;  // next to the plot
constexpr double legend_row = 18;
constexpr int legend_columns = 3;
constexpr const char* colours[] = {svg_blue,  "#4f9bd9", "#0f7f6b", svg_orange, svg_red,
                                   "#8a5bb0", svg_grey,  "#b8a13a", "#e08fb5",  "#5b8a2e"};

svg_log_axis axis_of(const chart& c) {
  double least = 0;
  double most = 0;
  const auto see = [&](double v) {
    if (!(v > 0)) return;
    least = least > 0 ? std::min(least, v) : v;
    most = std::max(most, v);
  };
  for (const chart_group& g : c.groups) {
    for (const chart_bar& b : g.bars) see(b.value);
  }
  for (const chart_line& l : c.lines) see(l.value);
  if (!(most > 0)) least = 1, most = 10;
  return svg_log_axis::around(least / 1.5, most * 1.1, 10);  // the smallest bar is visible, too
}

double height_of(const svg_log_axis& scale, double value) {
  return scale.place(value, top + height, top);
}

std::vector<std::string> series_of(const chart& c) {
  std::vector<std::string> names;
  for (const chart_group& g : c.groups) {
    for (const chart_bar& b : g.bars) {
      if (std::find(names.begin(), names.end(), b.series) == names.end()) names.push_back(b.series);
    }
  }
  return names;
}

const char* colour_of(const std::vector<std::string>& names, const std::string& series) {
  const auto at =
      static_cast<std::size_t>(std::find(names.begin(), names.end(), series) - names.begin());
  return colours[at % std::size(colours)];
}

std::string draw_axis(const svg_log_axis& scale, const std::string& unit, double right) {
  std::string out;
  for (const double tick : scale.ticks())
    out += svg_row(left, right, height_of(scale, tick), svg_log_axis::label(tick));
  return out + svg_text(left - 8, top - 12, unit, "end");
}

}  // namespace

std::string draw(const chart& c) {
  const svg_log_axis scale = axis_of(c);
  const auto names = series_of(c);
  std::string bars;
  double x = left + group_gap / 2;
  for (const chart_group& g : c.groups) {
    const double begin = x;
    for (const chart_bar& b : g.bars) {
      if (!(b.value > 0)) continue;
      const double y = height_of(scale, b.value);
      bars += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{:.1f}\" fill=\"{}\">"
          "<title>{}: {:.4g} {}</title></rect>\n",
          x, y, bar_width - 2, top + height - y, colour_of(names, b.series), svg_escaped(b.series),
          b.value, svg_escaped(c.unit));
      const std::string value =
          b.value >= 100 ? fmt::format("{:.0f}", b.value) : fmt::format("{:.3g}", b.value);
      const std::string upwards =
          fmt::format("translate({:.1f} {:.1f}) rotate(-90)", x + bar_width - 5, y - 3);
      bars += svg_text(0, 0, value, "start", 10, svg_attribute("transform", upwards) + svg_rim);
      x += bar_width;
    }
    bars += svg_text(begin, top + height + 18, g.name);
    // Room for the name, too.
    x = std::max(x, begin + svg_width(g.name, 12)) + group_gap;
  }
  const double right = std::max(x, left + 420);
  std::string lines;
  svg_labels names_of_lines({right, top - 20, 4 * line_names, height + 40});
  for (const chart_line& l : c.lines) {
    if (!(l.value > 0)) continue;
    const double y = height_of(scale, l.value);
    lines +=
        svg_line(left, y, right, y, svg_stroke("#333") + svg_attribute("stroke-dasharray", "5 3"));
    const std::string text = fmt::format("{} {:.4g}", l.name, l.value);
    const auto at = names_of_lines.place({right, y, 0, 0}, svg_width(text, 11), 13, height);
    if (at) lines += svg_text(at->x, at->y + 10.5, text, "start", 11);
  }
  std::string legend;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const double at_x = left + static_cast<double>(i % legend_columns) *
                                   (right - left + line_names) / legend_columns;
    const double at_y = top + height + 36 + legend_row * static_cast<double>(i / legend_columns);
    legend +=
        fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"11\" height=\"11\" fill=\"{}\"/>\n",
                    at_x, at_y, colour_of(names, names[i]));
    legend += svg_text(at_x + 16, at_y + 10, names[i]);
  }
  if (bars.find("<rect") == std::string::npos)
    legend += svg_text(left + 20, top + height / 2, "nothing was measured");
  const double rows = std::ceil(static_cast<double>(names.size()) / legend_columns);
  return svg_document(right + line_names, top + height + 48 + legend_row * rows,
                      svg_text(left, 20, c.title, "start", 15) + draw_axis(scale, c.unit, right) +
                          lines + bars + legend);
}

}  // namespace lowbit_bench
