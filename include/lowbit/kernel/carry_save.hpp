// SPDX-License-Identifier: Apache-2.0
// Counts ones where the target has no instruction for it: carry-save adders first add words bit by
// bit. Instructions for a one-bit product of 64 values on a Cortex-M4 (gcc 12 -Os, K = 512): 38
// with a library call per word, 22 with these (docs/embedded.md).
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

/// The ones of each four bits, and of each byte.
[[nodiscard]] LOWBIT_INLINE std::uint32_t ones_of_nibbles(std::uint32_t v) {
  v -= v >> 1 & 0x55555555U;
  return (v & 0x33333333U) + (v >> 2 & 0x33333333U);
}
[[nodiscard]] LOWBIT_INLINE std::uint32_t ones_of_bytes(std::uint32_t v) {
  v = ones_of_nibbles(v);
  return (v + (v >> 4)) & 0x0F0F0F0FU;
}
/// The sum of the bytes, below 2^8.
[[nodiscard]] LOWBIT_INLINE std::uint32_t sum_of_bytes(std::uint32_t v) {
  return v * 0x01010101U >> 24;
}

/// What add_bits() gives for two columns.
[[nodiscard]] LOWBIT_INLINE carry_save_sum add_bits(std::uint32_t a, std::uint32_t b) {
  return {a & b, a ^ b};
}

/// low + 2 high, summed within each byte: at most 24.
[[nodiscard]] LOWBIT_INLINE std::uint32_t ones_of_bytes(std::uint32_t low, std::uint32_t high) {
  const std::uint32_t v = ones_of_nibbles(low) + 2 * ones_of_nibbles(high);
  return (v & 0x0F0F0F0FU) + (v >> 4 & 0x0F0F0F0FU);
}

/// The words whose ones are counted: Op::combine(a[u], w[u * Stride]).
template <class Op, std::size_t Stride>
struct combined_words {
  const typename Op::activation* a;
  const word* w;
  [[nodiscard]] LOWBIT_INLINE word at(std::size_t u) const {
    return Op::combine(a[u], w[u * Stride]);
  }
};

/// The ones of eight words: sixteen columns of halves are added to bit planes of weights 1 to 16.
template <class Words>
[[nodiscard]] LOWBIT_INLINE std::uint32_t count_eight_words(const Words& words) {
  word v = words.at(0), next = words.at(1);
  carry_save_sum one = add_bits(low_half(v), high_half(v), low_half(next));
  std::uint32_t c0 = one.carry;
  v = words.at(2);
  one = add_bits(one.sum, high_half(next), low_half(v));
  std::uint32_t c1 = one.carry;
  next = words.at(3);
  one = add_bits(one.sum, high_half(v), low_half(next));
  carry_save_sum two = add_bits(c0, c1, one.carry);
  const std::uint32_t d0 = two.carry;
  v = words.at(4);
  one = add_bits(one.sum, high_half(next), low_half(v));
  c0 = one.carry;
  next = words.at(5);
  one = add_bits(one.sum, high_half(v), low_half(next));
  two = add_bits(two.sum, c0, one.carry);
  const std::uint32_t d1 = two.carry;
  v = words.at(6);
  one = add_bits(one.sum, high_half(next), low_half(v));
  c0 = one.carry;
  next = words.at(7);
  one = add_bits(one.sum, high_half(v), low_half(next));
  two = add_bits(two.sum, c0, one.carry);
  carry_save_sum four = add_bits(d0, d1, two.carry);
  one = add_bits(one.sum, high_half(next));
  two = add_bits(two.sum, one.carry);
  const std::uint32_t e0 = four.carry;
  four = add_bits(four.sum, two.carry);
  const carry_save_sum eight = add_bits(e0, four.carry);
  const std::uint32_t bytes = ones_of_bytes(one.sum, two.sum) +
                              4 * ones_of_bytes(four.sum, eight.sum) +
                              16 * ones_of_bytes(eight.carry);  // at most 24 + 96 + 128
  return ((bytes & 0x00FF00FFU) + (bytes >> 8 & 0x00FF00FFU)) * 0x00010001U >> 16;
}

[[nodiscard]] LOWBIT_INLINE std::uint32_t count_word(word v) {
  return sum_of_bytes(ones_of_bytes(low_half(v)) + ones_of_bytes(high_half(v)));
}

/// The ones of two words.
template <class Words>
[[nodiscard]] LOWBIT_INLINE std::uint32_t count_two_words(const Words& words) {
  const word v = words.at(0);
  const word next = words.at(1);
  const carry_save_sum one = add_bits(low_half(v), high_half(v), low_half(next));
  return sum_of_bytes(ones_of_bytes(one.sum, one.carry) + ones_of_bytes(high_half(next)));
}

/// counts[j] = the ones of Op::combine(a[u], w[u * Outputs + j]) for u < units, j < Outputs. The
/// outputs are the inner loop: words of a stay in registers.
template <class Op, std::size_t Outputs>
LOWBIT_INLINE void count_combined(const typename Op::activation* a, const word* w,
                                  std::size_t units, std::int32_t* counts) {
#pragma GCC unroll 16
  for (std::size_t j = 0; j < Outputs; ++j) counts[j] = 0;  // not a call of memset
  const auto step = [&](std::size_t words, const auto& count) {
    for (std::size_t j = 0; j < Outputs; ++j)
      counts[j] += static_cast<std::int32_t>(count(combined_words<Op, Outputs>{a, w + j}));
    a += words;
    w += words * Outputs;
    units -= words;
  };
  while (units >= 8) step(8, [](const auto& words) { return count_eight_words(words); });
  while (units >= 2) step(2, [](const auto& words) { return count_two_words(words); });
  if (units != 0) step(1, [](const auto& words) { return count_word(words.at(0)); });
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
