// SPDX-License-Identifier: Apache-2.0
// Float a * b + c with a single rounding, bit-identical everywhere. Targets without the instruction
// (x86-64 without FMA, WebAssembly, most microcontrollers) compute it in double here: fmaf of small
// C libraries rounds twice, and glibc's is a function call.
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

}  // namespace detail

[[nodiscard]] LOWBIT_INLINE float fma(float a, float b, float c) {
#if LOWBIT_FMA
  return __builtin_fmaf(a, b, c);
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
