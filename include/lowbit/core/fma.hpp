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

/// v / 2^count, with the lowest bit set if any bit is lost: rounding to fewer bits than remain
/// above that one then rounds v / 2^count itself.
[[nodiscard]] LOWBIT_INLINE constexpr std::uint64_t shift_keeping_rest(std::uint64_t v,
                                                                       std::int32_t count) {
  if (count > 63) return 1;
  const std::uint64_t shifted = v >> count;
  return shifted | ((shifted << count) != v ? 1U : 0U);
}

/// significand 2^(exponent - 150) for a float other than 0, with bit 23 set in the significand.
struct split_float {
  std::uint32_t significand;
  std::int32_t exponent;

  [[nodiscard]] static LOWBIT_INLINE constexpr split_float of(std::uint32_t bits) {
    const auto field = static_cast<std::int32_t>(bits >> 23 & 255U);
    if (field != 0) return {(bits & 0x7FFFFFU) | 0x800000U, field};
    const std::uint32_t rest = bits & 0x7FFFFFU;
    const std::int32_t shift = std::countl_zero(rest) - 8;
    return {rest << shift, 1 - shift};
  }
};

/// The float nearest to v 2^exponent, ties to even. Requires: v is not 0
[[nodiscard]] LOWBIT_INLINE constexpr float rounded(std::uint64_t v, std::int32_t exponent,
                                                    std::uint32_t sign) {
  const std::int32_t shift = std::countl_zero(v);
  v <<= shift;  // bit 63 is set
  std::int32_t field = exponent - shift + 63 + 127;
  if (field >= 255) return std::bit_cast<float>(sign | 0x7F800000U);
  if (field <= 0) {  // subnormal
    v = shift_keeping_rest(v, 1 - field);
    field = 1;
  }
  const auto high = static_cast<std::uint32_t>(v >> 32);
  const auto low = static_cast<std::uint32_t>(v);
  // Bit 23 of the significand adds 1 to the field; so may rounding, up to infinity.
  std::uint32_t result = (static_cast<std::uint32_t>(field - 1) << 23) + (high >> 8);
  const bool above_half = ((high & 0x7FU) | low) != 0;
  if ((high & 0x80U) != 0 && (above_half || (result & 1U) != 0)) ++result;
  return std::bit_cast<float>(sign | result);
}

/// In integers. The product has 48 bits and the term 24; both get their highest bit in bit 61
/// or 62. The one with the smaller exponent is shifted to the other's and keeps whether it lost
/// bits, which takes 16 places or more: then at most one leading bit cancels.
[[nodiscard]] constexpr float integer_fma(float a, float b, float c) {
  const auto x = std::bit_cast<std::uint32_t>(a);
  const auto y = std::bit_cast<std::uint32_t>(b);
  const auto z = std::bit_cast<std::uint32_t>(c);
  constexpr std::uint32_t infinity = 0x7F800000U;
  if ((x & infinity) == infinity || (y & infinity) == infinity) return a * b + c;
  if ((z & infinity) == infinity) return c + c;      // the product may exceed the floats
  if (x << 1 == 0 || y << 1 == 0) return a * b + c;  // the product is exactly 0
  const split_float p = split_float::of(x);
  const split_float q = split_float::of(y);
  std::uint32_t sign = (x ^ y) & 0x80000000U;
  std::uint64_t sum = std::uint64_t{p.significand} * q.significand << 15;
  std::int32_t exponent = p.exponent + q.exponent - 315;
  if (z << 1 == 0) return rounded(sum, exponent, sign);
  const split_float t = split_float::of(z);
  const std::uint32_t term_sign = z & 0x80000000U;
  std::uint64_t term = std::uint64_t{t.significand << 7} << 32;
  const std::int32_t difference = exponent - (t.exponent - 189);
  if (difference >= 0) {
    term = shift_keeping_rest(term, difference);
  } else {
    sum = shift_keeping_rest(sum, -difference);
    exponent = t.exponent - 189;
  }
  if (sign == term_sign) {
    sum += term;
  } else {
    sum -= term;
    if (sum >> 63 != 0) {
      sum = ~sum + 1;
      sign = term_sign;
    }
    if (sum == 0) return 0.0F;
  }
  return rounded(sum, exponent, sign);
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
