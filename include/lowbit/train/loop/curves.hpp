// SPDX-License-Identifier: Apache-2.0
// Learning curves of a run as SVG text: loss, validation score and measures over steps, in stacked
// panels, because their scales differ and curves in one panel would overlap. Knows the history, not
// files.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/svg_layout.hpp"
#include "lowbit/train/loop/checkpoint.hpp"

namespace lowbit::train {

namespace detail {

struct curve_point {
  double step = 0.0, value = 0.0;
};
struct curve {
  std::string name;
  std::vector<curve_point> points;
  bool validation = false;
};

inline constexpr double curves_width = 720, curves_left = 72, curves_right = 24, curves_top = 76,
                        panel_height = 150, panel_pitch = 218;
inline constexpr double curve_width = 1.6;

inline std::string curves_dot(double x, double y) {
  return svg_circle(x, y, 3, svg_fill(svg_orange));
}
inline std::string curves_ring(double x, double y) {
  return svg_circle(x, y, 6.5, svg_fill("none") + svg_stroke(svg_red, 1.5));
}

/// One panel with its frame's top at `top`. `best`: the step of the best validation, or negative.
inline std::string draw_panel(const curve& c, const svg_axis& steps, double top, double best) {
  const double right = curves_width - curves_right, bottom = top + panel_height;
  const auto finite = [](const curve_point& p) { return std::isfinite(p.value); };
  double least = INFINITY, most = -INFINITY;
  for (const curve_point& p : c.points) {
    if (finite(p)) least = std::min(least, p.value), most = std::max(most, p.value);
  }
  if (!(least <= most)) least = 0.0, most = 1.0;
  const svg_axis values = svg_axis::around(least, most, 5);
  const auto x = [&](double step) { return steps.place(step, curves_left, right); };
  const auto y = [&](double value) { return values.place(value, bottom, top); };
  std::string out = svg_text(curves_left, top - 10, c.name, "start", 13);
  for (int i = 0; i <= values.steps(); ++i) {
    out += svg_row(curves_left, right, y(values.tick(i)), values.label(i));
  }
  for (int i = 0; i <= steps.steps(); ++i) {
    out += svg_column(top, bottom, x(steps.tick(i)), steps.label(i));
  }
  const char* colour = c.validation ? svg_orange : svg_blue;
  std::string line, dots;
  bool open = false;  // a missing value interrupts the line
  for (const curve_point& p : c.points) {
    if (!finite(p)) {
      open = false;
      continue;
    }
    line += (open ? "L" : "M") + svg_number(x(p.step)) + " " + svg_number(y(p.value));
    open = true;
    if (c.validation || c.points.size() == 1) {
      dots += svg_circle(x(p.step), y(p.value), 3, svg_fill(colour));
    }
    if (c.validation && p.step == best) dots += curves_ring(x(p.step), y(p.value));
  }
  if (line.empty()) return out + svg_text(curves_left + 12, top + 24, "no value");
  return out + "<path" + svg_fill("none") + svg_stroke(colour, curve_width) +
         svg_attribute("d", line) + "/>\n" + dots;
}

inline std::vector<curve> curves_of(const run_state& run, std::string score) {
  std::vector<curve> all{{"loss", {}, false}};
  for (const history_point& p : run.history) {
    all[0].points.push_back({static_cast<double>(p.step), p.loss});
  }
  if (!run.scores.empty()) {
    curve scores{std::move(score) + " (%)", {}, true};
    for (const history_score& s : run.scores) {
      scores.points.push_back({static_cast<double>(s.step), 100.0 * s.score});
    }
    all.push_back(std::move(scores));
  }
  for (const history_point& p : run.history) {  // a measure may start late
    for (const auto& [name, value] : p.measures) {
      auto found = std::find_if(all.begin(), all.end(), [&n = name](const curve& c) {
        return c.name == n && !c.validation;
      });
      if (found == all.end() || found == all.begin()) {
        found = all.insert(all.end(), curve{name, {}, false});
      }
      found->points.push_back({static_cast<double>(p.step), value});
    }
  }
  return all;
}

}  // namespace detail

/// The plot of a run. `title` is the heading, `score` the name of the validation metric.
inline std::string curves_svg(const run_state& run, const std::string& title,
                              const std::string& score) {
  using namespace detail;
  const std::vector<curve> curves = curves_of(run, score);
  double last = 1.0, best = -1.0;
  for (const curve& c : curves) {
    for (const curve_point& p : c.points) last = std::max(last, p.step);
  }
  for (const history_score& s : run.scores) {
    if (s.epoch == run.best_epoch) best = static_cast<double>(s.step);
  }
  svg_axis steps = svg_axis::around(0.0, last, 8);
  if (steps.step < 1.0) steps = {0.0, std::ceil(last), 1.0};  // no fractional steps

  std::string out = svg_text(curves_left, 24, title, "start", 15);
  const double line = 41;
  out += svg_line(curves_left, line - 4, curves_left + 22, line - 4,
                  svg_stroke(svg_blue, curve_width));
  out += svg_text(curves_left + 28, line, "training, a mean over steps");
  if (!run.scores.empty()) {
    out += curves_dot(curves_left + 220, line - 4);
    out += svg_text(curves_left + 230, line, "validation");
    if (best >= 0) {
      out += curves_ring(curves_left + 320, line - 4);
      out += svg_text(curves_left + 333, line, "best");
    }
  }
  double top = curves_top;
  for (const curve& c : curves) {
    out += draw_panel(c, steps, top, best);
    out += svg_text(curves_width - curves_right, top + panel_height + 36, "steps", "end");
    top += panel_pitch;
  }
  return svg_document(curves_width, top - 20, out);
}

}  // namespace lowbit::train
