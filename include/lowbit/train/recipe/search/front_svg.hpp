// SPDX-License-Identifier: Apache-2.0
// Plot of a search: latency on the x axis, error on the y axis, size as area. Points of the Pareto
// front are filled and labelled; the chosen one has its own colour.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/svg_layout.hpp"
#include "lowbit/train/recipe/search/ranking.hpp"

namespace lowbit::train {
namespace detail {

/// Draws one plot.
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
    std::string out = svg_text(left, 26, title, "start", 17, svg_attribute("font-weight", "bold"));
    out += draw_axes();
    // Large circles first, so that small ones stay visible; the chosen one last.
    std::stable_sort(dots_.begin(), dots_.end(), [this](const dot& a, const dot& b) {
      return (a.of == chosen_) != (b.of == chosen_) ? b.of == chosen_ : a.radius > b.radius;
    });
    out += draw_dots();
    std::reverse(dots_.begin(), dots_.end());  // the chosen one is labelled first
    return svg_document(width, height, out + draw_labels() + draw_legend());
  }

 private:
  static constexpr double width = 960, height = 600, left = 100, right = 30, top = 78, bottom = 64;
  static constexpr const char *choice_colour = svg_red, *front_colour = svg_blue,
                              *beaten_colour = svg_grey;
  struct dot {
    const search_candidate* of;
    double x, y, radius;
    bool front;
  };

  [[nodiscard]] double across(double ms) const { return x_.place(ms, left, width - right); }
  [[nodiscard]] double up(double error) const { return y_.place(error, height - bottom, top); }

  [[nodiscard]] std::string draw_axes() const {
    std::string out =
        svg_text(left, 48,
                 "maximum point " + to_string(r_.maximum.at) + ": " + size_and_time(r_.maximum) +
                     ". Shapes are <layers,heads,hidden,intermediate>.",
                 "start", 13);
    for (int t = 0; t <= x_.steps(); ++t) {
      out += svg_column(top, height - bottom, across(x_.tick(t)), x_.label(t));
    }
    for (int t = 0; t <= y_.steps(); ++t) {
      out += svg_row(left, width - right, up(y_.tick(t)), y_.label(t));
    }
    out += svg_text((left + width - right) / 2, height - 22,
                    "latency of one forward, ms (area: parameters)", "middle", 13);
    const double middle = (top + height - bottom) / 2;
    return out + svg_text(22, middle, "error: loss after the trial", "middle", 13,
                          svg_attribute("transform", "rotate(-90 22 " + svg_number(middle) + ")"));
  }

  [[nodiscard]] std::string size_and_time(const search_candidate& c) const {
    return svg_number(static_cast<double>(c.parameters) / 1e6, 2) + " M parameters, " +
           svg_number(r_.milliseconds(c), 3) + " ms";
  }

  [[nodiscard]] std::string draw_dots() const {
    std::string out;
    for (const dot& d : dots_) {
      const bool choice = d.of == chosen_;
      const char* colour = choice ? choice_colour : d.front ? front_colour : beaten_colour;
      out += svg_circle(d.x, d.y, d.radius,
                        svg_fill(colour, choice || d.front ? 0.55 : 0.08) + svg_stroke(colour),
                        size_and_time(*d.of) + ", error " + svg_number(d.of->error(), 4) + ", W " +
                            svg_number(d.of->coefficient, 4, std::chars_format::general));
    }
    return out;
  }

  [[nodiscard]] std::string draw_labels() const {
    svg_labels places({left, top - 10, width - left, height - bottom - top + 10});
    for (const dot& d : dots_) places.keep_free(svg_box::around(d.x, d.y, d.radius));
    std::string out;
    for (const dot& d : dots_) {
      const bool choice = d.of == chosen_;
      if (!d.front && !choice) continue;
      const std::string label = to_string(d.of->at) + (choice ? " chosen" : "");
      const double w = svg_width(label, 11), h = 13;
      // Only the label of the chosen shape may be placed far away, with a leader line.
      const auto at =
          places.place(svg_box::around(d.x, d.y, d.radius), w, h, choice ? height : 0.0);
      if (!at) continue;
      if (choice) out += at->line_from(d.x, d.y, svg_stroke(choice_colour, 0.5));
      out += svg_text(at->x, at->y + h - 3, label, "start", 11,
                      svg_rim + svg_fill(choice ? choice_colour : front_colour) +
                          (choice ? svg_attribute("font-weight", "bold") : ""));
    }
    return out;
  }

  [[nodiscard]] static std::string draw_legend() {
    std::string out;
    double at = width - right - 330;
    for (const auto& [colour, text] :
         {std::pair{choice_colour, "greatest W"}, std::pair{front_colour, "beaten by none"},
          std::pair{beaten_colour, "beaten"}}) {
      out += svg_circle(at, 65, 5, svg_fill(colour, 0.6)) + svg_text(at + 10, 69, text);
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

/// Plots the ranked candidates with a finite error. `title`: the heading.
inline std::string front_svg(const search_ranking& r, const std::string& title) {
  return detail::front_picture(r).draw(title);
}

}  // namespace lowbit::train
