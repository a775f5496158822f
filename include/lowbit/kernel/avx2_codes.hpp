// SPDX-License-Identifier: Apache-2.0
// AVX2 register tiles for coded weights. vpmaddubsw saturates when it adds two products of an
// unsigned and a signed byte; here it multiplies |a| by the weight with the sign of a, and 2 x 128
// x 127 < 2^15, so the sums equal those of every other arch.
#pragma once

#include "lowbit/kernel/micro_kernel.hpp"

#if LOWBIT_AVX2
#include <immintrin.h>

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Decodes one unit, 16 outputs x 4 k, to two vectors of signed bytes.
template <std::size_t Bits>
struct unit_decoder_avx2;

inline __m256i load_avx2(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

template <>
struct unit_decoder_avx2<8> {
  static constexpr std::size_t unit_bytes = 64;
  explicit unit_decoder_avx2(const std::byte*) {}
  LOWBIT_INLINE void load(const std::byte* w, __m256i (&out)[2]) const {
    out[0] = load_avx2(w);
    out[1] = load_avx2(w + 32);
  }
};

/// Low nibbles hold outputs 0 to 7, high nibbles 8 to 15.
template <>
struct unit_decoder_avx2<4> {
  static constexpr std::size_t unit_bytes = 32;
  __m256i table;
  explicit unit_decoder_avx2(const std::byte* header)
      : table(_mm256_broadcastsi128_si256(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(header)))) {}
  LOWBIT_INLINE void load(const std::byte* w, __m256i (&out)[2]) const {
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i codes = load_avx2(w);
    out[0] = _mm256_shuffle_epi8(table, _mm256_and_si256(codes, low));
    out[1] = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi32(codes, 4), low));
  }
};

/// Expands 32 bits to 32 bytes: copies to each byte the byte that holds its bit, then tests the
/// bit.
template <>
struct unit_decoder_avx2<1> {
  static constexpr std::size_t unit_bytes = 8;
  __m256i zero;
  __m256i one;
  explicit unit_decoder_avx2(const std::byte* header)
      : zero(_mm256_set1_epi8(static_cast<char>(header[0]))),
        one(_mm256_set1_epi8(static_cast<char>(header[1]))) {}
  [[nodiscard]] LOWBIT_INLINE __m256i expand(const std::byte* w) const {
    std::int32_t bits;
    std::memcpy(&bits, w, sizeof bits);
    const __m256i spread = _mm256_shuffle_epi8(
        _mm256_set1_epi32(bits),
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
    const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    return _mm256_blendv_epi8(zero, one, _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit));
  }
  LOWBIT_INLINE void load(const std::byte* w, __m256i (&out)[2]) const {
    out[0] = expand(w);
    out[1] = expand(w + 4);
  }
};

}  // namespace detail

template <std::size_t Bits>
struct micro_kernel<code_dot<Bits>, avx2> {
  using arch = avx2;
  static constexpr std::size_t mr = 4;
  static constexpr std::size_t nr = 16;
  static constexpr unsigned offset = 0;

  static constexpr std::size_t place(std::size_t j, std::size_t k) {
    if constexpr (Bits == 4) return ((j % 8) * 4 + k) * 8 + (j / 8) * 4;
    return (j * 4 + k) * Bits;
  }
  static void set_table(const std::int8_t (&values)[16], std::byte* header) {
    std::memcpy(header, values, sizeof values);
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, std::int32_t* acc) {
    using decoder = detail::unit_decoder_avx2<Bits>;
    const decoder decode(panel);
    const std::byte* w = panel + code_dot<Bits>::table_bytes;
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum[Rows][2];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    for (std::size_t u = 0; u < units; ++u) {
      __m256i weights[2];
      decode.load(w + u * decoder::unit_bytes, weights);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        std::int32_t codes;
        std::memcpy(&codes, a + r * stride + u, sizeof codes);
        const __m256i x = _mm256_set1_epi32(codes);
        const __m256i magnitude = _mm256_abs_epi8(x);
#pragma GCC unroll 2
        for (std::size_t v = 0; v < 2; ++v) {
          const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(weights[v], x));
          sum[r][v] = _mm256_add_epi32(sum[r][v], _mm256_madd_epi16(pairs, ones));
        }
      }
    }
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(acc + r * nr), sum[r][0]);
      _mm256_store_si256(reinterpret_cast<__m256i*>(acc + r * nr + 8), sum[r][1]);
    }
  }
};

template <>
struct micro_kernel<lookup_mul_add, avx2> {
  using arch = avx2;
  static constexpr std::size_t mr = 4;
  static constexpr std::size_t nr = 16;

  static constexpr std::size_t place(std::size_t j, std::size_t) {
    return (j % 8) * 8 + (j / 8) * 4;
  }
  static void set_table(const float (&values)[16], std::byte* header) {
    std::memcpy(header, values, sizeof values);
  }

  /// Looks up eight floats: vpermps uses three index bits, the fourth selects the half of the
  /// table.
  static LOWBIT_INLINE __m256 look_up(__m256i codes, __m256 low, __m256 high) {
    const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, codes),
                            _mm256_permutevar8x32_ps(high, codes), upper);
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const float* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, float* acc) {
    const __m256 low = _mm256_loadu_ps(reinterpret_cast<const float*>(panel));
    const __m256 high = _mm256_loadu_ps(reinterpret_cast<const float*>(panel) + 8);
    const std::byte* w = panel + lookup_mul_add::table_bytes;
    __m256 sum[Rows][2];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
    for (std::size_t u = 0; u < units; ++u) {
      const __m256i codes =
          _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w + u * 8)));
      const __m256 w0 = look_up(codes, low, high);
      const __m256 w1 = look_up(_mm256_srli_epi32(codes, 4), low, high);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        const __m256 x = _mm256_broadcast_ss(a + r * stride + u);
        sum[r][0] = _mm256_fmadd_ps(x, w0, sum[r][0]);
        sum[r][1] = _mm256_fmadd_ps(x, w1, sum[r][1]);
      }
    }
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
      _mm256_storeu_ps(acc + r * nr, sum[r][0]);
      _mm256_storeu_ps(acc + r * nr + 8, sum[r][1]);
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
