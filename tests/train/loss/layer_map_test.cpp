// SPDX-License-Identifier: Apache-2.0
// Which teacher layer each student layer looks at, at the corners of both depths.
#include "lowbit/train/loss/layer_map.hpp"

#include <catch2/catch_test_macros.hpp>

using lowbit::train::layer_map;
using lowbit::train::make_layer_map;

namespace {

layer_map map_of(const char* how, std::size_t student, std::size_t teacher) {
  const auto map = make_layer_map(how, student, teacher);
  REQUIRE(map.ok());
  return *map;
}

bool refused(const char* how, std::size_t student, std::size_t teacher, const char* because) {
  const auto map = make_layer_map(how, student, teacher);
  return !map.ok() && map.status().code() == lowbit::errc::invalid_argument &&
         map.status().message().find(because) != std::string_view::npos;
}

}  // namespace

TEST_CASE("the uniform map is g(m) = m N / M where M divides N") {
  CHECK(map_of("uniform", 4, 12) == layer_map{0, 3, 6, 9, 12});
  CHECK(map_of("uniform", 6, 12) == layer_map{0, 2, 4, 6, 8, 10, 12});
}

TEST_CASE("the uniform map rounds down where M does not divide N, rises, and ends at N") {
  CHECK(map_of("uniform", 4, 6) == layer_map{0, 1, 3, 4, 6});
  CHECK(map_of("uniform", 5, 12) == layer_map{0, 2, 4, 7, 9, 12});
  CHECK(map_of("uniform", 11, 12) == layer_map{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12});
}

TEST_CASE("one student layer looks at the last of the teacher, or at the first") {
  CHECK(map_of("uniform", 1, 12) == layer_map{0, 12});
  CHECK(map_of("last", 1, 12) == layer_map{0, 12});
  CHECK(map_of("first", 1, 12) == layer_map{0, 1});
}

TEST_CASE("models of equal depth are compared layer by layer under every name") {
  for (const char* how : {"uniform", "last", "first"})
    CHECK(map_of(how, 3, 3) == layer_map{0, 1, 2, 3});
  CHECK(map_of("uniform", 1, 1) == layer_map{0, 1});
}

TEST_CASE("the maps of the last and the first layers are runs") {
  CHECK(map_of("last", 3, 5) == layer_map{0, 3, 4, 5});
  CHECK(map_of("first", 3, 5) == layer_map{0, 1, 2, 3});
}

TEST_CASE("a list names a layer for each of the student's, also of a shallower teacher") {
  CHECK(map_of("2,5,5", 3, 5) == layer_map{0, 2, 5, 5});
  CHECK(map_of("1,1,2", 3, 2) == layer_map{0, 1, 1, 2});
  CHECK(map_of("4", 1, 4) == layer_map{0, 4});
}

TEST_CASE("maps that name no layer are refused with the reason") {
  CHECK(refused("uniform", 4, 3, "4 layers"));
  CHECK(refused("last", 2, 1, "2 layers"));
  CHECK(refused("1,2", 3, 4, "one for each"));
  CHECK(refused("1,2,3,4", 3, 4, "one for each"));
  for (const char* how :
       {"", "0,1,2", "1,2,5", "1,,2", "1,2,", "1, 2,3", "-1,2,3", "1x,2,3", "middle"}) {
    INFO(how);
    CHECK(refused(how, 3, 4, "numbers from 1 to 4"));
  }
}
