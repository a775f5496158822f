// SPDX-License-Identifier: Apache-2.0
#include "pareto.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "lowbit/cost/pareto.hpp"
#include "lowbit/io/svg_layout.hpp"

namespace lowbit_tool {
namespace {

constexpr double width = 800, height = 440, left = 70, right = 250, top = 30, bottom = 50;
constexpr double line_height = 15, radius = 5;
constexpr std::size_t longest_name = 36;  // bytes

/// Shortens a name to its end, which distinguishes folders, to leave room for its neighbours.
std::string shown_name(const std::string& name) {
  if (name.size() <= longest_name) return name;
  std::size_t begin = name.size() - longest_name;
  while (begin < name.size() && lowbit::detail::is_continuation_byte(name[begin])) ++begin;
  return ".." + name.substr(begin);
}

}  // namespace

std::vector<bool> pareto_front(const std::vector<trade_off>& all) {
  std::vector<std::array<double, 3>> costs;
  for (const trade_off& t : all) costs.push_back({t.bytes, t.seconds, -t.score});
  return lowbit::non_dominated(costs);
}

std::string pareto_svg(const std::vector<trade_off>& all, const std::string& metric) {
  using namespace lowbit;
  constexpr double mib = 1024.0 * 1024.0;
  const auto size = [](const trade_off& t) { return std::max(t.bytes, 1.0) / mib; };
  double small = size(all[0]), large = small, worst = all[0].score, best = worst;
  for (const trade_off& t : all) {
    small = std::min(small, size(t));
    large = std::max(large, size(t));
    worst = std::min(worst, t.score);
    best = std::max(best, t.score);
  }
  // Margins on all sides, so that no point lies on the frame.
  const double score_room = (best - worst) / 20;
  const svg_log_axis sizes = svg_log_axis::around(small / 1.1, large * 1.1, 8);
  const svg_axis scores = svg_axis::around(worst - score_room, best + score_room, 6);
  const auto x = [&](double v) { return sizes.place(v, left, width - right); };
  const auto y = [&](double v) { return scores.place(v, height - bottom, top); };
  std::string out;
  for (const double tick : sizes.ticks())
    out += svg_column(top, height - bottom, x(tick), svg_log_axis::label(tick));
  for (int i = 0; i <= scores.steps(); ++i)
    out += svg_row(left, width - right, y(scores.tick(i)), scores.label(i));
  out += svg_text((left + width - right) / 2, height - 10,
                  "MiB of weights; filled: Pareto-optimal in size, latency and score", "middle");
  out += svg_text(left - 40, top - 12, metric);
  const std::vector<bool> front = pareto_front(all);
  svg_labels names({left, top, width - left, height - bottom - top});
  for (const trade_off& t : all) names.keep_free(svg_box::around(x(size(t)), y(t.score), radius));
  std::string lines, points;  // leader lines are drawn below everything else
  for (std::size_t i = 0; i < all.size(); ++i) {
    const trade_off& t = all[i];
    const double px = x(size(t)), py = y(t.score);
    points +=
        svg_circle(px, py, radius, svg_stroke(svg_blue) + svg_fill(front[i] ? svg_blue : "white"));
    const std::string text = fmt::format("{} ({:.2f} ms)", shown_name(t.name), 1e3 * t.seconds);
    const svg_box around = svg_box::around(px, py, radius);
    const auto at = names.place(around, svg_width(text, 12), line_height, height);
    if (!at) continue;  // no room for this label; the table lists all models
    lines += at->line_from(px, py, svg_stroke(svg_grey, 0.5));
    const bool left_of_it = at->x + at->w <= px;
    points += svg_text(left_of_it ? at->x + at->w : at->x, at->y + line_height / 2 + 4, text,
                       left_of_it ? "end" : "start", 12, svg_rim);
  }
  return svg_document(width, height, out + lines + points);
}

}  // namespace lowbit_tool
