// SPDX-License-Identifier: Apache-2.0
#include "pareto.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace lowbit_tool {
namespace {

constexpr double width = 640, height = 400, left = 70, right = 150, top = 30, bottom = 50;

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
      "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">MiB of weights</text>\n"
      "<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
      (left + width - right) / 2, height - 10, left - 40, top - 12, escaped(metric));
  const std::vector<bool> front = pareto_front(all);
  std::vector<const trade_off*> line;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (front[i]) line.push_back(&all[i]);
  }
  std::sort(line.begin(), line.end(),
            [](const trade_off* a, const trade_off* b) { return a->bytes < b->bytes; });
  std::string path;
  for (const trade_off* t : line)
    path +=
        fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', x.at(size(*t)), y.at(t->score));
  out += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"steelblue\"/>\n", path);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const trade_off& t = all[i];
    out += fmt::format(
        "<circle cx=\"{0:.1f}\" cy=\"{1:.1f}\" r=\"5\" stroke=\"steelblue\" fill=\"{2}\"/>\n"
        "<text x=\"{3:.1f}\" y=\"{4:.1f}\">{5} ({6:.2f} ms)</text>\n",
        x.at(size(t)), y.at(t.score), front[i] ? "steelblue" : "white", x.at(size(t)) + 9,
        y.at(t.score) + 4, escaped(t.name), 1e3 * t.seconds);
  }
  return out + "</svg>\n";
}

}  // namespace lowbit_tool
