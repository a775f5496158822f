// SPDX-License-Identifier: Apache-2.0
// Scores of predictions against expected values, from 0 to 1 or -1 to 1. Plain vectors in, one
// number out; an undefined score (no variance, nothing to find) is 0, as in the GLUE scripts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <set>
#include <vector>

#include "lowbit/text/spans.hpp"

namespace lowbit_tool {

using lowbit::entity_counts;

/// Predicted and expected class of each example; both have the same length.
struct class_pairs {
  std::vector<std::size_t> predicted, expected;
  [[nodiscard]] std::size_t size() const { return expected.size(); }
};

[[nodiscard]] inline double ratio(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

[[nodiscard]] inline std::size_t count_equal(const class_pairs& c) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < c.size(); ++i) n += c.predicted[i] == c.expected[i] ? 1 : 0;
  return n;
}
[[nodiscard]] inline double accuracy(const class_pairs& c) {
  return ratio(static_cast<double>(count_equal(c)), static_cast<double>(c.size()));
}

/// F1 of one class: 2 tp / (2 tp + fp + fn).
[[nodiscard]] inline double f1_of_class(const class_pairs& c, std::size_t positive) {
  double both = 0;
  double either = 0;  // predicted + expected
  for (std::size_t i = 0; i < c.size(); ++i) {
    const bool predicted = c.predicted[i] == positive;
    const bool expected = c.expected[i] == positive;
    both += predicted && expected ? 1 : 0;
    either += (predicted ? 1 : 0) + (expected ? 1 : 0);
  }
  return ratio(2 * both, either);
}

/// Mean F1 of the classes that occur among the predicted or expected ones.
[[nodiscard]] inline double macro_f1(const class_pairs& c) {
  std::set<std::size_t> classes(c.predicted.begin(), c.predicted.end());
  classes.insert(c.expected.begin(), c.expected.end());
  double sum = 0;
  for (const std::size_t one : classes) sum += f1_of_class(c, one);
  return ratio(sum, static_cast<double>(classes.size()));
}

/// Pearson correlation of two vectors of the same length.
[[nodiscard]] inline double pearson(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  if (x.empty()) return 0;
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0;
  double xx = 0;
  double yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  const double spread = std::sqrt(xx) * std::sqrt(yy);
  return spread > 0 ? xy / spread : 0;
}

/// Ranks from 1; ties get the mean of their ranks.
[[nodiscard]] inline std::vector<double> ranks(const std::vector<double>& x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> rank(x.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && x[order[end]] == x[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i)
      rank[order[i]] = static_cast<double>(begin + 1 + end) / 2;
    begin = end;
  }
  return rank;
}
/// Spearman correlation: Pearson correlation of the ranks.
[[nodiscard]] inline double spearman(const std::vector<double>& x, const std::vector<double>& y) {
  return pearson(ranks(x), ranks(y));
}

/// Matthews correlation for any number of classes (Gorodkin's R_K; for two classes the usual one):
/// (c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2)(s^2 - sum t_k^2)), where c of s predictions are
/// correct, and p_k and t_k count how often class k was predicted and expected.
[[nodiscard]] inline double matthews(const class_pairs& c) {
  std::vector<double> predicted, expected;
  const auto add = [](std::vector<double>& counts, std::size_t one) {
    if (counts.size() <= one) counts.resize(one + 1);
    ++counts[one];
  };
  for (const std::size_t one : c.predicted) add(predicted, one);
  for (const std::size_t one : c.expected) add(expected, one);
  const std::size_t classes = std::max(predicted.size(), expected.size());
  predicted.resize(classes);
  expected.resize(classes);
  const auto product = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  const auto all = static_cast<double>(c.size());
  const double above = static_cast<double>(count_equal(c)) * all - product(predicted, expected);
  const double below = std::sqrt(all * all - product(predicted, predicted)) *
                       std::sqrt(all * all - product(expected, expected));
  return below > 0 ? above / below : 0;
}

}  // namespace lowbit_tool
