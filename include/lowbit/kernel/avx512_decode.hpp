// SPDX-License-Identifier: Apache-2.0
// AVX-512 decoding of float codes into blocks of floats. Tables stay in registers: 256 floats take
// sixteen, looked up in pairs and selected by the upper bits of the code.
#pragma once

#include "lowbit/kernel/avx512.hpp"

#if LOWBIT_AVX512

namespace lowbit::inline LOWBIT_ISA {

template <>
struct micro_kernel<decoded_mul_add, avx512> {
  using arch = avx512;
  static constexpr std::size_t mr = micro_kernel<mul_add, avx512>::mr;
  static constexpr std::size_t nr = micro_kernel<mul_add, avx512>::nr;
  static constexpr __mmask16 all = 0xffff;

  /// vpermps reads only the low four bits of a lane; the table repeats. Reads four bytes per eight
  /// codes.
  static void decode_table_16(const float* table, std::size_t bits, const std::byte* codes,
                              std::size_t units, float* out) {
    const __m512 values = _mm512_loadu_ps(table);
    const __m512i shift =
        _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7),
                           _mm512_set1_epi32(static_cast<int>(bits)));
    for (std::size_t i = 0; i < units * nr; i += 16, codes += 2 * bits) {
      std::int32_t eight[2];
      std::memcpy(eight, codes, sizeof eight[0]);
      std::memcpy(eight + 1, codes + bits, sizeof eight[1]);
      const __m512i lanes = _mm512_mask_set1_epi32(_mm512_set1_epi32(eight[0]), 0xff00, eight[1]);
      _mm512_storeu_ps(out + i, _mm512_maskz_permutexvar_ps(
                                    all, _mm512_maskz_srlv_epi32(all, lanes, shift), values));
    }
  }
  static void decode_table_256(const float* table, const std::byte* codes, std::size_t units,
                               float* out) {
    __m512 values[16];
#pragma GCC unroll 16
    for (std::size_t t = 0; t < 16; ++t) values[t] = _mm512_loadu_ps(table + t * 16);
    for (std::size_t i = 0; i < units * nr; i += 16) {
      const __m512i lanes = _mm512_maskz_cvtepu8_epi32(
          all, _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i)));
      __m512 found[8];  // looked up by the low five bits
#pragma GCC unroll 8
      for (std::size_t t = 0; t < 8; ++t)
        found[t] = _mm512_permutex2var_ps(values[2 * t], lanes, values[2 * t + 1]);
#pragma GCC unroll 3
      for (int bit = 5; bit < 8; ++bit) {
        const __mmask16 upper = _mm512_test_epi32_mask(lanes, _mm512_set1_epi32(1 << bit));
#pragma GCC unroll 4
        for (std::size_t t = 0; t < 128U >> bit; ++t)
          found[t] = _mm512_mask_blend_ps(upper, found[2 * t], found[2 * t + 1]);
      }
      _mm512_storeu_ps(out + i, found[0]);
    }
  }
  static void decode_bf16(const std::byte* codes, std::size_t units, float* out) {
    for (std::size_t i = 0; i < units * nr; i += 16) {
      const __m512i bits = _mm512_maskz_cvtepu16_epi32(all, halves_at(codes, i));
      _mm512_storeu_ps(out + i, _mm512_castsi512_ps(_mm512_maskz_slli_epi32(all, bits, 16)));
    }
  }
  static void decode_f16(const std::byte* codes, std::size_t units, float* out) {
    for (std::size_t i = 0; i < units * nr; i += 16)
      _mm512_storeu_ps(out + i, _mm512_maskz_cvtph_ps(all, halves_at(codes, i)));
  }

 private:
  static LOWBIT_INLINE __m256i halves_at(const std::byte* codes, std::size_t i) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i * 2));
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
