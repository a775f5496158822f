// SPDX-License-Identifier: Apache-2.0
// The Pareto front of several choices: those that no other choice dominates. Works on plain
// numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// For each point, whether no other point is at most as large in every value and smaller in one.
/// Every value is a cost; negate values to be maximized. Equal points do not dominate each other. A
/// point with a non-finite value dominates none and is not on the front.
///
/// Shapes: points (P, N)
/// Cost:   P^2 comparisons of points
template <std::size_t N>
[[nodiscard]] std::vector<bool> non_dominated(const std::vector<std::array<double, N>>& points) {
  using point = std::array<double, N>;
  const auto finite = [](const point& x) {
    return std::all_of(x.begin(), x.end(), [](double value) { return std::isfinite(value); });
  };
  const auto beats = [&finite](const point& a, const point& b) {
    return finite(a) && a != b && std::equal(a.begin(), a.end(), b.begin(), std::less_equal<>());
  };
  std::vector<bool> front;
  for (const point& x : points) {
    front.push_back(finite(x) && std::none_of(points.begin(), points.end(),
                                              [&](const point& y) { return beats(y, x); }));
  }
  return front;
}

}  // namespace lowbit::inline LOWBIT_ISA
