// SPDX-License-Identifier: Apache-2.0
// Tests of the test tools: every comparer must be able to fail.
#include "compare.hpp"

#include <sys/wait.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <limits>

#include "archs.hpp"
#include "bit_rows.hpp"
#include "random.hpp"
#include "two_threads.hpp"

namespace {

using lowbit_test::canary_matrix;
using lowbit_test::difference;
using lowbit_test::farther_than;
using lowbit_test::guarded;
using lowbit_test::verdict;

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

/// Runs `f` in a child process; returns 0, or the signal that killed it.
template <class F>
int signal_of(F f) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    std::signal(SIGBUS, SIG_DFL);
    f();
    _exit(0);
  }
  int state = 0;
  waitpid(child, &state, 0);
  return WIFSIGNALED(state) ? WTERMSIG(state) : 0;
}

}  // namespace

TEST_CASE("difference is empty for equal values and names the first other one", "[support]") {
  const std::vector<float> expected{1.0F, -2.0F, 0.0F};
  CHECK(difference(expected, expected).empty());
  CHECK(difference<float>({1.0F, -2.5F, 0.0F}, expected) == "(0, 1): -2.5, expected -2");
  CHECK_FALSE(difference<float>({1.0F, -2.0F}, expected).empty());
}

TEST_CASE("difference fails on NaN, on the sign of zero, on one bit, on a dropped last word",
          "[support]") {
  const std::vector<float> with_nan{nan_value};
  CHECK_FALSE(difference(with_nan, with_nan).empty());
  CHECK_FALSE(difference<float>({1.0F}, with_nan).empty());
  CHECK_FALSE(difference<float>({-0.0F}, {0.0F}).empty());
  const float next = std::nextafter(1.0F, 2.0F);
  CHECK_FALSE(difference<float>({next}, {1.0F}).empty());

  const std::vector<lowbit::word> row{~0ULL, 5};
  for (std::size_t bit = 0; bit < 128; ++bit) {
    std::vector<lowbit::word> flipped = row;
    flipped[bit / 64] ^= lowbit::word{1} << (bit % 64);
    CHECK_FALSE(difference(flipped, row).empty());
  }
  CHECK_FALSE(difference<lowbit::word>({~0ULL}, row).empty());
  CHECK_FALSE(difference<lowbit::word>({~0ULL, 0}, row).empty());
  const std::vector<lowbit::trit_word> trits{{1, 3}};
  CHECK(difference(trits, trits).empty());
  CHECK_FALSE(difference<lowbit::trit_word>({{1, 1}}, trits).empty());
}

TEST_CASE("difference compares every row of a strided matrix and no gap", "[support]") {
  std::vector<int> a(9, 0);
  std::vector<int> b(9, 0);
  const auto view = [](std::vector<int>& v) {
    return lowbit::matrix_view<const int>{v.data(), 3, 2, 3};
  };
  a[2] = 7;  // a gap
  CHECK(difference(view(a), view(b)).empty());
  a[7] = 7;  // the last element
  CHECK(difference(view(a), view(b)) == "(2, 1): 7, expected 0");
}

TEST_CASE("farther_than accepts the bound itself and fails past it and on NaN", "[support]") {
  const std::vector<float> expected{1.0F, 2.0F};
  CHECK(farther_than(0.5, {1.5F, 1.5F}, expected).empty());
  CHECK_FALSE(farther_than(0.5, {1.0F, 2.625F}, expected).empty());
  CHECK_FALSE(farther_than(0.5, {1.375F, 1.375F}, expected).empty());
  CHECK_FALSE(farther_than(0.5, {1.0F, nan_value}, expected).empty());
  CHECK_FALSE(farther_than<float>(0.5, {1.0F, 2.0F}, {1.0F, nan_value}).empty());
  CHECK_FALSE(farther_than(0.5, {1.0F}, expected).empty());
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK_FALSE(farther_than(1e30, {infinity, 2.0F}, expected).empty());
  CHECK_FALSE(farther_than(1e30, std::vector{infinity}, std::vector{infinity}).empty());
}

TEST_CASE("a canary matrix sees a write before it, after a row and between columns", "[support]") {
  const canary_matrix<float> out(3, 5, 8);
  out.clear();
  for (std::size_t m = 0; m < 3; ++m) out.view()(m, 4) = 1.0F;
  CHECK(out.damage().empty());
  for (const std::ptrdiff_t at : {-1, -8, 5, 7, 13}) {
    const float before = out.view().data[at];
    out.view().data[at] = 1.0F;
    CHECK_FALSE(out.damage().empty());
    out.view().data[at] = before;
  }
  CHECK(out.damage().empty());
}

TEST_CASE("a guarded buffer is readable to its last byte and not one byte further", "[support]") {
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{4095}, std::size_t{4096}, std::size_t{4097}}) {
    CAPTURE(count);
    const guarded<char> buffer(count, 0x5A);
    for (const char c : buffer) REQUIRE(c == 0x5A);
    CHECK(signal_of([&] {
            volatile char last = count == 0 ? '\0' : buffer.data()[count - 1];
            static_cast<void>(last);
          }) == 0);
    CHECK(signal_of([&] {
            volatile char past = *static_cast<volatile char*>(buffer.data() + count);
            static_cast<void>(past);
          }) != 0);
  }
}

TEST_CASE("a missing arch skips, and fails where LOWBIT_REQUIRE_ARCHS names it", "[support]") {
  using lowbit_test::verdict_for;
  CHECK(verdict_for("avx2", true, "") == verdict::run);
  CHECK(verdict_for("avx2", false, "") == verdict::skip);
  CHECK(verdict_for("avx2", false, "avx512") == verdict::skip);
  CHECK(verdict_for("avx2", false, "avx2,avx512") == verdict::fail);
  CHECK(verdict_for("avx512", false, "avx2,avx512") == verdict::fail);
  CHECK(verdict_for("avx512", true, "avx2,avx512") == verdict::run);
}

TEST_CASE("LOWBIT_REQUIRE_ARCHS holds only names of archs", "[support]") {
  for (const std::string_view name : lowbit_test::split_names(lowbit_test::required_archs())) {
    INFO(name << " in LOWBIT_REQUIRE_ARCHS");
    CHECK(lowbit::is_known_arch(name));
  }
  CHECK(lowbit::cpu_runs("scalar"));
  CHECK_FALSE(lowbit::cpu_runs("avx1024"));
}

TEST_CASE("random numbers are the same for the same seed everywhere", "[support]") {
  lowbit_test::random_source random(1);
  CHECK(random.bits() == 2469588189546311528ULL);  // mt19937_64 of seed 1, fixed by the standard
  float low = 1.0F;
  float high = -1.0F;
  for (int i = 0; i < 10000; ++i) {
    const float v = random.around(0.0F, 1.0F);
    low = v < low ? v : low;
    high = v > high ? v : high;
  }
  CHECK(low >= -1.0F);
  CHECK(low < -0.99F);
  CHECK(high < 1.0F);
  CHECK(high > 0.99F);
}

TEST_CASE("two_threads calls every task once with a worker below its count", "[support]") {
  for (const std::size_t workers : {std::size_t{1}, std::size_t{2}}) {
    const lowbit_test::two_threads executor(workers);
    CHECK(executor.workers() == workers);
    std::vector<std::atomic<int>> calls(1000);
    std::atomic<bool> bad_worker{false};
    executor.run(calls.size(), [&](std::size_t index, std::size_t worker) {
      ++calls[index];
      if (worker >= workers) bad_worker = true;
    });
    for (const auto& n : calls) REQUIRE(n == 1);
    CHECK_FALSE(bad_worker);
  }
}
