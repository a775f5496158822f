// SPDX-License-Identifier: Apache-2.0
// What a program is told that has no engine for this CPU. Which of several runs is tested on whole
// programs (packaging/isa.sh, packaging/consumer/).
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <string>

#define LOWBIT_EACH_ENGINE X(scalar)  // as lowbit_add_engine() defines it
#include "lowbit/dispatch/dispatch.hpp"

namespace lowbit {
// The only engine, for a CPU that nobody has.
const engine engine_scalar = [] {
  engine e{};
  e.arch = "unheard-of";
  return e;
}();
}  // namespace lowbit

namespace {

using namespace lowbit;

void expect_refusal(const result<const engine*>& found, errc code, const std::string& message) {
  REQUIRE_FALSE(found);
  CHECK(found.status().code() == code);
  CHECK(found.status().message() == message);
}

}  // namespace

TEST_CASE("a program without an engine for this CPU says so", "[dispatch]") {
  REQUIRE(unsetenv("LOWBIT_ISA") == 0);
  CHECK(usable_engines().empty());
  expect_refusal(find_engine(""), errc::unsupported,
                 "this CPU supports no instruction set of this build, the lowest is unheard-of");
  expect_refusal(find_engine("unheard-of"), errc::unsupported,
                 "arch unheard-of: not supported by this CPU");
  expect_refusal(find_engine("scalar", "--arch"), errc::unsupported,
                 "--arch scalar: not included in this build");
}

TEST_CASE("LOWBIT_ISA is refused by its own name, and gives way to the caller's choice",
          "[dispatch]") {
  REQUIRE(setenv("LOWBIT_ISA", "scalar", 1) == 0);
  expect_refusal(find_engine(""), errc::unsupported,
                 "LOWBIT_ISA scalar: not included in this build");
  REQUIRE(setenv("LOWBIT_ISA", "none", 1) == 0);
  expect_refusal(find_engine(""), errc::invalid_argument,
                 "LOWBIT_ISA is \"none\", expected " + std::string(known_archs()));
  expect_refusal(find_engine("unheard-of"), errc::unsupported,
                 "arch unheard-of: not supported by this CPU");
  REQUIRE(setenv("LOWBIT_ISA", "", 1) == 0);
  expect_refusal(find_engine(""), errc::unsupported,
                 "this CPU supports no instruction set of this build, the lowest is unheard-of");
  REQUIRE(unsetenv("LOWBIT_ISA") == 0);
}
