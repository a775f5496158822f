// SPDX-License-Identifier: Apache-2.0
// Scores against values worked out by hand or by another formula.
#include "metrics.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "../support/random.hpp"

namespace {

using namespace lowbit_tool;

void check_near(double actual, double expected) {
  CAPTURE(actual, expected);
  CHECK(!(std::abs(actual - expected) > 1e-12));
}

/// 6 true positives, 2 false negatives, 1 false positive, 3 true negatives; class 1 is positive.
class_pairs two_classes() {
  class_pairs c;
  const auto add = [&](std::size_t predicted, std::size_t expected, int times) {
    for (; times > 0; --times) c.predicted.push_back(predicted), c.expected.push_back(expected);
  };
  add(1, 1, 6), add(0, 1, 2), add(1, 0, 1), add(0, 0, 3);
  return c;
}

lowbit::entity words_of(const char* type, std::size_t first, std::size_t last) {
  return {type, {}, 0.0F, first, last};
}

}  // namespace

TEST_CASE("accuracy, F1 and Matthews of two classes", "[metrics]") {
  const class_pairs c = two_classes();
  check_near(accuracy(c), 9.0 / 12);
  check_near(f1_of_class(c, 1), 12.0 / 15);
  check_near(f1_of_class(c, 0), 6.0 / 9);
  check_near(macro_f1(c), (12.0 / 15 + 6.0 / 9) / 2);
  check_near(matthews(c), (6.0 * 3 - 1.0 * 2) / std::sqrt(7.0 * 8 * 4 * 5));
  check_near(f1_of_class(c, 2), 0);  // never seen
}

TEST_CASE("Matthews of many classes is the correlation of their indicators", "[metrics]") {
  lowbit_test::random_source random(1800);
  class_pairs c;
  for (int i = 0; i < 300; ++i) {
    c.expected.push_back(random.below(5));
    c.predicted.push_back(random.below(3) == 0 ? random.below(5) : c.expected.back());
  }
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t k = 0; k < 5; ++k) {
    double mean_x = 0, mean_y = 0;
    for (std::size_t i = 0; i < 300; ++i) {
      mean_x += c.predicted[i] == k ? 1.0 / 300 : 0;
      mean_y += c.expected[i] == k ? 1.0 / 300 : 0;
    }
    for (std::size_t i = 0; i < 300; ++i) {
      const double x = (c.predicted[i] == k ? 1 : 0) - mean_x;
      const double y = (c.expected[i] == k ? 1 : 0) - mean_y;
      xy += x * y, xx += x * x, yy += y * y;
    }
  }
  check_near(matthews(c), xy / std::sqrt(xx * yy));
  CHECK(matthews(c) > 0.5);
}

TEST_CASE("scores that are not defined are 0", "[metrics]") {
  const class_pairs constant{{1, 1, 1}, {1, 1, 1}};
  CHECK(matthews(constant) == 0);
  CHECK(accuracy(constant) == 1);
  CHECK(accuracy({}) == 0);
  CHECK(macro_f1({}) == 0);
  CHECK(matthews({}) == 0);
  CHECK(pearson({}, {}) == 0);
  CHECK(pearson({1, 1}, {1, 2}) == 0);
  CHECK(spearman({2, 2, 2}, {1, 2, 3}) == 0);
  CHECK(entity_counts{}.f1() == 0);
}

TEST_CASE("Pearson sees lines, Spearman sees order, equal values share ranks", "[metrics]") {
  check_near(pearson({1, 2, 3}, {10, 20, 30}), 1);
  check_near(pearson({1, 2, 3}, {3, 2, 1}), -1);
  check_near(pearson({1, 2, 3, 4}, {1, 4, 9, 16}), 25 / std::sqrt(5.0 * 129));
  check_near(spearman({1, 2, 3, 4}, {1, 4, 9, 16}), 1);
  CHECK(ranks({30, 10, 20, 20, 5}) == std::vector<double>{5, 2, 3.5, 3.5, 1});
  check_near(spearman({1, 2, 2, 3}, {1, 3, 2, 4}), 4.5 / std::sqrt(4.5 * 5));
}

TEST_CASE("an entity is right when its type and both ends are", "[metrics]") {
  entity_counts counts;
  const auto at = words_of;
  counts.add({at("x", 0, 2), at("y", 3, 4), at("x", 5, 6)},
             {at("x", 0, 2), at("x", 3, 4), at("x", 5, 7), at("y", 8, 9)});
  CHECK(counts.right == 1);
  check_near(counts.precision(), 1.0 / 3);
  check_near(counts.recall(), 1.0 / 4);
  check_near(counts.f1(), 2.0 / 7);
  counts.add({}, {at("x", 0, 1)});
  counts.add({at("x", 0, 1)}, {});  // the same place in another sentence
  CHECK(counts.right == 1);
  CHECK(counts.predicted == 4);
  CHECK(counts.expected == 5);
}
