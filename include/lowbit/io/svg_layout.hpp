// SPDX-License-Identifier: Apache-2.0
// Chart layout: axes with round tick values, and label placement that covers neither points nor
// other labels.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "lowbit/io/svg.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// An axis from `low` to `high` with a tick every `step`.
struct svg_axis {
  double low = 0.0, high = 1.0, step = 0.2;

  /// An axis that covers all (finite) values, with at most `ticks` steps of 1, 2 or 5 times a power
  /// of ten.
  [[nodiscard]] static svg_axis around(double least, double most, int ticks) {
    if (!(most > least)) {  // a constant: add room on both sides
      const double room = std::max(std::abs(least) * 0.1, 1e-3);
      least -= room, most += room;
    }
    const double raw = (most - least) / ticks, power = std::pow(10.0, std::floor(std::log10(raw)));
    svg_axis a;
    for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
      a.step = factor * power;
      a.low = std::floor(least / a.step + 1e-9) * a.step;
      a.high = std::ceil(most / a.step - 1e-9) * a.step;
      if (a.high - a.low < a.step * (ticks + 0.5)) break;
    }
    return a;
  }
  /// The position of a value on an axis drawn from `from` to `to`.
  [[nodiscard]] double place(double value, double from, double to) const {
    return from + (value - low) / (high - low) * (to - from);
  }
  [[nodiscard]] int steps() const { return static_cast<int>(std::lround((high - low) / step)); }
  [[nodiscard]] double tick(int i) const { return low + i * step; }
  /// Uses as many decimals as the step has.
  [[nodiscard]] std::string label(int i) const {
    const double value = std::abs(tick(i)) < step / 2 ? 0.0 : tick(i);
    if (std::abs(value) >= 1e6 || step < 1e-4) {
      return svg_number(value, 6, std::chars_format::general);
    }
    return svg_number(value, std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9))));
  }
};

/// A logarithmic axis with round ticks: 1, 2 and 5 times a power of ten; only powers of ten if
/// there would be too many, or those of a linear axis if there would be too few.
class svg_log_axis {
 public:
  /// An axis that covers all (finite, positive) values, with about `ticks` ticks, including both
  /// ends.
  [[nodiscard]] static svg_log_axis around(double least, double most, int ticks) {
    if (!(most > least * 1.001)) least /= 1.01, most *= 1.01;  // practically constant
    svg_log_axis a;
    a.ticks_ = steps(least, most, {1.0, 2.0, 5.0});
    if (a.ticks_.size() < 4) {
      const svg_axis plain = svg_axis::around(least, most, ticks);
      if (plain.low > 0) {
        a.ticks_.clear();
        for (int i = 0; i <= plain.steps(); ++i) a.ticks_.push_back(plain.tick(i));
      }
    } else if (a.ticks_.size() > static_cast<std::size_t>(ticks) + 1) {
      a.ticks_ = steps(least, most, {1.0});
      // Keep every n-th power, including the first and the last.
      const auto wanted = static_cast<std::size_t>(std::max(ticks, 1));
      const std::size_t every = (a.ticks_.size() - 1 + wanted - 1) / wanted;
      while ((a.ticks_.size() - 1) % std::max<std::size_t>(every, 1) != 0)
        a.ticks_.push_back(a.ticks_.back() * 10.0);
      std::vector<double> kept;
      for (std::size_t i = 0; i < a.ticks_.size(); i += std::max<std::size_t>(every, 1))
        kept.push_back(a.ticks_[i]);
      a.ticks_ = std::move(kept);
    }
    return a;
  }
  /// The position of a value on an axis drawn from `from` to `to`.
  [[nodiscard]] double place(double value, double from, double to) const {
    const double low = std::log(ticks_.front()), high = std::log(ticks_.back());
    return from + (std::log(value) - low) / (high - low) * (to - from);
  }
  [[nodiscard]] const std::vector<double>& ticks() const { return ticks_; }
  [[nodiscard]] static std::string label(double tick) {
    return svg_number(tick, 6, std::chars_format::general);
  }

 private:
  /// From the largest step that is at most `least` to the smallest that is at least `most`; at
  /// least two.
  static std::vector<double> steps(double least, double most, const std::vector<double>& factors) {
    constexpr double rounding = 1e-9;
    std::vector<double> out;
    for (int power = static_cast<int>(std::floor(std::log10(least) + rounding));; ++power) {
      for (const double factor : factors) {
        const double step = factor * std::pow(10.0, power);
        if (step <= least * (1 + rounding)) out.clear();
        out.push_back(step);
        if (out.size() >= 2 && step >= most * (1 - rounding)) return out;
      }
    }
  }

  std::vector<double> ticks_;
};

struct svg_box {
  double x, y, w, h;
  [[nodiscard]] bool meets(const svg_box& o) const {
    return x < o.x + o.w && o.x < x + w && y < o.y + o.h && o.y < y + h;
  }
  [[nodiscard]] bool holds(const svg_box& o) const {
    return o.x >= x && o.x + o.w <= x + w && o.y >= y && o.y + o.h <= y + h;
  }
  /// A line from a point to the nearest point of the box.
  [[nodiscard]] std::string line_from(double from_x, double from_y, const std::string& look) const {
    return svg_line(from_x, from_y, std::clamp(from_x, x, x + w), std::clamp(from_y, y, y + h),
                    look);
  }
  /// The bounding square of a circle.
  [[nodiscard]] static svg_box around(double x, double y, double radius) {
    return {x - radius, y - radius, 2 * radius, 2 * radius};
  }
};

/// Places labels of points. Call keep_free() first for anything that must not be covered.
class svg_labels {
 public:
  explicit svg_labels(const svg_box& room) : room_(room) {}

  void keep_free(const svg_box& box) { taken_.push_back(box); }

  /// Reserves the nearest free place for a box of w x h at a point: right, left, above or below;
  /// otherwise up to `reach` higher or lower at the sides.
  [[nodiscard]] std::optional<svg_box> place(const svg_box& point, double w, double h,
                                             double reach = 0) {
    constexpr double gap = 4;
    const double right = point.x + point.w + gap, left = point.x - gap - w;
    const double x = point.x + (point.w - w) / 2, y = point.y + (point.h - h) / 2;
    for (double away = 0; away <= reach; away += h / 4) {
      const double more = away > 0 ? gap : 0.0;  // room for a connecting line
      for (const svg_box& box :
           {svg_box{right + more, y - away, w, h}, svg_box{right + more, y + away, w, h},
            svg_box{left - more, y - away - h / 8, w, h},
            svg_box{left - more, y + away + h / 8, w, h}, svg_box{x, point.y - h - 2, w, h},
            svg_box{x, point.y + point.h + 2, w, h}}) {
        if (take(box)) return box;
      }
    }
    return std::nullopt;
  }

 private:
  bool take(const svg_box& box) {
    const bool free =
        room_.holds(box) &&
        std::none_of(taken_.begin(), taken_.end(), [&](const svg_box& o) { return box.meets(o); });
    if (free) taken_.push_back(box);
    return free;
  }

  svg_box room_;
  std::vector<svg_box> taken_;
};

}  // namespace lowbit::inline LOWBIT_ISA
