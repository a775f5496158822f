// SPDX-License-Identifier: Apache-2.0
// A search as a picture: latency to the right, error upwards, size as area. What nothing beats is
// filled and named; the choice has a colour of its own.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/train/loop/svg.hpp"
#include "lowbit/train/recipe/search/ranking.hpp"

namespace lowbit::train {
namespace detail {

struct svg_box {
  double x, y, w, h;
  [[nodiscard]] bool meets(const svg_box& o) const {
    return x < o.x + o.w && o.x < x + w && y < o.y + o.h && o.y < y + h;
  }
};

/// One front picture under way.
class front_picture {
 public:
  explicit front_picture(const search_ranking& r) : r_(r) {
    if (!r.candidates.empty() && r.candidates.front().coefficient > 0) {
      chosen_ = &r.candidates.front();
    }
    const std::vector<bool> front = r.front();
    double most_ms = 0, least_e = std::numeric_limits<double>::infinity(), most_e = 0, most_p = 1;
    for (const search_candidate& c : r.candidates) {
      if (!std::isfinite(c.error())) continue;
      most_ms = std::max(most_ms, r.milliseconds(c));
      least_e = std::min(least_e, c.error()), most_e = std::max(most_e, c.error());
      most_p = std::max(most_p, static_cast<double>(c.parameters));
    }
    if (most_ms > 0) {
      const double margin = 0.08 * (most_e - least_e) + 1e-6 * most_e;
      x_ = svg_axis::around(0, 1.05 * most_ms, 6);
      y_ = svg_axis::around(least_e - margin, most_e + margin, 6);
    }
    for (std::size_t i = 0; i < r.candidates.size(); ++i) {
      const search_candidate& c = r.candidates[i];
      if (!std::isfinite(c.error())) continue;
      const double radius = 3 + 15 * std::sqrt(static_cast<double>(c.parameters) / most_p);
      dots_.push_back({&c, across(r.milliseconds(c)), up(c.error()), radius, front[i]});
    }
  }

  [[nodiscard]] std::string draw(const std::string& title) {
    const std::string head = printed(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
        "font-family=\"sans-serif\" fill=\"#222\">\n<rect width=\"100%%\" height=\"100%%\" "
        "fill=\"white\"/>\n",
        width, height);
    std::string out = head + svg_text(left, 26, title, "start", 17, "font-weight=\"bold\"");
    out += draw_axes();
    // Large ones first, so that small ones stay visible; the choice last.
    std::stable_sort(dots_.begin(), dots_.end(), [this](const dot& a, const dot& b) {
      return (a.of == chosen_) != (b.of == chosen_) ? b.of == chosen_ : a.radius > b.radius;
    });
    out += draw_dots();
    std::reverse(dots_.begin(), dots_.end());  // the choice has its label first
    return out + draw_labels() + draw_legend() + "</svg>\n";
  }

 private:
  static constexpr double width = 960, height = 600, left = 100, right = 30, top = 78, bottom = 64;
  static constexpr const char *choice_colour = "#d9480f", *front_colour = "#1864ab",
                              *beaten_colour = "#868e96";
  struct dot {
    const search_candidate* of;
    double x, y, radius;
    bool front;
  };

  [[nodiscard]] double across(double ms) const {
    return left + x_.share(ms) * (width - right - left);
  }
  [[nodiscard]] double up(double error) const {
    return height - bottom - y_.share(error) * (height - bottom - top);
  }

  [[nodiscard]] std::string draw_axes() const {
    std::string out = svg_text(
        left, 48,
        printed("maximum point %s: %.2f M parameters, %.3f ms. Shapes are "
                "<layers,heads,hidden,intermediate>.",
                to_string(r_.maximum.at).c_str(), static_cast<double>(r_.maximum.parameters) / 1e6,
                r_.milliseconds(r_.maximum)),
        "start", 13);
    for (int t = 0; t <= x_.steps(); ++t) {
      const double x = across(x_.tick(t));
      out += printed("<path d=\"M%.1f %.1fV%.1f\" stroke=\"#e4e4e4\"/>\n", x, top, height - bottom);
      out += svg_text(x, height - bottom + 18, x_.label(t), "middle");
    }
    for (int t = 0; t <= y_.steps(); ++t) {
      const double y = up(y_.tick(t));
      out += printed("<path d=\"M%.1f %.1fH%.1f\" stroke=\"#e4e4e4\"/>\n", left, y, width - right);
      out += svg_text(left - 8, y + 4, y_.label(t), "end");
    }
    out += svg_text((left + width - right) / 2, height - 22,
                    "latency of one forward, ms (area: parameters)", "middle", 13);
    const double middle = (top + height - bottom) / 2;
    return out + svg_text(22, middle, "error: loss after the trial", "middle", 13,
                          printed("transform=\"rotate(-90 22 %.1f)\"", middle).c_str());
  }

  [[nodiscard]] std::string draw_dots() const {
    std::string out;
    for (const dot& d : dots_) {
      const bool choice = d.of == chosen_;
      const char* colour = choice ? choice_colour : d.front ? front_colour : beaten_colour;
      out += printed(
          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" fill-opacity=\"%.2f\" "
          "stroke=\"%s\"><title>%.2f M, %.3f ms, error %.4f, W %.4g</title></circle>\n",
          d.x, d.y, d.radius, colour, choice || d.front ? 0.55 : 0.08, colour,
          static_cast<double>(d.of->parameters) / 1e6, r_.milliseconds(*d.of), d.of->error(),
          d.of->coefficient);
    }
    return out;
  }

  [[nodiscard]] std::string draw_labels() const {
    std::vector<svg_box> taken;
    for (const dot& d : dots_) {
      taken.push_back({d.x - d.radius, d.y - d.radius, 2 * d.radius, 2 * d.radius});
    }
    std::string out;
    for (const dot& d : dots_) {
      const bool choice = d.of == chosen_;
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
        const std::string look = printed("fill=\"%s\"%s", choice ? choice_colour : front_colour,
                                         choice ? " font-weight=\"bold\"" : "");
        out += svg_text(box.x, box.y + h - 3, label, "start", 11, look.c_str());
        break;
      }
    }
    return out;
  }

  [[nodiscard]] static std::string draw_legend() {
    std::string out;
    double at = width - right - 330;
    for (const auto& [colour, text] :
         {std::pair{choice_colour, "greatest W"}, std::pair{front_colour, "beaten by none"},
          std::pair{beaten_colour, "beaten"}}) {
      out += printed("<circle cx=\"%.1f\" cy=\"65\" r=\"5\" fill=\"%s\" fill-opacity=\"0.6\"/>\n",
                     at, colour);
      out += svg_text(at + 10, 69, text, "start");
      at += 120;
    }
    return out;
  }

  const search_ranking& r_;
  const search_candidate* chosen_ = nullptr;
  svg_axis x_, y_;
  std::vector<dot> dots_;
};

}  // namespace detail

/// The ranked candidates that have an error. `title`: what was searched.
inline std::string front_svg(const search_ranking& r, const std::string& title) {
  return detail::front_picture(r).draw(title);
}

}  // namespace lowbit::train
