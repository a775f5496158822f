// SPDX-License-Identifier: Apache-2.0
// The learning curves of a run as SVG text: the loss, the validation score and each measure over
// steps, in panels one below the other. A panel each, because their scales differ and lines that
// share a panel would cover each other. It knows the history and nothing of files; the background
// is painted, so that the picture reads alike on light and dark pages.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/train/loop/checkpoint.hpp"
#include "lowbit/train/loop/svg.hpp"

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
inline constexpr const char *training_colour = "#1f4e9c", *validation_colour = "#d9822b";

inline std::string curves_dot(double x, double y, const char* colour, double radius) {
  return printed("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>\n", x, y, radius,
                 colour);
}
inline std::string curves_ring(double x, double y) {
  return printed(
      "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"6.5\" fill=\"none\" stroke=\"#c23b3b\" "
      "stroke-width=\"1.5\"/>\n",
      x, y);
}

/// One panel, its frame's top at `top`. `best`: the step of the best validation, or negative.
inline std::string draw_panel(const curve& c, const svg_axis& steps, double top, double best) {
  const double right = curves_width - curves_right, bottom = top + panel_height;
  const auto finite = [](const curve_point& p) { return std::isfinite(p.value); };
  double least = INFINITY, most = -INFINITY;
  for (const curve_point& p : c.points) {
    if (finite(p)) least = std::min(least, p.value), most = std::max(most, p.value);
  }
  if (!(least <= most)) least = 0.0, most = 1.0;
  const svg_axis values = svg_axis::around(least, most, 5);
  const auto x = [&](double s) { return curves_left + steps.share(s) * (right - curves_left); };
  const auto y = [&](double v) { return bottom - values.share(v) * panel_height; };
  std::string out = svg_text(curves_left, top - 10, c.name, "start", 13);
  for (int i = 0; i <= values.steps(); ++i) {
    out += printed("<path d=\"M%.1f %.1fH%.1f\" stroke=\"#ddd\"/>\n", curves_left,
                   y(values.tick(i)), right);
    out += svg_text(curves_left - 8, y(values.tick(i)) + 4, values.label(i), "end");
  }
  for (int i = 0; i <= steps.steps(); ++i) {
    out += printed("<path d=\"M%.1f %.1fv5\" stroke=\"#888\"/>\n", x(steps.tick(i)), bottom);
    out += svg_text(x(steps.tick(i)), bottom + 19, steps.label(i), "middle");
  }
  out += printed("<path d=\"M%.1f %.1fH%.1f\" stroke=\"#888\"/>\n", curves_left, bottom, right);
  const char* colour = c.validation ? validation_colour : training_colour;
  std::string line, dots;
  bool open = false;  // the line is broken where a value is missing
  for (const curve_point& p : c.points) {
    if (!finite(p)) {
      open = false;
      continue;
    }
    line += printed("%s%.1f %.1f", open ? "L" : "M", x(p.step), y(p.value));
    open = true;
    if (c.validation || c.points.size() == 1) dots += curves_dot(x(p.step), y(p.value), colour, 3);
    if (c.validation && p.step == best) dots += curves_ring(x(p.step), y(p.value));
  }
  if (line.empty()) return out + svg_text(curves_left + 12, top + 24, "no value", "start");
  return out + printed("<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\" d=\"", colour) +
         line + "\"/>\n" + dots;
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
  for (const history_point& p : run.history) {  // a measure may begin late
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

/// The picture of a run. `title` stands above; `score` names what validation measures.
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
  if (steps.step < 1.0) steps = {0.0, std::ceil(last), 1.0};  // there is no half step

  const double height = curves_top + panel_pitch * static_cast<double>(curves.size()) - 20;
  std::string out = printed(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
      "viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
      curves_width, height, curves_width, height);
  out += svg_text(curves_left, 24, title, "start", 15);
  const double line = 41;
  out += printed("<path d=\"M%.1f %.1fh22\" stroke=\"%s\" stroke-width=\"1.6\"/>\n", curves_left,
                 line - 4, training_colour);
  out += svg_text(curves_left + 28, line, "training, a mean over steps", "start");
  if (!run.scores.empty()) {
    out += curves_dot(curves_left + 220, line - 4, validation_colour, 3);
    out += svg_text(curves_left + 230, line, "validation", "start");
    if (best >= 0) {
      out += curves_ring(curves_left + 320, line - 4);
      out += svg_text(curves_left + 333, line, "best", "start");
    }
  }
  double top = curves_top;
  for (const curve& c : curves) {
    out += draw_panel(c, steps, top, best);
    out += svg_text(curves_width - curves_right, top + panel_height + 36, "steps", "end");
    top += panel_pitch;
  }
  return out + "</svg>\n";
}

}  // namespace lowbit::train
