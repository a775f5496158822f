// SPDX-License-Identifier: Apache-2.0
#include "lowbit/cost/pareto.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <vector>

using lowbit::non_dominated;

TEST_CASE("a point is on the front when no other is nowhere greater and somewhere less") {
  const std::vector<std::array<double, 3>> points{{1, 1, 3}, {2, 1, 2}, {2, 2, 2},
                                                  {3, 3, 1}, {3, 3, 1}, {0, 9, 9}};
  CHECK(non_dominated(points) == std::vector<bool>{true, true, false, true, true, true});
  const std::vector<std::array<double, 2>> plane{{1, 2}, {2, 1}, {2, 2}, {-1, 3}};
  CHECK(non_dominated(plane) == std::vector<bool>{true, true, false, true});
  CHECK(non_dominated<2>({}).empty());
  CHECK(non_dominated<1>({{7}}) == std::vector<bool>{true});
}

TEST_CASE("a point with a value that is not finite is not on the front and beats none") {
  constexpr double none = std::numeric_limits<double>::infinity(),
                   unknown = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::array<double, 2>> points{{1, 1},       {0, none},  {0, unknown},
                                                  {unknown, 0}, {-none, 0}, {1, 2}};
  CHECK(non_dominated(points) == std::vector<bool>{true, false, false, false, false, false});
  CHECK(non_dominated<1>({{unknown}}) == std::vector<bool>{false});
}
