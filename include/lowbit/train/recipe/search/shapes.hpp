// SPDX-License-Identifier: Apache-2.0
// The arithmetic of a subarchitecture search: enumerates shapes, computes their sizes, selects
// those to try, and scores them. Independent of tensors, data and clocks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/cost/pareto.hpp"
#include "lowbit/io/model_layout.hpp"

namespace lowbit::train {

/// The searched extents: layers D, heads A, hidden size H, intermediate size I.
struct shape_point {
  std::size_t layers = 0, heads = 0, hidden = 0, intermediate = 0;

  friend bool operator==(const shape_point&, const shape_point&) = default;
};

inline shape_point point_of(const model_shape& s) {
  return {s.layers, s.heads, s.hidden, s.intermediate};
}

/// <D,A,H,I>, the notation of the literature.
inline std::string to_string(const shape_point& x) {
  return "<" + std::to_string(x.layers) + "," + std::to_string(x.heads) + "," +
         std::to_string(x.hidden) + "," + std::to_string(x.intermediate) + ">";
}

/// Values of each extent; the search covers their product.
struct shape_grid {
  std::vector<std::size_t> layers, heads, hidden, intermediate;
};

/// All points of the grid whose hidden size is a multiple of the heads, without duplicates.
inline std::vector<shape_point> enumerate(const shape_grid& grid) {
  std::vector<shape_point> all;
  for (const std::size_t d : grid.layers) {
    for (const std::size_t a : grid.heads) {
      for (const std::size_t h : grid.hidden) {
        for (const std::size_t i : grid.intermediate) {
          const shape_point x{d, a, h, i};
          if (d == 0 || a == 0 || h == 0 || i == 0 || h % a != 0) continue;
          if (std::find(all.begin(), all.end(), x) == all.end()) all.push_back(x);
        }
      }
    }
  }
  return all;
}

/// The teacher's shape with the extents of a point; vocabulary, positions and head stay.
inline model_shape shape_at(const shape_point& x, const model_shape& teacher) {
  model_shape s = teacher;
  s.layers = x.layers, s.heads = x.heads, s.hidden = x.hidden, s.intermediate = x.intermediate;
  s.attention = 0;
  return s;
}

/// p(xi): the number of stored parameters,
///   (V + P + 2 + 2) H + D (4 H^2 + 2 H I + 9 H + I), plus the head's.
inline std::uint64_t stored_parameters(const model_shape& s) {
  std::uint64_t sum = (s.vocabulary + s.positions + s.token_types) * s.hidden;
  for (const linear_layout& l : linear_layers(s)) sum += l.n * l.k + l.n;
  for (const norm_layout& norm : layer_norms(s)) sum += 2 * norm.width;
  return sum + (s.head == head_kind::masked_lm ? s.vocabulary : 0);  // the decoder's bias
}

/// The leading term of the latency: multiplications per token, D (4 H^2 + 2 H I).
inline std::uint64_t growth(const shape_point& x) {
  return std::uint64_t{x.layers} * (4 * x.hidden * x.hidden + 2 * x.hidden * x.intermediate);
}

/// Every n-th point in order of growth, starting with the smallest.
inline std::vector<shape_point> every_nth(std::vector<shape_point> points, std::size_t n) {
  std::stable_sort(points.begin(), points.end(), [](const shape_point& a, const shape_point& b) {
    return growth(a) < growth(b);
  });
  std::vector<shape_point> kept;
  for (std::size_t i = 0; i < points.size(); i += n) kept.push_back(points[i]);
  return kept;
}

/// The n for an approximation within epsilon after trials of s steps. The procedure's running time,
/// |Xi| + |Theta||B||Xi| / (epsilon s^(3/2)) with s steps per trial, leaves
/// |Xi| / (epsilon s^(5/2)) trials, so n = epsilon s^(5/2), clamped to 1 .. |Xi|. The bound's
/// constants (smoothness, gradients) are taken as 1: epsilon orders searches, it bounds no error.
inline std::size_t interval_for(double epsilon, std::int64_t steps, std::size_t points) {
  const double n = std::floor(epsilon * std::pow(static_cast<double>(steps), 2.5));
  if (!(n > 1.0)) return 1;
  return n >= static_cast<double>(points) ? std::max<std::size_t>(1, points)
                                          : static_cast<std::size_t>(n);
}

/// W = (1 - p/p_T) (1 - i/i_T) / e with size and latency relative to the maximum point. 0 for a
/// point that is not smaller or not faster, or whose error is not finite and positive: two negative
/// factors must not give a good score.
inline double coefficient(double size_ratio, double latency_ratio, double error) {
  if (!(size_ratio < 1.0) || !(latency_ratio < 1.0)) return 0.0;
  if (!std::isfinite(error) || !(error > 0.0)) return 0.0;
  return (1.0 - size_ratio) * (1.0 - latency_ratio) / error;
}

}  // namespace lowbit::train
