// SPDX-License-Identifier: Apache-2.0
// A search as a picture: latency to the right, error upwards, size as area. What nothing beats is
// filled and named; the choice has a colour of its own. Plain SVG without scripts or fonts.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "lowbit/train/recipe/search/ranking.hpp"

namespace lowbit::train {
namespace detail {

/// printf into a string.
template <class... Values>
std::string formatted(const char* format, const Values&... values) {
  char text[512];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

/// An axis from value to pixel, with ticks at 1, 2 or 5 times a power of ten.
struct svg_axis {
  double low, high, from, to, step;

  svg_axis(double least, double most, double from_pixel, double to_pixel)
      : low(least), high(most), from(from_pixel), to(to_pixel), step(1) {
    if (!(high > low)) low -= 0.5 * std::abs(low) + 1e-9, high = low + std::abs(low) + 2e-9;
    const double rough = (high - low) / 5, power = std::pow(10.0, std::floor(std::log10(rough)));
    for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
      step = factor * power;
      if (step >= rough) break;
    }
    low = std::floor(low / step) * step, high = std::ceil(high / step) * step;
  }
  [[nodiscard]] double operator()(double v) const {
    return from + (v - low) / (high - low) * (to - from);
  }
  [[nodiscard]] int ticks() const { return static_cast<int>(std::lround((high - low) / step)); }
};

struct svg_box {
  double x, y, w, h;
  [[nodiscard]] bool meets(const svg_box& o) const {
    return x < o.x + o.w && o.x < x + w && y < o.y + o.h && o.y < y + h;
  }
};

inline std::string svg_text(double x, double y, const char* anchor, int size,
                            const std::string& text, const char* more = "") {
  std::string safe;  // shapes are written with angle brackets
  for (const char c : text) safe += c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return formatted("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\" %s>", x, y,
                   anchor, size, more) +
         safe + "</text>\n";
}

}  // namespace detail

/// The ranked candidates that have an error. `title`: what was searched.
inline std::string front_svg(const search_ranking& r, const std::string& title) {
  using namespace detail;
  constexpr double width = 960, height = 600, left = 100, right = 30, top = 78, bottom = 64;
  struct dot {
    const search_candidate* of;
    double x, y, radius;
    bool front;
  };
  const std::vector<bool> front = r.front();
  std::vector<const search_candidate*> shown;
  std::vector<bool> best;
  double most_ms = 0, least_e = 1e300, most_e = -1e300, most_p = 1;
  for (std::size_t i = 0; i < r.candidates.size(); ++i) {
    const search_candidate& c = r.candidates[i];
    if (!std::isfinite(c.error())) continue;
    shown.push_back(&c), best.push_back(front[i]);
    most_ms = std::max(most_ms, r.milliseconds(c));
    least_e = std::min(least_e, c.error()), most_e = std::max(most_e, c.error());
    most_p = std::max(most_p, static_cast<double>(c.parameters));
  }
  const double margin = shown.empty() ? 1.0 : 0.08 * (most_e - least_e) + 1e-6 * std::abs(most_e);
  const svg_axis x(0, shown.empty() ? 1.0 : 1.05 * most_ms, left, width - right);
  const svg_axis y(shown.empty() ? 0.0 : least_e - margin, shown.empty() ? 1.0 : most_e + margin,
                   height - bottom, top);
  std::vector<dot> dots;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    dots.push_back({shown[i], x(r.milliseconds(*shown[i])), y(shown[i]->error()),
                    3 + 15 * std::sqrt(static_cast<double>(shown[i]->parameters) / most_p),
                    best[i]});
  }

  std::string svg = formatted(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
      "font-family=\"sans-serif\" fill=\"#222\">\n<rect width=\"100%%\" height=\"100%%\" "
      "fill=\"white\"/>\n",
      width, height);
  svg += svg_text(left, 26, "start", 17, title, "font-weight=\"bold\"");
  svg += svg_text(
      left, 48, "start", 13,
      formatted("maximum point %s: %.2f M parameters, %.3f ms. Shapes are "
                "<layers,heads,hidden,intermediate>.",
                to_string(r.maximum.at).c_str(), static_cast<double>(r.maximum.parameters) / 1e6,
                r.milliseconds(r.maximum)));
  for (int t = 0; t <= x.ticks(); ++t) {
    const double v = x.low + t * x.step;
    svg +=
        formatted("<path d=\"M%.1f %.1fV%.1f\" stroke=\"#e4e4e4\"/>\n", x(v), top, height - bottom);
    svg += svg_text(x(v), height - bottom + 18, "middle", 12, formatted("%.6g", v));
  }
  for (int t = 0; t <= y.ticks(); ++t) {
    const double v = y.low + t * y.step;
    svg +=
        formatted("<path d=\"M%.1f %.1fH%.1f\" stroke=\"#e4e4e4\"/>\n", left, y(v), width - right);
    svg += svg_text(left - 8, y(v) + 4, "end", 12, formatted("%.6g", v));
  }
  svg += svg_text((left + width - right) / 2, height - 22, "middle", 13,
                  "latency of one forward, ms (area: parameters)");
  svg +=
      svg_text(22, (top + height - bottom) / 2, "middle", 13, "error: loss after the trial",
               formatted("transform=\"rotate(-90 22 %.1f)\"", (top + height - bottom) / 2).c_str());

  std::vector<svg_box> taken;
  for (const dot& d : dots) {
    taken.push_back({d.x - d.radius, d.y - d.radius, 2 * d.radius, 2 * d.radius});
  }
  // Large ones first, so that small ones stay visible; the choice last.
  const search_candidate* chosen = nullptr;
  if (!r.candidates.empty() && r.candidates.front().coefficient > 0) chosen = &r.candidates.front();
  std::stable_sort(dots.begin(), dots.end(), [chosen](const dot& a, const dot& b) {
    return (a.of == chosen) != (b.of == chosen) ? b.of == chosen : a.radius > b.radius;
  });
  for (const dot& d : dots) {
    const bool choice = d.of == chosen;
    const char* colour = choice ? "#d9480f" : d.front ? "#1864ab" : "#868e96";
    svg += formatted(
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" fill-opacity=\"%.2f\" "
        "stroke=\"%s\"><title>%.2f M, %.3f ms, error %.4f, W %.4g</title></circle>\n",
        d.x, d.y, d.radius, colour, choice || d.front ? 0.55 : 0.08, colour,
        static_cast<double>(d.of->parameters) / 1e6, r.milliseconds(*d.of), d.of->error(),
        d.of->coefficient);
  }
  std::reverse(dots.begin(), dots.end());  // the choice has its label first
  for (const dot& d : dots) {
    const bool choice = d.of == chosen;
    if (!d.front && !choice) continue;
    const std::string label = to_string(d.of->at) + (choice ? " chosen" : "");
    const double w = 6.4 * static_cast<double>(label.size()), h = 13;
    // Beside, above, below; where all meet something, the label would hide more than it tells.
    for (const auto& [dx, dy] :
         {std::array{d.radius + 4, -h / 2}, std::array{-w - d.radius - 4, -h / 2},
          std::array{-w / 2, -d.radius - h - 2}, std::array{-w / 2, d.radius + 2}}) {
      const svg_box box{d.x + dx, d.y + dy, w, h};
      const bool fits = box.x > left && box.x + w < width && box.y > top - 10 &&
                        std::none_of(taken.begin(), taken.end(),
                                     [&box](const svg_box& o) { return box.meets(o); });
      if (!fits && !choice) continue;
      taken.push_back(box);
      svg += svg_text(box.x, box.y + h - 3, "start", 11, label,
                      choice ? "fill=\"#d9480f\" font-weight=\"bold\"" : "fill=\"#1864ab\"");
      break;
    }
  }
  double at = width - right - 330;
  for (const auto& [colour, text] :
       {std::pair{"#d9480f", "greatest W"}, std::pair{"#1864ab", "beaten by none"},
        std::pair{"#868e96", "beaten"}}) {
    svg += formatted("<circle cx=\"%.1f\" cy=\"65\" r=\"5\" fill=\"%s\" fill-opacity=\"0.6\"/>\n",
                     at, colour);
    svg += svg_text(at + 10, 69, "start", 12, text);
    at += 120;
  }
  return svg + "</svg>\n";
}

}  // namespace lowbit::train
