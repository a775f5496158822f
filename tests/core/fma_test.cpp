// SPDX-License-Identifier: Apache-2.0
// The fused multiply-add, also as it is emulated where the target has none, against the C library's
// (or the instruction's, where this file is compiled with one). Rounding twice must be seen.
#include "lowbit/core/fma.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "../support/random.hpp"

namespace {

using lowbit_test::random_source;

struct operands {
  float a, b, c;
};

/// As a double, rounded to a float afterwards: wrong where the double is a tie that the sum is not.
float naive(float a, float b, float c) {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                            static_cast<double>(c));
}

bool same(float x, float y) {
  return std::isnan(x) ? std::isnan(y)
                       : std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
}

template <class Function>
bool right(Function function, const operands& o) {
  return same(function(o.a, o.b, o.c), std::fma(o.a, o.b, o.c));
}

void check(const operands& o) {
  if (right(lowbit::detail::emulated_fma, o) && right(lowbit::detail::integer_fma, o) &&
      right([](float a, float b, float c) { return lowbit::fma(a, b, c); }, o))
    return;
  FAIL_CHECK("fma(" << std::hexfloat << o.a << ", " << o.b << ", " << o.c << ") is "
                    << lowbit::fma(o.a, o.b, o.c) << ", emulated "
                    << lowbit::detail::emulated_fma(o.a, o.b, o.c) << ", in integers "
                    << lowbit::detail::integer_fma(o.a, o.b, o.c) << ", expected "
                    << std::fma(o.a, o.b, o.c));
}

float of_bits(std::uint64_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); }

/// +-(1 + random fraction) 2^exponent, -126 <= exponent <= 127.
float of_exponent(random_source& random, int exponent) {
  const auto biased = static_cast<std::uint64_t>(exponent + 127);
  return of_bits((random.bits() & 0x807FFFFFU) | biased << 23);
}

int exponent_within(random_source& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<std::size_t>(high - low + 1)));
}

/// A product of 25 bits that ends in 1, halfway between two floats, and a term that decides, so
/// much smaller that the sum in double does not show it.
operands tie_of_product(random_source& random) {
  for (;;) {
    const std::size_t a = 1 + 2 * (2048 + random.below(2048));
    const std::size_t b = 1 + 2 * (2048 + random.below(2048));
    if (a * b < std::size_t{1} << 24 || a * b >= std::size_t{1} << 25) continue;
    const int scale = exponent_within(random, -60, 90);
    return {static_cast<float>(a) * static_cast<float>(random.sign()),
            std::ldexp(static_cast<float>(b), scale),
            of_exponent(random, exponent_within(random, -126, scale - 32))};
  }
}

/// (1 + 2^-23) (1 - 2^-23) 2^-24 of a term: half of its last place, less what no double shows.
operands tie_of_term(random_source& random, int exponent) {
  const float fraction = 0x1p-23F;
  const float sign = static_cast<float>(random.sign());
  return {sign * std::ldexp(1.0F + fraction, (exponent - 24) / 2),
          std::ldexp(1.0F - fraction, exponent - 24 - (exponent - 24) / 2),
          of_exponent(random, exponent)};
}
/// The same where the sum is a subnormal float: its last place is 2^-149, whatever its size.
operands subnormal_tie(random_source& random) {
  const float fraction = 0x1p-23F;
  const auto multiple = static_cast<float>(256 + random.below((1U << 23) - 256));
  return {static_cast<float>(random.sign()) * 0x1p-75F * (1.0F + fraction),
          0x1p-75F * (1.0F - fraction), multiple * 0x1p-149F};
}

}  // namespace

TEST_CASE("fma equals the C library's for random bit patterns", "[fma]") {
  random_source random(700);
  CAPTURE(random.seed());
  for (int i = 0; i < 400000; ++i)
    check({of_bits(random.bits()), of_bits(random.bits()), of_bits(random.bits())});
}

TEST_CASE("fma equals the C library's where the product and the term overlap", "[fma]") {
  random_source random(701);
  CAPTURE(random.seed());
  for (int i = 0; i < 400000; ++i) {
    const int c = exponent_within(random, -126, 127);
    const int sum = std::clamp(c + exponent_within(random, -54, 54), -252, 254);
    const int a = exponent_within(random, std::max(-126, sum - 127), std::min(127, sum + 126));
    check({of_exponent(random, a), of_exponent(random, sum - a), of_exponent(random, c)});
  }
}

TEST_CASE("fma of infinities, NaN, zeros and the ends of the range", "[fma]") {
  using limits = std::numeric_limits<float>;
  const float special[] = {0.0F,
                           1.0F,
                           1.0F + limits::epsilon(),
                           1.0F - limits::epsilon() / 2,
                           2.0F,
                           0.5F,
                           3.0F,
                           limits::min(),
                           limits::min() - limits::denorm_min(),
                           limits::min() + limits::denorm_min(),
                           limits::denorm_min(),
                           3 * limits::denorm_min(),
                           0x1p-75F,
                           0x1p-74F,
                           0x1p-24F,
                           16777215.0F,
                           limits::max(),
                           limits::max() / 2,
                           limits::infinity(),
                           limits::quiet_NaN()};
  for (const float a : special) {
    for (const float b : special) {
      for (const float c : special) {
        check({a, b, c});
        check({-a, b, c});
        check({a, b, -c});
        check({-a, b, -c});
      }
    }
  }
  // (2^25 - 1) 2^103, halfway between the largest float and 2^128.
  for (const float c : {0.0F, 1.0F, -1.0F, 0x1p103F, -0x1p103F, limits::denorm_min()}) {
    check({18631.0F * 0x1p60F, 1801.0F * 0x1p43F, c});
    check({-18631.0F * 0x1p60F, 1801.0F * 0x1p43F, c});
  }
}

TEST_CASE("fma rounds once where a double is a tie", "[fma][mutant]") {
  random_source random(702);
  CAPTURE(random.seed());
  std::array<int, 3> naive_fails{};
  constexpr int rounds = 100000;
  for (int i = 0; i < rounds; ++i) {
    const operands ties[] = {tie_of_product(random),
                             tie_of_term(random, exponent_within(random, -100, 127)),
                             subnormal_tie(random)};
    for (std::size_t kind = 0; kind < 3; ++kind) {
      check(ties[kind]);
      naive_fails[kind] += right(naive, ties[kind]) ? 0 : 1;
    }
  }
  // Half of the ties go to the wrong neighbour.
  for (const int fails : naive_fails) {
    CHECK(fails > rounds / 4);
    CHECK(fails < 3 * rounds / 4);
  }
}

TEST_CASE("fma in integers rounds once where the C library of microcontrollers does not", "[fma]") {
  using lowbit::detail::integer_fma;
  const auto of = [](std::uint32_t bits) { return std::bit_cast<float>(bits); };
  // newlib without an FMA instruction: the last bit of the first two is off by one.
  static_assert(integer_fma(of(0x3F8C3AE8), of(0x3369AC4F), of(0x3F9EC152)) == of(0x3F9EC153));
  check({of(0x3F9B2991), of(0x33532F6B), of(0x3F9A2595)});
  static_assert(integer_fma((1.0F + 0x1p-23F) * 0x1p-12F, (1.0F - 0x1p-23F) * 0x1p-12F, 1.0F) ==
                1.0F);
  // A product beyond the floats and an infinite term.
  CHECK(integer_fma(3e38F, 3e38F, -std::numeric_limits<float>::infinity()) ==
        -std::numeric_limits<float>::infinity());
}

TEST_CASE("a sum is rounded to odd", "[fma]") {
  using lowbit::detail::add_to_odd;
  constexpr double ulp = 0x1p-52;
  static_assert(add_to_odd(1.0, 0x1p-60) == 1.0 + ulp);
  static_assert(add_to_odd(1.0, -0x1p-60) == 1.0 - ulp / 2);
  static_assert(add_to_odd(-1.0, -0x1p-60) == -1.0 - ulp);
  static_assert(add_to_odd(1.0 + ulp, 0x1p-60) == 1.0 + ulp);
  static_assert(add_to_odd(1.0 + ulp, -0x1p-60) == 1.0 + ulp);
  static_assert(add_to_odd(1.0 + 2 * ulp, 0.75 * ulp) == 1.0 + 3 * ulp);
  static_assert(add_to_odd(1.0 + 2 * ulp, -0.75 * ulp) == 1.0 + ulp);
  static_assert(add_to_odd(1.0, ulp) == 1.0 + ulp);  // exact
  static_assert(add_to_odd(1.0, 2 * ulp) == 1.0 + 2 * ulp);
  static_assert(add_to_odd(1.0, -1.0) == 0.0);
  CHECK(std::isinf(add_to_odd(std::numeric_limits<double>::infinity(), 1.0)));
  CHECK(std::isnan(add_to_odd(std::numeric_limits<double>::quiet_NaN(), 1.0)));
}
