// SPDX-License-Identifier: Apache-2.0
// AVX-512 register tiles for coded weights. Byte products use vpdpbusd: unsigned weights (value +
// 128), signed activations, four k per lane, no saturation. Four-bit and one-bit codes are expanded
// to bytes in registers, once per row tile, so memory traffic is that of the codes. The tiles are
// not inlined: in the driver, gcc 12 spills their 24 sums inside the loop (215 instead of 450
// GMAC/s).
#pragma once

#include "lowbit/kernel/micro_kernel.hpp"

#if LOWBIT_AVX512
#include <immintrin.h>

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Decodes one unit, 32 outputs x 4 k, to two vectors of unsigned bytes.
template <std::size_t Bits>
struct unit_decoder_avx512;

template <>
struct unit_decoder_avx512<8> {
  static constexpr std::size_t unit_bytes = 128;
  explicit unit_decoder_avx512(const std::byte*) {}
  LOWBIT_INLINE void load(const std::byte* w, __m512i (&out)[2]) const {
    out[0] = _mm512_loadu_si512(w);
    out[1] = _mm512_loadu_si512(w + 64);
  }
};

/// Low nibbles hold outputs 0 to 15, high nibbles 16 to 31.
template <>
struct unit_decoder_avx512<4> {
  static constexpr std::size_t unit_bytes = 64;
  __m512i table;
  __m512i low = _mm512_set1_epi8(15);
  explicit unit_decoder_avx512(const std::byte* header)
      : table(_mm512_maskz_broadcast_i32x4(
            static_cast<__mmask16>(0xffff),
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(header)))) {}
  LOWBIT_INLINE void load(const std::byte* w, __m512i (&out)[2]) const {
    const __m512i codes = _mm512_loadu_si512(w);
    out[0] = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, low));
    out[1] = _mm512_shuffle_epi8(
        table,
        _mm512_and_si512(_mm512_maskz_srli_epi32(static_cast<__mmask16>(0xffff), codes, 4), low));
  }
};

template <>
struct unit_decoder_avx512<1> {
  static constexpr std::size_t unit_bytes = 16;
  __m512i zero;  // the value of code 0
  __m512i one;
  explicit unit_decoder_avx512(const std::byte* header)
      : zero(_mm512_set1_epi8(static_cast<char>(header[0]))),
        one(_mm512_set1_epi8(static_cast<char>(header[1]))) {}
  LOWBIT_INLINE void load(const std::byte* w, __m512i (&out)[2]) const {
    word bits[2];
    std::memcpy(bits, w, sizeof bits);
    out[0] = _mm512_mask_blend_epi8(bits[0], zero, one);
    out[1] = _mm512_mask_blend_epi8(bits[1], zero, one);
  }
};

}  // namespace detail

template <std::size_t Bits>
struct micro_kernel<code_dot<Bits>, avx512> {
  using arch = avx512;
  static constexpr std::size_t mr = 12;
  static constexpr std::size_t nr = 32;
  static constexpr unsigned offset = 128;

  /// Bit offset of code (j, k) in a unit of nr x 4 codes.
  static constexpr std::size_t place(std::size_t j, std::size_t k) {
    if constexpr (Bits == 4) return ((j % 16) * 4 + k) * 8 + (j / 16) * 4;
    return (j * 4 + k) * Bits;
  }
  static void set_table(const std::int8_t (&values)[16], std::byte* header) {
    for (std::size_t c = 0; c < 16; ++c) {
      header[c] = static_cast<std::byte>(static_cast<int>(values[c]) + static_cast<int>(offset));
    }
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, std::int32_t* acc) {
    using decoder = detail::unit_decoder_avx512<Bits>;
    // With few rows, several units in flight with separate sums hide the latency of vpdpbusd.
    constexpr std::size_t sets = Rows == 1 ? 4 : Rows <= 3 ? 2 : 1;
    const decoder decode(panel);
    const std::byte* w = panel + code_dot<Bits>::table_bytes;
    __m512i sum[sets][Rows][2];
#pragma GCC unroll 4
    for (std::size_t s = 0; s < sets; ++s) {
#pragma GCC unroll 12
      for (std::size_t r = 0; r < Rows; ++r) sum[s][r][0] = sum[s][r][1] = _mm512_setzero_si512();
    }
    // Prefetch: weights are read once per row tile, often from memory, and the hardware prefetcher
    // stops at page boundaries. Measured on Zen 5, 16 rows: weights in DRAM 229 -> 390 GMAC/s, in
    // L3 408 -> 433.
    constexpr std::size_t ahead = Rows <= 3 ? 4096 : 8192;  // bytes
    const auto step = [&](std::size_t u, __m512i(&s)[Rows][2]) __attribute__((always_inline)) {
      __m512i weights[2];
      decode.load(w + u * decoder::unit_bytes, weights);
      if constexpr (Bits != 1) {
        for (std::size_t line = 0; line < decoder::unit_bytes; line += 64)
          _mm_prefetch(w + u * decoder::unit_bytes + ahead + line, _MM_HINT_T0);
      }
#pragma GCC unroll 12
      for (std::size_t r = 0; r < Rows; ++r) {
        std::int32_t codes;
        std::memcpy(&codes, a + r * stride + u, sizeof codes);
        const __m512i x = _mm512_set1_epi32(codes);
        s[r][0] = _mm512_dpbusd_epi32(s[r][0], weights[0], x);
        s[r][1] = _mm512_dpbusd_epi32(s[r][1], weights[1], x);
      }
    };
    std::size_t u = 0;
    for (; u + sets <= units; u += sets) {
#pragma GCC unroll 4
      for (std::size_t s = 0; s < sets; ++s) step(u + s, sum[s]);
    }
    for (; u < units; ++u) step(u, sum[0]);
#pragma GCC unroll 12
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < 2; ++v) {
        __m512i total = sum[0][r][v];
#pragma GCC unroll 4
        for (std::size_t s = 1; s < sets; ++s) total = _mm512_add_epi32(total, sum[s][r][v]);
        _mm512_store_si512(acc + r * nr + v * 16, total);
      }
    }
  }
};

template <>
struct micro_kernel<lookup_mul_add, avx512> {
  using arch = avx512;
  static constexpr std::size_t mr = 12;
  static constexpr std::size_t nr = 32;

  static constexpr std::size_t place(std::size_t j, std::size_t) {
    return (j % 16) * 8 + (j / 16) * 4;
  }
  static void set_table(const float (&values)[16], std::byte* header) {
    std::memcpy(header, values, sizeof values);
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const float* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, float* acc) {
    constexpr __mmask16 all = 0xffff;
    const __m512 table = _mm512_loadu_ps(panel);
    const std::byte* w = panel + lookup_mul_add::table_bytes;
    __m512 sum[Rows][2];
#pragma GCC unroll 12
    for (std::size_t r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (std::size_t u = 0; u < units; ++u) {
      const __m512i codes = _mm512_maskz_cvtepu8_epi32(
          all, _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + u * 16)));
      // vpermps reads only the low four bits of an index.
      const __m512 w0 = _mm512_maskz_permutexvar_ps(all, codes, table);
      const __m512 w1 =
          _mm512_maskz_permutexvar_ps(all, _mm512_maskz_srli_epi32(all, codes, 4), table);
#pragma GCC unroll 12
      for (std::size_t r = 0; r < Rows; ++r) {
        const __m512 x = _mm512_set1_ps(a[r * stride + u]);
        sum[r][0] = _mm512_fmadd_ps(x, w0, sum[r][0]);
        sum[r][1] = _mm512_fmadd_ps(x, w1, sum[r][1]);
      }
    }
#pragma GCC unroll 12
    for (std::size_t r = 0; r < Rows; ++r) {
      _mm512_storeu_ps(acc + r * nr, sum[r][0]);
      _mm512_storeu_ps(acc + r * nr + 16, sum[r][1]);
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
