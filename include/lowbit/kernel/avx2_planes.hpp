// SPDX-License-Identifier: Apache-2.0
// AVX2 register tiles for bit planes: the one-bit tile of avx2.hpp once per plane; sums are doubled
// between planes.
#pragma once

#include "lowbit/kernel/avx2.hpp"

#if LOWBIT_AVX2

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits, bool Signed>
struct micro_kernel<plane_popcount<Bits, Signed>, avx2> {
  using arch = avx2;
  static constexpr std::size_t mr = 2;
  static constexpr std::size_t nr = 16;
  static constexpr std::size_t vectors = nr / 4;
  static constexpr std::size_t words_per_byte_sum = 31;  // 31 * 8 ones fit in a byte

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const plane_words<Bits>* a, std::size_t stride, const word* w,
                                  std::size_t units, std::int32_t* acc) {
    __m256i total[Rows][vectors];
    for (auto& row : total) {
      for (auto& t : row) t = _mm256_setzero_si256();
    }
    for (std::size_t p = Bits; p-- > 0;) {
      for (auto& row : total) {
        for (auto& t : row) {
          const __m256i twice = _mm256_add_epi64(t, t);
          t = Signed && p + 2 == Bits ? _mm256_sub_epi64(_mm256_setzero_si256(), twice) : twice;
        }
      }
      for (std::size_t begin = 0; begin < units; begin += words_per_byte_sum) {
        const std::size_t left = units - begin;
        const std::size_t end = begin + (left < words_per_byte_sum ? left : words_per_byte_sum);
        __m256i bytes[Rows][vectors];
        for (auto& row : bytes) {
          for (auto& b : row) b = _mm256_setzero_si256();
        }
        for (std::size_t u = begin; u < end; ++u) {
#pragma GCC unroll 4
          for (std::size_t v = 0; v < vectors; ++v) {
            const __m256i weights =
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + u * nr + v * 4));
#pragma GCC unroll 4
            for (std::size_t r = 0; r < Rows; ++r) {
              const __m256i x =
                  _mm256_set1_epi64x(static_cast<long long>(a[r * stride + u].plane[p]));
              bytes[r][v] = _mm256_add_epi8(bytes[r][v],
                                            detail::count_bytes_avx2(_mm256_and_si256(x, weights)));
            }
          }
        }
        for (std::size_t r = 0; r < Rows; ++r) {
          for (std::size_t v = 0; v < vectors; ++v) {
            total[r][v] =
                _mm256_add_epi64(total[r][v], _mm256_sad_epu8(bytes[r][v], _mm256_setzero_si256()));
          }
        }
      }
    }
    const __m256i low_halves = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    for (std::size_t r = 0; r < Rows; ++r) {
      for (std::size_t v = 0; v < vectors; ++v) {
        const __m256i narrow = _mm256_permutevar8x32_epi32(total[r][v], low_halves);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(acc + r * nr + v * 4),
                         _mm256_castsi256_si128(narrow));
      }
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
