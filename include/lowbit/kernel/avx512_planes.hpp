// SPDX-License-Identifier: Apache-2.0
// AVX-512 register tiles for bit planes: the one-bit tile of avx512.hpp (and, vpopcntq, vpaddq)
// once per plane; sums are doubled between planes. The weights of a panel stay in L1.
#pragma once

#include "lowbit/kernel/avx512.hpp"

#if LOWBIT_AVX512

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits, bool Signed>
struct micro_kernel<plane_popcount<Bits, Signed>, avx512> {
  using arch = avx512;
  static constexpr std::size_t mr = 4;
  static constexpr std::size_t nr = 32;
  static constexpr std::size_t vectors = nr / 8;

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const plane_words<Bits>* a, std::size_t stride, const word* w,
                                  std::size_t units, std::int32_t* acc) {
    __m512i count[Rows][vectors];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) count[r][v] = _mm512_setzero_si512();
    }
    for (std::size_t p = Bits; p-- > 0;) {
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < vectors; ++v) {
          const __m512i twice = _mm512_add_epi64(count[r][v], count[r][v]);
          count[r][v] =
              Signed && p + 2 == Bits ? _mm512_sub_epi64(_mm512_setzero_si512(), twice) : twice;
        }
      }
      for (std::size_t u = 0; u < units; ++u) {
        __m512i weights[vectors];
#pragma GCC unroll 4
        for (std::size_t v = 0; v < vectors; ++v)
          weights[v] = _mm512_loadu_si512(w + u * nr + v * 8);
#pragma GCC unroll 4
        for (std::size_t r = 0; r < Rows; ++r) {
          const __m512i x = _mm512_set1_epi64(static_cast<long long>(a[r * stride + u].plane[p]));
#pragma GCC unroll 4
          for (std::size_t v = 0; v < vectors; ++v) {
            const __m512i ones = _mm512_popcnt_epi64(_mm512_and_si512(x, weights[v]));
            count[r][v] = _mm512_add_epi64(count[r][v], ones);
          }
        }
      }
    }
    const __m512i low_halves =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < vectors; v += 2) {
        _mm512_store_si512(acc + r * nr + v * 8,
                           _mm512_permutex2var_epi32(count[r][v], low_halves, count[r][v + 1]));
      }
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
