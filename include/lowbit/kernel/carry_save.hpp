// SPDX-License-Identifier: Apache-2.0
// Counts ones where the target has no instruction for it: carry-save adders first add words bit by
// bit, so that one word in eight is counted. On a Cortex-M4 a one-bit product of 64 values takes 21
// instructions instead of 38 with a library call per 64 bits (docs/embedded.md).
#pragma once

#include <cstdint>

#include "lowbit/core/bits.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// The sum of one-bit columns: a + b + c = 2 carry + sum.
struct carry_save_sum {
  std::uint32_t carry, sum;
};
[[nodiscard]] LOWBIT_INLINE carry_save_sum add_bits(std::uint32_t a, std::uint32_t b,
                                                    std::uint32_t c) {
  const std::uint32_t half = a ^ b;
  return {(a & b) | (half & c), half ^ c};
}

[[nodiscard]] LOWBIT_INLINE std::uint32_t low_half(word w) { return static_cast<std::uint32_t>(w); }
[[nodiscard]] LOWBIT_INLINE std::uint32_t high_half(word w) {
  return static_cast<std::uint32_t>(w >> 32);
}

/// The ones of each byte, as a byte.
[[nodiscard]] LOWBIT_INLINE std::uint32_t ones_of_bytes(std::uint32_t v) {
  v -= v >> 1 & 0x55555555U;
  v = (v & 0x33333333U) + (v >> 2 & 0x33333333U);
  return (v + (v >> 4)) & 0x0F0F0F0FU;
}
/// The sum of the bytes, below 2^8.
[[nodiscard]] LOWBIT_INLINE std::uint32_t sum_of_bytes(std::uint32_t v) {
  return v * 0x01010101U >> 24;
}

/// The sum of the bytes, below 2^16.
[[nodiscard]] LOWBIT_INLINE std::uint32_t sum_of_full_bytes(std::uint32_t v) {
  return ((v & 0x00FF00FFU) + (v >> 8 & 0x00FF00FFU)) * 0x00010001U >> 16;
}

/// The ones of Op::combine(a[u], w[u * Stride]) for u < count.
template <class Op, std::size_t Stride>
[[nodiscard]] LOWBIT_INLINE std::int32_t count_combined(const typename Op::activation* a,
                                                        const word* w, std::size_t count) {
  constexpr std::size_t most = 4 * 31;  // words whose bytes of `eights` stay below 256
  std::uint32_t ones = 0, twos = 0, fours = 0, total = 0;
  std::size_t left = count;
  while (left >= 4) {
    const std::size_t rounds = left < most ? left / 4 : most / 4;
    std::uint32_t eights = 0;
    for (const auto* end = a + 4 * rounds; a != end; a += 4, w += 4 * Stride) {
      const word w0 = Op::combine(a[0], w[0]);
      const word w1 = Op::combine(a[1], w[Stride]);
      const carry_save_sum s0 = add_bits(ones, low_half(w0), high_half(w0));
      const carry_save_sum s1 = add_bits(s0.sum, low_half(w1), high_half(w1));
      const carry_save_sum s01 = add_bits(twos, s0.carry, s1.carry);
      const word w2 = Op::combine(a[2], w[2 * Stride]);
      const word w3 = Op::combine(a[3], w[3 * Stride]);
      const carry_save_sum s2 = add_bits(s1.sum, low_half(w2), high_half(w2));
      const carry_save_sum s3 = add_bits(s2.sum, low_half(w3), high_half(w3));
      const carry_save_sum s23 = add_bits(s01.sum, s2.carry, s3.carry);
      const carry_save_sum all = add_bits(fours, s01.carry, s23.carry);
      ones = s3.sum;
      twos = s23.sum;
      fours = all.sum;
      eights += ones_of_bytes(all.carry);
    }
    left -= 4 * rounds;
    total += sum_of_full_bytes(eights);
  }
  total *= 8;
  for (; left != 0; --left, ++a, w += Stride) {
    const word last = Op::combine(*a, *w);
    total += sum_of_bytes(ones_of_bytes(low_half(last)) + ones_of_bytes(high_half(last)));
  }
  // At most 8 + 16 + 32 in a byte.
  const std::uint32_t rest =
      ones_of_bytes(ones) + 2 * ones_of_bytes(twos) + 4 * ones_of_bytes(fours);
  return static_cast<std::int32_t>(total + sum_of_bytes(rest));
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
