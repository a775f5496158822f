// SPDX-License-Identifier: Apache-2.0
// Bit rows: 64-bit words; element j of a row is bit j % 64 of word j / 64. In a sign row, bit 1
// means -1; in a {0,1} row, bit 1 means 1. Pad bits past the last element are 0 in both operands of
// every product, so they add nothing and K stays the true K.
#pragma once

#include <bit>
#include <cstring>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

using word = std::uint64_t;
inline constexpr std::size_t word_bits = 64;

[[nodiscard]] constexpr std::size_t ceil_div(std::size_t n, std::size_t unit) {
  return n / unit + (n % unit != 0 ? 1 : 0);
}
[[nodiscard]] constexpr std::size_t round_up(std::size_t n, std::size_t unit) {
  return ceil_div(n, unit) * unit;
}
[[nodiscard]] constexpr std::size_t words_for(std::size_t bits) {
  return ceil_div(bits, word_bits);
}

/// Bytes of one canonical (stored) row of `bits` one-bit codes.
[[nodiscard]] constexpr std::size_t bytes_for(std::size_t bits) { return ceil_div(bits, 8); }

/// A mask of the n lowest bits; n in 0..64.
[[nodiscard]] constexpr word low_mask(std::size_t n) {
  return n >= word_bits ? ~word{0} : (word{1} << n) - 1;
}

/// One activation word of a {-1,0,1} row: value = nonzero ? (sign ? -1 : 1) : 0. A sign bit is set
/// only where nonzero is.
struct trit_word {
  word sign;
  word nonzero;
};

/// Bits [begin, begin + count) of a row, count <= 64, in the low bits of the result. Reads only the
/// words that hold them.
[[nodiscard]] constexpr word extract_bits(const word* row, std::size_t begin, std::size_t count) {
  const std::size_t shift = begin % word_bits;
  const word* at = row + begin / word_bits;
  word bits = at[0] >> shift;
  if (shift + count > word_bits) bits |= at[1] << (word_bits - shift);
  return bits & low_mask(count);
}

/// ORs `value` into bits [begin, begin + count) of a row, which must be zero there; bits of `value`
/// past count must be 0.
constexpr void deposit_bits(word* row, std::size_t begin, std::size_t count, word value) {
  const std::size_t shift = begin % word_bits;
  word* at = row + begin / word_bits;
  at[0] |= value << shift;
  if (shift + count > word_bits) at[1] |= value >> (word_bits - shift);
}

/// Word `index` of a canonical byte row of row_bytes bytes; bytes past the row read as 0.
[[nodiscard]] inline word load_canonical_word(const std::byte* row, std::size_t row_bytes,
                                              std::size_t index) {
  const std::size_t begin = index * sizeof(word);
  word w = 0;
  if (begin < row_bytes) {
    const std::size_t n = row_bytes - begin;
    std::memcpy(&w, row + begin, n < sizeof w ? n : sizeof w);
  }
  return w;
}

/// Transposes a 64x64 bit matrix in place: bit j of rows[i] becomes bit i of rows[j]. Rows from
/// `count` on must be 0. Swaps the off-diagonal blocks of halving size (Hacker's Delight, section
/// 7-3), beginning with the smallest power of two that holds all rows: a sentence of 8 tokens takes
/// 12 swaps, not 192.
constexpr void transpose_64x64(word (&rows)[word_bits], std::size_t count = word_bits) {
  std::size_t size = 8;
  while (size < count) size *= 2;
  for (std::size_t half = size / 2; half != 0; half /= 2) {
    const word mask = ~word{0} / ((word{1} << half) + 1);  // every other `half` bits
    for (std::size_t i = 0; i < size; i = (i + half + 1) & ~half) {
      const word swap = ((rows[i] >> half) ^ rows[i + half]) & mask;
      rows[i] ^= swap << half;
      rows[i + half] ^= swap;
    }
  }
  if (size == word_bits) return;
  // Row i now holds rows i, i + size, i + 2 size ..
  for (std::size_t first = word_bits; first != 0;) {
    first -= size;
    for (std::size_t i = 0; i < size; ++i) rows[first + i] = rows[i] >> first & low_mask(size);
  }
}

/// bfloat16 bits to float: they are the upper half of an f32.
[[nodiscard]] constexpr float bf16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}
/// IEEE half-precision bits to float.
[[nodiscard]] constexpr float f16_to_float(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31U;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0) {  // subnormal: a multiple of 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t shifted = exponent == 31 ? 255U : exponent + 112U;  // biases 15 and 127
  return std::bit_cast<float>(sign | (shifted << 23) | (mantissa << 13));
}

/// Sets product to a * b; false on overflow.
[[nodiscard]] constexpr bool checked_multiply(std::size_t a, std::size_t b, std::size_t& product) {
  return !__builtin_mul_overflow(a, b, &product);
}

}  // namespace lowbit::inline LOWBIT_ISA
