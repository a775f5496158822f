// SPDX-License-Identifier: Apache-2.0
#include "pareto.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "lowbit/cost/pareto.hpp"
#include "lowbit/io/svg.hpp"

namespace lowbit_tool {
namespace {

constexpr double width = 800, height = 440, left = 70, right = 250, top = 30, bottom = 50;
constexpr double line_height = 15;  // of the labels

/// Places for one label beside each point, none over another: the nearest free one above or below.
class labels {
 public:
  /// The height at which `text` from x on is closest to y.
  double place(const std::string& text, double x, double y) {
    const double end = x + lowbit::svg_width(text, 12);
    for (int n = 0; n < 400; ++n) {
      const int steps = (n + 1) / 2 * (n % 2 == 0 ? 1 : -1);
      const double at = y + line_height / 4 * steps;
      if (at < top || at > height - bottom || taken(x, end, at)) continue;
      placed_.push_back({x, end, at});
      return at;
    }
    return y;  // more labels than the picture has room for
  }

 private:
  struct box {
    double begin, end, y;
  };
  [[nodiscard]] bool taken(double begin, double end, double y) const {
    return std::any_of(placed_.begin(), placed_.end(), [&](const box& b) {
      return begin < b.end && b.begin < end && std::abs(y - b.y) < line_height;
    });
  }
  std::vector<box> placed_;
};

}  // namespace

std::vector<bool> pareto_front(const std::vector<trade_off>& all) {
  std::vector<std::array<double, 3>> costs;
  for (const trade_off& t : all) costs.push_back({t.bytes, t.seconds, -t.score});
  return lowbit::non_dominated(costs);
}

std::string pareto_svg(const std::vector<trade_off>& all, const std::string& metric) {
  using namespace lowbit;
  const auto size = [](const trade_off& t) { return std::log10(std::max(t.bytes, 1.0)); };
  double small = size(all[0]), large = small, worst = all[0].score, best = worst;
  for (const trade_off& t : all) {
    small = std::min(small, size(t));
    large = std::max(large, size(t));
    worst = std::min(worst, t.score);
    best = std::max(best, t.score);
  }
  // Room on all sides, so that no point lies on the frame.
  const double size_room = large > small ? (large - small) / 10 : 0.5;
  const double score_room = (best - worst) / 20;
  const svg_axis sizes{small - size_room, large + size_room, (large - small + 2 * size_room) / 4};
  const svg_axis scores = svg_axis::around(worst - score_room, best + score_room, 6);
  const auto x = [&](double v) { return sizes.place(v, left, width - right); };
  const auto y = [&](double v) { return scores.place(v, height - bottom, top); };
  std::string out;
  for (int i = 0; i <= sizes.steps(); ++i) {
    const double bytes = std::pow(10.0, sizes.tick(i));
    out += svg_column(top, height - bottom, x(sizes.tick(i)),
                      fmt::format("{:.3g}", bytes / 1048576.0));
  }
  for (int i = 0; i <= scores.steps(); ++i) {
    out += svg_row(left, width - right, y(scores.tick(i)), scores.label(i));
  }
  out += svg_text((left + width - right) / 2, height - 10,
                  "MiB of weights; filled: no other is as small, as fast and as good", "middle");
  out += svg_text(left - 40, top - 12, metric);
  const std::vector<bool> front = pareto_front(all);
  labels names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const trade_off& t = all[i];
    const double px = x(size(t)), py = y(t.score), tx = px + 14;
    const std::string text = fmt::format("{} ({:.2f} ms)", t.name, 1e3 * t.seconds);
    const double ty = names.place(text, tx, py);
    out += svg_line(px, py, tx, ty, svg_stroke(svg_grey, 0.5));
    out += svg_circle(px, py, 5, svg_stroke(svg_blue) + svg_fill(front[i] ? svg_blue : "white"));
    out += svg_text(tx, ty + 4, text, "start", 12, svg_rim);
  }
  return svg_document(width, height, out);
}

}  // namespace lowbit_tool
