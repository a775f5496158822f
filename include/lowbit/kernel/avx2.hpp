// SPDX-License-Identifier: Apache-2.0
// AVX2 register tiles. AVX2 has no vector popcount: bits are counted with two 16-entry byte
// shuffles per vector (Mula); byte counts are accumulated for up to 31 words before vpsadbw widens
// them.
#pragma once

#include "lowbit/kernel/micro_kernel.hpp"

#if LOWBIT_AVX2
#include <immintrin.h>

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Popcount of each byte.
LOWBIT_INLINE __m256i count_bytes_avx2(__m256i v) {
  const __m256i ones_of_nibble =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m256i low = _mm256_set1_epi8(15);
  const __m256i l = _mm256_shuffle_epi8(ones_of_nibble, _mm256_and_si256(v, low));
  const __m256i h =
      _mm256_shuffle_epi8(ones_of_nibble, _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
  return _mm256_add_epi8(l, h);
}

/// One activation unit of every output.
LOWBIT_INLINE __m256i broadcast_avx2(word a) {
  return _mm256_set1_epi64x(static_cast<long long>(a));
}
struct trits_avx2 {
  __m256i sign;
  __m256i nonzero;
};
LOWBIT_INLINE trits_avx2 broadcast_avx2(trit_word a) {
  return {broadcast_avx2(a.sign), broadcast_avx2(a.nonzero)};
}

}  // namespace detail

template <class Op>
requires std::is_base_of_v<counting_op, Op>
struct micro_kernel<Op, avx2> {
  using arch = avx2;
  static constexpr std::size_t mr = 2;
  static constexpr std::size_t nr = 16;
  static constexpr std::size_t vectors = nr / 4;
  static constexpr std::size_t words_per_byte_sum = 31;  // 31 * 8 ones fit in a byte

  template <std::size_t Rows>
  static void run(const typename Op::activation* a, std::size_t stride, const word* w,
                  std::size_t units, std::int32_t* acc) {
    __m256i total[Rows][vectors];
    for (auto& row : total) {
      for (auto& t : row) t = _mm256_setzero_si256();
    }
    for (std::size_t begin = 0; begin < units; begin += words_per_byte_sum) {
      const std::size_t end =
          begin + words_per_byte_sum < units ? begin + words_per_byte_sum : units;
      __m256i bytes[Rows][vectors];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < vectors; ++v) bytes[r][v] = _mm256_setzero_si256();
      }
      for (std::size_t u = begin; u < end; ++u) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < vectors; ++v) {
          const __m256i weights =
              _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + u * nr + v * 4));
#pragma GCC unroll 4
          for (std::size_t r = 0; r < Rows; ++r) {
            const __m256i combined =
                Op::combine(detail::broadcast_avx2(a[r * stride + u]), weights);
            bytes[r][v] = _mm256_add_epi8(bytes[r][v], detail::count_bytes_avx2(combined));
          }
        }
      }
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < vectors; ++v) {
          total[r][v] =
              _mm256_add_epi64(total[r][v], _mm256_sad_epu8(bytes[r][v], _mm256_setzero_si256()));
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

template <>
struct micro_kernel<mul_add, avx2> {
  using arch = avx2;
  static constexpr std::size_t mr = 6;
  static constexpr std::size_t nr = 16;

  template <std::size_t Rows>
  static void run(const float* a, std::size_t stride, const float* w, std::size_t units,
                  float* acc) {
    sum_up<Rows, false>(a, stride, w, units, acc);
  }
  /// Adds to the sums in acc.
  template <std::size_t Rows>
  static void add(const float* a, std::size_t stride, const float* w, std::size_t units,
                  float* acc) {
    sum_up<Rows, true>(a, stride, w, units, acc);
  }

 private:
  template <std::size_t Rows, bool Continue>
  static LOWBIT_INLINE void sum_up(const float* a, std::size_t stride, const float* w,
                                   std::size_t units, float* acc) {
    __m256 sum[Rows][2];
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < 2; ++v)
        sum[r][v] = Continue ? _mm256_loadu_ps(acc + r * nr + v * 8) : _mm256_setzero_ps();
    }
    for (std::size_t u = 0; u < units; ++u) {
      const __m256 w0 = _mm256_loadu_ps(w + u * nr);
      const __m256 w1 = _mm256_loadu_ps(w + u * nr + 8);
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r) {
        const __m256 x = _mm256_broadcast_ss(a + r * stride + u);
        sum[r][0] = _mm256_fmadd_ps(x, w0, sum[r][0]);
        sum[r][1] = _mm256_fmadd_ps(x, w1, sum[r][1]);
      }
    }
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) {
      _mm256_storeu_ps(acc + r * nr, sum[r][0]);
      _mm256_storeu_ps(acc + r * nr + 8, sum[r][1]);
    }
  }
};

template <>
struct sparse_tile<avx2> {  // 16 registers of 8 lanes
  static constexpr std::size_t rows = 6;
  static constexpr std::size_t token_vectors = 2;
  static constexpr std::size_t outputs = 2;
  static constexpr std::size_t panels_in_flight = 4;
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
