// SPDX-License-Identifier: Apache-2.0
// AVX2 decoding of float codes into blocks of floats.
#pragma once

#include "lowbit/kernel/avx2.hpp"
#include "lowbit/kernel/avx2_codes.hpp"

#if LOWBIT_AVX2

namespace lowbit::inline LOWBIT_ISA {

template <>
struct micro_kernel<decoded_mul_add, avx2> {
  using arch = avx2;
  static constexpr std::size_t mr = micro_kernel<mul_add, avx2>::mr;
  static constexpr std::size_t nr = micro_kernel<mul_add, avx2>::nr;

  /// Each lane shifts its code down. Higher bits do not matter because the table repeats. Reads
  /// four bytes per eight codes.
  static void decode_table_16(const float* table, std::size_t bits, const std::byte* codes,
                              std::size_t units, float* out) {
    const __m256 low = _mm256_loadu_ps(table);
    const __m256 high = _mm256_loadu_ps(table + 8);
    const __m256i shift = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                             _mm256_set1_epi32(static_cast<int>(bits)));
    for (std::size_t i = 0; i < units * nr; i += 8, codes += bits) {
      std::int32_t eight;
      std::memcpy(&eight, codes, sizeof eight);
      const __m256i lanes = _mm256_srlv_epi32(_mm256_set1_epi32(eight), shift);
      _mm256_storeu_ps(out + i, micro_kernel<lookup_mul_add, avx2>::look_up(lanes, low, high));
    }
  }
  static void decode_table_256(const float* table, const std::byte* codes, std::size_t units,
                               float* out) {
    for (std::size_t i = 0; i < units * nr; i += 8) {
      const __m256i eight =
          _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i)));
      _mm256_storeu_ps(out + i, _mm256_i32gather_ps(table, eight, 4));
    }
  }
  static void decode_bf16(const std::byte* codes, std::size_t units, float* out) {
    for (std::size_t i = 0; i < units * nr; i += 8) {
      const __m256i bits = _mm256_slli_epi32(halves_at(codes, i), 16);
      _mm256_storeu_ps(out + i, _mm256_castsi256_ps(bits));
    }
  }
  /// Rebiases the exponent from 15 to 127. A subnormal half is computed as 2^-14 (1 + f) - 2^-14:
  /// exact, and without subnormal float operands, which could take a hundred cycles.
  static void decode_f16(const std::byte* codes, std::size_t units, float* out) {
    const __m256i least_normal = _mm256_set1_epi32(113 << 23);  // 2^-14
    for (std::size_t i = 0; i < units * nr; i += 8) {
      const __m256i half = halves_at(codes, i);
      const __m256i sign = _mm256_slli_epi32(_mm256_srli_epi32(half, 15), 31);
      const __m256i magnitude =
          _mm256_slli_epi32(_mm256_and_si256(half, _mm256_set1_epi32(0x7FFF)), 13);
      const __m256 normal =
          _mm256_castsi256_ps(_mm256_add_epi32(magnitude, _mm256_set1_epi32(112 << 23)));
      const __m256 subnormal =
          _mm256_sub_ps(_mm256_castsi256_ps(_mm256_add_epi32(magnitude, least_normal)),
                        _mm256_castsi256_ps(least_normal));
      const __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(1 << 23), magnitude);
      const __m256 value = _mm256_blendv_ps(normal, subnormal, _mm256_castsi256_ps(is_small));
      _mm256_storeu_ps(out + i, _mm256_or_ps(value, _mm256_castsi256_ps(sign)));
    }
  }

 private:
  static LOWBIT_INLINE __m256i halves_at(const std::byte* codes, std::size_t i) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i * 2)));
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
