// SPDX-License-Identifier: Apache-2.0
#include "lowbit/core/status.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <limits>
#include <memory>
#include <string>

namespace {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

static_assert(status{}.ok());
static_assert(!status::error(errc::malformed, "x").ok());
static_assert(status::error(errc::not_found, "tensor ", 3, " of ", std::size_t{7}).message() ==
              "tensor 3 of 7");

status fails_at(int step, int failing) {
  return step == failing ? status::error(errc::io_error, "step ", step) : status{};
}
status two_steps(int failing) {
  LOWBIT_TRY(fails_at(1, failing));
  LOWBIT_TRY(fails_at(2, failing));
  return {};
}
result<std::unique_ptr<int>> half_of(int n) {
  if (n % 2 != 0) return status::error(errc::invalid_argument, n, " is odd");
  return std::make_unique<int>(n / 2);
}

}  // namespace

TEST_CASE("status prints every integer, also the most negative one", "[status]") {
  CHECK(status::error(errc::malformed, std::numeric_limits<std::int64_t>::min()).message() ==
        "-9223372036854775808");
  CHECK(status::error(errc::malformed, std::numeric_limits<std::uint64_t>::max()).message() ==
        "18446744073709551615");
  CHECK(status::error(errc::malformed, 0, ",", -1, ",", std::int8_t{-128}).message() ==
        "0,-1,-128");
}

TEST_CASE("a message that is too long keeps its start and ends in dots", "[status]") {
  const std::string full(500, 'a');
  CHECK(status::error(errc::malformed, full).message() == full);
  for (const std::size_t size : {501U, 502U, 5000U}) {
    const status s = status::error(errc::malformed, std::string(size, 'a'), "tail");
    CHECK(s.message() == std::string(497, 'a') + "...");
  }
  const status appended = status::error(errc::malformed, full, 12345);
  CHECK(appended.message() == std::string(497, 'a') + "...");
}

TEST_CASE("status.in puts the place in front of an error and leaves success alone", "[status]") {
  CHECK(status{}.in("file").ok());
  const status s = status::error(errc::malformed, "bad").in("file");
  CHECK(s.message() == "file: bad");
  CHECK(s.code() == errc::malformed);
}

TEST_CASE("LOWBIT_TRY returns the first error", "[status]") {
  CHECK(two_steps(0).ok());
  CHECK(two_steps(1).message() == "step 1");
  CHECK(two_steps(2).message() == "step 2");
}

TEST_CASE("a result holds a value, also a move-only one, or the error", "[status]") {
  auto good = half_of(6);
  REQUIRE(good.ok());
  CHECK(**good == 3);
  CHECK(*std::move(good).value() == 3);
  auto bad = half_of(7);
  CHECK_FALSE(bad);
  CHECK(bad.status().code() == errc::invalid_argument);
  CHECK_THROWS_WITH(static_cast<void>(bad.value()), "7 is odd");
}
