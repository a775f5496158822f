// SPDX-License-Identifier: Apache-2.0
// Rows of 32-bit elements to columns: activations to tiles whose lanes are tokens, and sums of such
// tiles back to lanes of outputs. Bits are moved, never computed with, but for an optional xor.
#pragma once

#include <cstring>

#include "lowbit/arch/tags.hpp"
#include "lowbit/core/bits.hpp"

#if LOWBIT_AVX2
#include <immintrin.h>
#endif

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

#if LOWBIT_AVX2
/// 8 x 8: out[c * out_stride + r] = rows[r][c] ^ flip.
LOWBIT_INLINE void transpose_8x8(const std::byte* const* rows, std::size_t first, std::byte* out,
                                 std::size_t out_stride, __m256i flip) {
  constexpr std::size_t size = 4;
  __m256 r[8];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i) {
    r[i] = _mm256_loadu_ps(reinterpret_cast<const float*>(rows[i] + first * size));
  }
  __m256 pairs[8];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  __m256 fours[8];
#pragma GCC unroll 2
  for (std::size_t i = 0; i < 8; i += 4) {
    fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xEE);
    fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (std::size_t c = 0; c < 4; ++c) {
    const __m256i low = _mm256_castps_si256(_mm256_permute2f128_ps(fours[c], fours[c + 4], 0x20));
    const __m256i high = _mm256_castps_si256(_mm256_permute2f128_ps(fours[c], fours[c + 4], 0x31));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + c * out_stride * size),
                        _mm256_xor_si256(low, flip));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (c + 4) * out_stride * size),
                        _mm256_xor_si256(high, flip));
  }
}
#endif

/// out[c * out_stride + r] = rows[r][c] ^ flip for 16 rows of `columns` 32-bit elements, which need
/// no alignment. Reads and writes nothing past the last column.
template <class Arch>
void transpose_16_rows(const std::byte* const* rows, std::size_t columns, std::byte* out,
                       std::size_t out_stride, std::uint32_t flip) {
  std::size_t c = 0;
#if LOWBIT_AVX2
  if constexpr (!std::is_same_v<Arch, scalar>) {
    const __m256i flips = _mm256_set1_epi32(static_cast<int>(flip));
    for (; c + 8 <= columns; c += 8) {
      transpose_8x8(rows, c, out + c * out_stride * 4, out_stride, flips);
      transpose_8x8(rows + 8, c, out + (c * out_stride + 8) * 4, out_stride, flips);
    }
  }
#endif
  for (std::size_t left = columns - c; left != 0; --left, ++c) {
    for (std::size_t r = 0; r < 16; ++r) {
      std::uint32_t bits;
      std::memcpy(&bits, rows[r] + c * 4, sizeof bits);
      bits ^= flip;
      std::memcpy(out + (c * out_stride + r) * 4, &bits, sizeof bits);
    }
  }
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
