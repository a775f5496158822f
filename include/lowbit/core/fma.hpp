// SPDX-License-Identifier: Apache-2.0
// Float a * b + c with a single rounding, bit-identical everywhere. Targets without the instruction
// (x86-64 without FMA, WebAssembly) compute it in double here, those without floats (Cortex-M0 to
// M3) in integers: fmaf of small C libraries rounds twice, and glibc's is a function call.
#pragma once

#include <bit>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// x + y rounded to odd: if the sum is inexact, the neighbouring double whose last bit is 1.
/// Rounding that to a format at least two bits narrower equals rounding the exact sum (Boldo and
/// Melquiond 2008). The sum must not be subnormal or overflow; infinities and NaN are unchanged.
[[nodiscard]] constexpr double add_to_odd(double x, double y) {
  const double sum = x + y;
  const double rest = sum - x;
  const double error = (x - (sum - rest)) + (y - rest);  // exact; NaN if the sum is not finite
  const auto bits = std::bit_cast<std::int64_t>(sum);
  const auto inexact = static_cast<std::int64_t>(error < 0.0 || error > 0.0);
  // Step away from zero if the exact sum is larger in magnitude, otherwise towards zero.
  const std::int64_t step = ((std::bit_cast<std::int64_t>(error) ^ bits) >> 63) | 1;
  return std::bit_cast<double>(bits + (step & -(inexact & ~bits)));
}

/// The product of two floats is exact in double (48 bits, exponents -298 to 255), and so is the
/// term. The sum has 53 bits, a float 24, or fewer if it is subnormal.
[[nodiscard]] LOWBIT_COLD inline float sum_rounded_once(double product, double term) {
  return static_cast<float>(add_to_odd(product, term));
}

/// Rounding a * b + c to double and then to float is wrong only if the double lies halfway between
/// two floats and the exact sum does not; otherwise both are on the same side of every midpoint.
/// For normal floats, midpoints are doubles that end in a 1 and 28 zeros.
///
/// Cost per multiply-add in a scalar f32 product (gcc 12, Xeon with AMX, November 2026): 1.2 ns
/// (-O3) to 1.4 ns (-O2). glibc's fmaf: 123 ns without hardware FMA, 0.7 to 1.7 ns with it.
[[nodiscard]] LOWBIT_INLINE float emulated_fma(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double term = static_cast<double>(c);
  const double sum = product + term;
  const auto bits = std::bit_cast<std::uint64_t>(sum);
  constexpr std::uint64_t least_normal = std::uint64_t{1023 - 126} << 52;
  const bool halfway = (bits & 0x1FFFFFFFU) == 0x10000000U;
  const bool subnormal = (bits << 1) - 1 < (least_normal << 1) - 1;  // not 0, which is exact
  if (halfway || subnormal) [[unlikely]]
    return sum_rounded_once(product, term);
  return static_cast<float>(sum);
}

/// v / 2^count, with the lowest bit set if any bit is lost. Rounding to fewer bits than remain
/// above that bit then rounds v / 2^count itself.
[[nodiscard]] constexpr std::uint64_t shift_keeping_rest(std::uint64_t v, std::int32_t count) {
  if (count > 63) return v != 0 ? 1 : 0;
  const std::uint64_t shifted = v >> count;
  return shifted | ((shifted << count) != v ? 1U : 0U);
}

/// significand 2^exponent; the significand has its highest bit in bit 62.
struct wide_float {
  std::uint64_t significand;
  std::int32_t exponent;
  std::uint32_t sign;

  [[nodiscard]] static constexpr wide_float of(std::uint64_t v, std::int32_t e, std::uint32_t s) {
    const auto shift = static_cast<std::int32_t>(std::countl_zero(v)) - 1;
    return {v << shift, e - shift, s};
  }
};

/// The float nearest to significand 2^exponent, ties to even; the highest bit may be any but 63.
[[nodiscard]] constexpr float rounded(const wide_float& v) {
  const wide_float top = wide_float::of(v.significand, v.exponent, v.sign);
  std::int32_t field = top.exponent + 62 + 127;
  if (field >= 255) return std::bit_cast<float>(v.sign | 0x7F800000U);
  std::uint64_t bits = top.significand << 1;
  if (field <= 0) {  // subnormal
    bits = shift_keeping_rest(bits, 1 - field);
    field = 1;
  }
  const auto high = static_cast<std::uint32_t>(bits >> 32);
  const auto low = static_cast<std::uint32_t>(bits);
  std::uint32_t result = (static_cast<std::uint32_t>(field - 1) << 23) + (high >> 8);
  const bool above_half = ((high & 0x7FU) | low) != 0;
  if ((high & 0x80U) != 0 && (above_half || (result & 1U) != 0)) ++result;  // may carry to infinity
  return std::bit_cast<float>(v.sign | result);
}

/// The product has 48 bits; it and the term get 63, of which the smaller one loses those below the
/// other's, except whether there are any. If more than one leading bit cancels, none are lost.
///
/// Cost per call on a Cortex-M3 (gcc 12 -Os): docs/embedded.md.
[[nodiscard]] constexpr float integer_fma(float a, float b, float c) {
  const auto x = std::bit_cast<std::uint32_t>(a);
  const auto y = std::bit_cast<std::uint32_t>(b);
  const auto z = std::bit_cast<std::uint32_t>(c);
  constexpr std::uint32_t infinity = 0x7F800000U;
  if ((x & infinity) == infinity || (y & infinity) == infinity) return a * b + c;
  if ((z & infinity) == infinity) return c + c;      // the product may exceed the floats
  if (x << 1 == 0 || y << 1 == 0) return a * b + c;  // the product is exactly 0
  const auto significand = [](std::uint32_t v) {
    return (v & 0x7FFFFFU) | ((v & infinity) != 0 ? 0x800000U : 0U);
  };
  const auto exponent = [](std::uint32_t v) {
    const auto field = static_cast<std::int32_t>(v >> 23 & 255U);
    return field != 0 ? field - 150 : -149;
  };
  wide_float large = wide_float::of(std::uint64_t{significand(x)} * significand(y),
                                    exponent(x) + exponent(y), (x ^ y) & 0x80000000U);
  if (z << 1 == 0) return rounded(large);
  wide_float small = wide_float::of(significand(z), exponent(z), z & 0x80000000U);
  if (small.exponent > large.exponent ||
      (small.exponent == large.exponent && small.significand > large.significand)) {
    const wide_float other = large;
    large = small;
    small = other;
  }
  const std::uint64_t rest = shift_keeping_rest(small.significand, large.exponent - small.exponent);
  if (large.sign != small.sign) {
    large.significand -= rest;
    if (large.significand == 0) return 0.0F;
    return rounded(large);
  }
  large.significand += rest;
  if (large.significand >> 63 != 0) {
    large.significand = shift_keeping_rest(large.significand, 1);
    ++large.exponent;
  }
  return rounded(large);
}

}  // namespace detail

[[nodiscard]] LOWBIT_INLINE float fma(float a, float b, float c) {
#if LOWBIT_FMA
  return __builtin_fmaf(a, b, c);
#elif LOWBIT_SOFT_FLOAT
  return detail::integer_fma(a, b, c);
#else
  return detail::emulated_fma(a, b, c);
#endif
}

namespace detail {

/// fma for one of the sixteen lanes. Not inlined when emulated: otherwise polynomials and epilogues
/// of a scalar program would double in size.
#if LOWBIT_FMA
[[nodiscard]] LOWBIT_INLINE float fma_of_lane(float a, float b, float c) { return fma(a, b, c); }
#else
[[nodiscard]] LOWBIT_NOINLINE inline float fma_of_lane(float a, float b, float c) {
  return fma(a, b, c);
}
#endif

}  // namespace detail

}  // namespace lowbit::inline LOWBIT_ISA
