// SPDX-License-Identifier: Apache-2.0
// a * b + c of floats with one rounding, to the same bits everywhere. Where the target has no such
// instruction (x86-64 without FMA, WebAssembly, most microcontrollers) it is computed in double
// here: the fmaf of small C libraries rounds twice, and that of glibc is a call.
#pragma once

#include <bit>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// The sum of x and y rounded to odd: the neighbour of the exact sum whose last bit is 1, unless
/// the sum is exact. Rounding that once more to two or more bits less equals rounding the exact sum
/// (Boldo and Melquiond 2008). For sums that are not subnormal and do not overflow; infinities and
/// NaN stay what they are.
[[nodiscard]] constexpr double add_to_odd(double x, double y) {
  const double sum = x + y;
  const double rest = sum - x;
  const double error = (x - (sum - rest)) + (y - rest);  // exact; NaN where the sum is not finite
  const auto bits = std::bit_cast<std::int64_t>(sum);
  const auto inexact = static_cast<std::int64_t>(error < 0.0 || error > 0.0);
  // Away from zero where the exact sum is larger in magnitude, towards it where it is smaller.
  const std::int64_t step = ((std::bit_cast<std::int64_t>(error) ^ bits) >> 63) | 1;
  return std::bit_cast<double>(bits + (step & -(inexact & ~bits)));
}

/// The product of two floats is exact in double: 48 bits, exponents of -298 to 255. So is the term;
/// the sum has 53 bits, a float 24 or, where it is subnormal, fewer.
[[nodiscard]] LOWBIT_COLD inline float sum_rounded_once(double product, double term) {
  return static_cast<float>(add_to_odd(product, term));
}

/// Rounding a * b + c to double and then to float is wrong only where the double lies halfway
/// between two floats and the sum does not: other doubles are on the sum's side of every such
/// point. Halfway, for normal floats, are doubles that end in a 1 and 28 zeros.
///
/// Per multiply-add of a scalar f32 product, gcc 12, a Xeon with AMX, November 2026: 1.2 (-O3) to
/// 1.4 ns (-O2). glibc's fmaf: 123 ns where it sees no FMA, 0.7 to 1.7 ns where it does.
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

}  // namespace detail

[[nodiscard]] LOWBIT_INLINE float fma(float a, float b, float c) {
#if LOWBIT_FMA
  return __builtin_fmaf(a, b, c);
#else
  return detail::emulated_fma(a, b, c);
#endif
}

namespace detail {

/// The same for one of sixteen lanes: a call where it is more than an instruction, or polynomials
/// and epilogues of a scalar program would double.
#if LOWBIT_FMA
[[nodiscard]] LOWBIT_INLINE float fma_of_lane(float a, float b, float c) { return fma(a, b, c); }
#else
[[nodiscard]] LOWBIT_NOINLINE inline float fma_of_lane(float a, float b, float c) {
  return fma(a, b, c);
}
#endif

}  // namespace detail

}  // namespace lowbit::inline LOWBIT_ISA
