// SPDX-License-Identifier: Apache-2.0
#include "pareto.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace lowbit_tool {
namespace {

constexpr double width = 800, height = 440, left = 70, right = 250, top = 30, bottom = 50;
constexpr double line_height = 15, character = 6.6;  // of the labels

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

/// A range with room at both ends, so that no point lies on the frame.
struct axis {
  double low, high, from, to;  // values, and where they are drawn
  axis(double least, double most, double begin, double end) : from(begin), to(end) {
    const double room = most > least ? (most - least) / 10 : 0.5;
    low = least - room;
    high = most + room;
  }
  [[nodiscard]] double at(double value) const {
    return from + (value - low) / (high - low) * (to - from);
  }
};

/// Places for one label beside each point, none over another: the nearest free line above or below.
class labels {
 public:
  /// The height at which `text` from x on is closest to y.
  double place(const std::string& text, double x, double y) {
    const double end = x + character * static_cast<double>(text.size());
    for (int n = 0; n < 200; ++n) {
      const int half_lines = (n + 1) / 2 * (n % 2 == 0 ? 1 : -1);
      const double at = y + line_height / 2 * half_lines;
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

std::string pareto_svg(const std::vector<trade_off>& all, const std::string& metric) {
  const auto size = [](const trade_off& t) { return std::log10(std::max(t.bytes, 1.0)); };
  double small = size(all[0]), large = small, worst = all[0].score, best = worst;
  for (const trade_off& t : all) {
    small = std::min(small, size(t));
    large = std::max(large, size(t));
    worst = std::min(worst, t.score);
    best = std::max(best, t.score);
  }
  const axis x(small, large, left, width - right);
  const axis y(worst, best, height - bottom, top);
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
      "<path d=\"M{2} {3}V{4}H{5}\" fill=\"none\" stroke=\"black\"/>\n",
      width, height, left, top, height - bottom, width - right);
  for (int i = 0; i <= 4; ++i) {
    const double bytes = std::pow(10.0, x.low + (x.high - x.low) * i / 4);
    const double score = y.low + (y.high - y.low) * i / 4;
    out += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.3g}</text>\n"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.3f}</text>\n",
        x.at(std::log10(bytes)), height - bottom + 18, bytes / 1048576.0, left - 6, y.at(score) + 4,
        score);
  }
  out += fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">MiB of weights; "
      "filled: no other is as small, as fast and as good</text>\n"
      "<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
      (left + width - right) / 2, height - 10, left - 40, top - 12, escaped(metric));
  const std::vector<bool> front = pareto_front(all);
  labels names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const trade_off& t = all[i];
    const double px = x.at(size(t)), py = y.at(t.score), tx = px + 14;
    const std::string text = fmt::format("{} ({:.2f} ms)", t.name, 1e3 * t.seconds);
    const double ty = names.place(text, tx, py);
    out += fmt::format(
        "<path d=\"M{0:.1f} {1:.1f}L{2:.1f} {3:.1f}\" stroke=\"lightgray\"/>\n"
        "<circle cx=\"{0:.1f}\" cy=\"{1:.1f}\" r=\"5\" stroke=\"steelblue\" fill=\"{4}\"/>\n"
        "<text x=\"{2:.1f}\" y=\"{5:.1f}\">{6}</text>\n",
        px, py, tx, ty, front[i] ? "steelblue" : "white", ty + 4, escaped(text));
  }
  return out + "</svg>\n";
}

}  // namespace lowbit_tool
