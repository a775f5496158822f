// SPDX-License-Identifier: Apache-2.0
// AVX-512 register tiles for weights with a scale per group of columns. vpdpbusd takes activations
// + 128 as its unsigned operand. The resulting offset depends only on the weights and initializes
// each sum, so no per-group sum of activations is needed. Integer sums stay in registers; the f32
// sums of a tile are in L1 and are updated once per group.
#pragma once

#include "lowbit/kernel/avx512_codes.hpp"
#include "lowbit/kernel/scalar_groups.hpp"

#if LOWBIT_AVX512

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits>
struct micro_kernel<group_dot<Bits>, avx512> {
  using arch = avx512;
  using op = group_dot<Bits>;
  static constexpr std::size_t mr = 12;
  static constexpr std::size_t nr = 32;
  static constexpr std::int32_t offset = 128;

  static constexpr std::size_t place(std::size_t j, std::size_t k) {
    return micro_kernel<code_dot<Bits>, avx512>::place(j, k);
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, float* acc) {
    constexpr __mmask16 all = 0xffff;
    const detail::unit_decoder_avx512<Bits> decode(
        reinterpret_cast<const std::byte*>(detail::group_values));
#pragma GCC unroll 24
    for (std::size_t i = 0; i < Rows * nr; i += 16) _mm512_store_ps(acc + i, _mm512_setzero_ps());
    for (detail::group_walk<op, nr> group(panel, units); group.left != 0; group.advance()) {
      __m512i sum[Rows][2];
#pragma GCC unroll 12
      for (std::size_t r = 0; r < Rows; ++r) {
        sum[r][0] = _mm512_loadu_si512(group.corrections());
        sum[r][1] = _mm512_loadu_si512(group.corrections() + 64);
      }
      const std::byte* w = group.codes();
      for (std::size_t left = group.units(); left != 0;) {
        const std::size_t count = left < chunk ? left : chunk;
        add_units<Rows>(decode, a, stride, w, count, sum);
        a += count;
        w += count * detail::unit_decoder_avx512<Bits>::unit_bytes;
        left -= count;
      }
#pragma GCC unroll 2
      for (std::size_t v = 0; v < 2; ++v) {
        const __m512 scale = _mm512_loadu_ps(group.scales + v * 64);
#pragma GCC unroll 12
        for (std::size_t r = 0; r < Rows; ++r) {
          float* to = acc + r * nr + v * 16;
          _mm512_store_ps(to, _mm512_fmadd_ps(_mm512_maskz_cvtepi32_ps(all, sum[r][v]), scale,
                                              _mm512_load_ps(to)));
        }
      }
    }
  }

 private:
  static constexpr std::size_t chunk = 16;  // units whose activations fill one vector

  /// Adds the products of `count` <= chunk units. Activations are converted to code + 128 one
  /// vector at a time, in a buffer from which they are broadcast.
  template <std::size_t Rows>
  static LOWBIT_INLINE void add_units(const detail::unit_decoder_avx512<Bits>& decode,
                                      const quad* a, std::size_t stride, const std::byte* w,
                                      std::size_t count, __m512i (&sum)[Rows][2]) {
    using decoder = detail::unit_decoder_avx512<Bits>;
    constexpr std::size_t ahead = 4096;  // bytes; see avx512_codes.hpp
    alignas(buffer_alignment) std::int32_t codes[Rows][chunk];
    const auto present = static_cast<__mmask16>((1U << count) - 1U);
    const __m512i flip = _mm512_set1_epi8(-128);  // code ^ 128 as an unsigned byte is code + 128
#pragma GCC unroll 12
    for (std::size_t r = 0; r < Rows; ++r) {
      _mm512_store_si512(codes[r],
                         _mm512_xor_si512(_mm512_maskz_loadu_epi32(present, a + r * stride), flip));
    }
#pragma GCC unroll 1
    for (std::size_t u = 0; u < count; ++u) {
      __m512i weights[2];
      decode.load(w + u * decoder::unit_bytes, weights);
      for (std::size_t line = 0; line < decoder::unit_bytes; line += 64)
        _mm_prefetch(w + u * decoder::unit_bytes + ahead + line, _MM_HINT_T0);
#pragma GCC unroll 12
      for (std::size_t r = 0; r < Rows; ++r) {
        const __m512i x = _mm512_set1_epi32(codes[r][u]);
        sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x, weights[0]);
        sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x, weights[1]);
      }
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
