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

TEST_CASE("a message is one printable line whatever is put into it", "[status]") {
  const auto shown = [](std::string_view text) {
    return std::string(status::error(errc::malformed, text).message());
  };
  CHECK(shown("a\nlowbit: all is well") == "a\\nlowbit: all is well");
  CHECK(shown("\x1b[2J\t\r\x07\x7f") == "\\x1b[2J\\t\\r\\x07\\x7f");
  CHECK(shown(std::string_view("a\0b", 3)) == "a\\x00b");
  CHECK(shown("\xc2\x9b"
              "31m \xc2\x85") == "\\xc2\\x9b31m \\xc2\\x85");                      // C1 controls
  CHECK(shown("\xe2\x80\xa8 \xe2\x80\xa9") == "\\xe2\\x80\\xa8 \\xe2\\x80\\xa9");  // line breaks
  for (const char* turn : {"\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9"})
    CHECK(shown(turn).find(turn) == std::string::npos);  // direction of writing
  CHECK(shown("\xff caf\xe9 \xed\xa0\x80 \xc0\x80 \xf4\x90\x80\x80") ==
        "\\xff caf\\xe9 \\xed\\xa0\\x80 \\xc0\\x80 \\xf4\\x90\\x80\\x80");
  for (const char* kept : {"caf\xc3\xa9 \xc2\xa0", "\xe6\x9d\xb1\xe4\xba\xac \xe2\x80\x94",
                           "\xf0\x9f\x98\x80", "\xd7\x90\xe2\x80\x8f", "\\n \\x1b"})
    CHECK(shown(kept) == kept);
  const status inner = status::error(errc::malformed, "a\n");
  CHECK(inner.in("p\tq").in("r").message() ==
        "r: p\\tq: a\\n");  // once, however often it is passed on
  CHECK_THROWS_WITH(static_cast<void>(result<int>(inner).value()), "a\\n");
  static_assert(status::error(errc::malformed, "\x1b").message() == "\\x1b");
}

TEST_CASE("a message is cut between characters", "[status]") {
  const std::string two = "\xc3\xa9", three = "\xe6\x9d\xb1";
  for (std::size_t a = 490; a <= 500; ++a) {
    const std::string text = std::string(a, 'a') + two + three + two + three + two;
    const status s = status::error(errc::malformed, text);
    const std::string message(s.message());
    CHECK(message.size() <= 500);
    CHECK(message.ends_with("..."));
    CHECK(message.find('\\') == std::string::npos);
    CHECK(s.in("").message().find('\\') == std::string_view::npos);  // is UTF-8
  }
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
