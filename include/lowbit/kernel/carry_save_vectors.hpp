// SPDX-License-Identifier: Apache-2.0
// carry_save.hpp on vectors of 128 bits, for cores that have them but no popcount (Helium): a
// vector holds a word of two adjacent outputs. Written with the compilers' vector types, so that
// any machine can test it. On a Cortex-M55 a one-bit product of 64 values takes 8 instructions (gcc
// 12 -Os, K = 512; docs/embedded.md).
#pragma once

#include <cstring>
#include <type_traits>

#include "lowbit/core/bits.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// The halves of two words.
using two_words = std::uint32_t __attribute__((vector_size(16)));
struct two_trits {
  two_words sign, nonzero;
};

[[nodiscard]] LOWBIT_INLINE two_words twice_word(word v) {
  const auto low = static_cast<std::uint32_t>(v);
  const auto high = static_cast<std::uint32_t>(v >> 32);
  return two_words{low, high, low, high};
}
[[nodiscard]] LOWBIT_INLINE two_trits twice_word(const trit_word& v) {
  return {twice_word(v.sign), twice_word(v.nonzero)};
}

struct vector_sum {
  two_words carry, sum;
};
[[nodiscard]] LOWBIT_INLINE vector_sum add_bits(two_words a, two_words b, two_words c) {
  const two_words half = a ^ b;
  return {(a & b) | (half & c), half ^ c};
}
[[nodiscard]] LOWBIT_INLINE vector_sum add_bits(two_words a, two_words b) { return {a & b, a ^ b}; }

[[nodiscard]] LOWBIT_INLINE two_words ones_of_nibbles(two_words v) {
  v -= v >> 1 & 0x55555555U;
  return (v & 0x33333333U) + (v >> 2 & 0x33333333U);
}
/// low + 2 high, summed within each byte: at most 24.
[[nodiscard]] LOWBIT_INLINE two_words ones_of_bytes(two_words low, two_words high) {
  const two_words nibbles = ones_of_nibbles(high);
  const two_words v = ones_of_nibbles(low) + nibbles + nibbles;
  return (v & 0x0F0F0F0FU) + (v >> 4 & 0x0F0F0F0FU);
}

/// The words whose ones are counted: Op::combine(a[u], w[u * Stride]) and that of the next output.
template <class Op, std::size_t Stride, class Left>
struct combined_pairs {
  const Left* a;
  const word* w;
  [[nodiscard]] LOWBIT_INLINE two_words at(std::size_t u) const {
    two_words right;
    std::memcpy(&right, w + u * Stride, sizeof right);
    return Op::combine(a[u], right);
  }
};

/// The ones of Words words, in bytes of which each is at most 64.
template <std::size_t Words, class Pairs>
[[nodiscard]] LOWBIT_INLINE two_words count_bytes(const Pairs& pairs) {
  if constexpr (Words == 1) {
    return ones_of_bytes(pairs.at(0), two_words{});
  } else if constexpr (Words == 2) {
    const vector_sum one = add_bits(pairs.at(0), pairs.at(1));
    return ones_of_bytes(one.sum, one.carry);
  } else {
    static_assert(Words == 8);
    vector_sum one = add_bits(pairs.at(0), pairs.at(1), pairs.at(2));
    const two_words c0 = one.carry;
    one = add_bits(one.sum, pairs.at(3), pairs.at(4));
    const two_words c1 = one.carry;
    one = add_bits(one.sum, pairs.at(5), pairs.at(6));
    vector_sum two = add_bits(c0, c1, one.carry);
    one = add_bits(one.sum, pairs.at(7));
    const two_words d0 = two.carry;
    two = add_bits(two.sum, one.carry);
    const vector_sum four = add_bits(d0, two.carry);
    const two_words upper = ones_of_bytes(four.sum, four.carry);
    return ones_of_bytes(one.sum, two.sum) + (upper << 2);
  }
}

/// As count_combined of carry_save.hpp.
template <class Op, std::size_t Outputs>
LOWBIT_INLINE void count_combined_pairs(const typename Op::activation* a, const word* w,
                                        std::size_t units, std::int32_t* counts) {
  static_assert(Outputs % 2 == 0);
#pragma GCC unroll 16
  for (std::size_t j = 0; j < Outputs; ++j) counts[j] = 0;
  const auto step = [&]<std::size_t Words>(std::integral_constant<std::size_t, Words>) {
    using left = decltype(twice_word(*a));
    left copies[Words];
    for (std::size_t u = 0; u < Words; ++u) copies[u] = twice_word(a[u]);
    for (std::size_t j = 0; j < Outputs; j += 2) {
      const two_words bytes = count_bytes<Words>(combined_pairs<Op, Outputs, left>{copies, w + j});
      const two_words pairs = (bytes & 0x00FF00FFU) + (bytes >> 8 & 0x00FF00FFU);
      // Two sums below 2^16 in each lane.
      const std::uint32_t first = pairs[0] + pairs[1];
      const std::uint32_t second = pairs[2] + pairs[3];
      counts[j] += static_cast<std::int32_t>((first & 0xFFFFU) + (first >> 16));
      counts[j + 1] += static_cast<std::int32_t>((second & 0xFFFFU) + (second >> 16));
    }
    a += Words;
    w += Words * Outputs;
    units -= Words;
  };
  while (units >= 8) step(std::integral_constant<std::size_t, 8>{});
  while (units >= 2) step(std::integral_constant<std::size_t, 2>{});
  if (units != 0) step(std::integral_constant<std::size_t, 1>{});
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
