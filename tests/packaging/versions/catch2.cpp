// SPDX-License-Identifier: Apache-2.0
// What the tests use of Catch2, in one small test.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>

TEMPLATE_TEST_CASE("a small test", "[tag]", int, float) {
  const int n = GENERATE(1, 2);
  INFO("n is " << n);
  SECTION("a number") { CHECK(static_cast<TestType>(n) == Catch::Approx(n)); }
  SECTION("a text") {
    REQUIRE_THAT(std::string("a message"), Catch::Matchers::ContainsSubstring("message"));
  }
}

TEST_CASE("a test that is left out") { SKIP("for a reason"); }
