// SPDX-License-Identifier: Apache-2.0
#include "budget.hpp"

#include <catch2/catch_test_macros.hpp>

using lowbit_tool::budget_option;
using lowbit_tool::budget_part;
using lowbit_tool::choose_options;

namespace {

const std::vector<budget_part> parts{
    {"a", "", {{"wide", 1, 80, 0}, {"middle", 2, 40, 0}, {"narrow", 9, 10, 0}}},
    {"b", "", {{"wide", 1, 80, 0}, {"middle", 3, 40, 0}, {"narrow", 4, 10, 0}}},
};

/// The least sum of noise within the limit, by trying everything.
double least_noise(double limit) {
  double best = 1e9;
  for (const budget_option& a : parts[0].options) {
    for (const budget_option& b : parts[1].options) {
      if (a.bytes + b.bytes <= limit) best = std::min(best, a.noise + b.noise);
    }
  }
  return best;
}

}  // namespace

TEST_CASE("a budget is kept and spent on the largest gains", "[budget]") {
  for (const double limit : {20.0, 50.0, 90.0, 120.0, 160.0, 1000.0}) {
    const auto chosen = choose_options(parts, &budget_option::bytes, limit);
    CAPTURE(limit);
    REQUIRE(chosen.has_value());
    const budget_option& a = parts[0].options[(*chosen)[0]];
    const budget_option& b = parts[1].options[(*chosen)[1]];
    CHECK(a.bytes + b.bytes <= limit);
    CHECK(a.noise + b.noise == least_noise(limit));
  }
}

TEST_CASE("a budget below the cheapest options has no choice", "[budget]") {
  CHECK_FALSE(choose_options(parts, &budget_option::bytes, 19.0).has_value());
}
