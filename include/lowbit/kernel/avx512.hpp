// SPDX-License-Identifier: Apache-2.0
// AVX-512 register tiles. One vector holds the same 64-bit word of eight outputs, and the
// activation word is broadcast: three instructions (xor, vpopcntq, vpaddq) per 512 products, no
// horizontal sums.
#pragma once

#include "lowbit/kernel/micro_kernel.hpp"

#if LOWBIT_AVX512
#include <immintrin.h>

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// One activation unit of every output.
LOWBIT_INLINE __m512i broadcast_avx512(word a) {
  return _mm512_set1_epi64(static_cast<long long>(a));
}
struct trits_avx512 {
  __m512i sign;
  __m512i nonzero;
};
LOWBIT_INLINE trits_avx512 broadcast_avx512(trit_word a) {
  return {broadcast_avx512(a.sign), broadcast_avx512(a.nonzero)};
}

}  // namespace detail

template <class Op>
requires std::is_base_of_v<counting_op, Op>
struct micro_kernel<Op, avx512> {
  using arch = avx512;
  static constexpr std::size_t mr = 4;
  static constexpr std::size_t nr = 32;
  static constexpr std::size_t vectors = nr / 8;

  template <std::size_t Rows>
  static void run(const typename Op::activation* a, std::size_t stride, const word* w,
                  std::size_t units, std::int32_t* acc) {
    __m512i count[Rows][vectors];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) count[r][v] = _mm512_setzero_si512();
    }
    for (std::size_t u = 0; u < units; ++u) {
      __m512i weights[vectors];
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) weights[v] = _mm512_loadu_si512(w + u * nr + v * 8);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        const auto x = detail::broadcast_avx512(a[r * stride + u]);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < vectors; ++v) {
          const __m512i combined = Op::combine(x, weights[v]);
          count[r][v] = _mm512_add_epi64(count[r][v], _mm512_popcnt_epi64(combined));
        }
      }
    }
    // Narrows two vectors of eight 64-bit counts to one of sixteen 32-bit counts. Whole-vector
    // stores can be forwarded to the epilogue's loads.
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

template <>
struct micro_kernel<mul_add, avx512> {
  using arch = avx512;
  static constexpr std::size_t mr = 8;
  static constexpr std::size_t nr = 48;

  /// Vectors < 3: only the first 16 or 32 outputs of the panel.
  template <std::size_t Rows, std::size_t Vectors = 3>
  static void run(const float* a, std::size_t stride, const float* w, std::size_t units,
                  float* acc) {
    sum_up<Rows, Vectors, false>(a, stride, w, units, acc);
  }
  /// Adds to the sums in acc.
  template <std::size_t Rows>
  static void add(const float* a, std::size_t stride, const float* w, std::size_t units,
                  float* acc) {
    sum_up<Rows, 3, true>(a, stride, w, units, acc);
  }

 private:
  template <std::size_t Rows, std::size_t Vectors, bool Continue>
  static LOWBIT_INLINE void sum_up(const float* a, std::size_t stride, const float* w,
                                   std::size_t units, float* acc) {
    // Prefetch: the weights of a product are read once, often from memory, and the hardware
    // prefetcher stops at page boundaries. Measured on Granite Rapids, 16 rows: 50 -> 70 GMAC/s,
    // 128 rows: 83 -> 90. Weights of a continued sum were just decoded and need no prefetch.
    constexpr std::size_t ahead = 8 * nr;
    __m512 sum[Rows][Vectors];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 3
      for (std::size_t v = 0; v < Vectors; ++v)
        sum[r][v] = Continue ? _mm512_loadu_ps(acc + r * nr + v * 16) : _mm512_setzero_ps();
    }
    for (std::size_t u = 0; u < units; ++u) {
      __m512 weights[Vectors];
#pragma GCC unroll 3
      for (std::size_t v = 0; v < Vectors; ++v) {
        weights[v] = _mm512_loadu_ps(w + u * nr + v * 16);
        if constexpr (!Continue) {
          _mm_prefetch(reinterpret_cast<const char*>(w + u * nr + v * 16 + ahead), _MM_HINT_T0);
        }
      }
#pragma GCC unroll 8
      for (std::size_t r = 0; r < Rows; ++r) {
        const __m512 x = _mm512_set1_ps(a[r * stride + u]);
#pragma GCC unroll 3
        for (std::size_t v = 0; v < Vectors; ++v)
          sum[r][v] = _mm512_fmadd_ps(x, weights[v], sum[r][v]);
      }
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 3
      for (std::size_t v = 0; v < Vectors; ++v) _mm512_storeu_ps(acc + r * nr + v * 16, sum[r][v]);
    }
  }
};

template <>
struct sparse_tile<avx512> {  // 32 registers of 16 lanes
  static constexpr std::size_t rows = 16;
  static constexpr std::size_t token_vectors = 2;
  static constexpr std::size_t outputs = 4;
  static constexpr std::size_t panels_in_flight = 4;
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
