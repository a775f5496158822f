// SPDX-License-Identifier: Apache-2.0
// AVX2 register tiles for weights with a scale per group of columns. Four-bit values are multiplied
// by activations + 128: a pair of products lies within -4080 .. 3570, so eight units can be summed
// in 16 bits before widening. Eight-bit values are multiplied as in avx2_codes.hpp.
#pragma once

#include "lowbit/kernel/avx2_codes.hpp"
#include "lowbit/kernel/scalar_groups.hpp"

#if LOWBIT_AVX2

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits>
struct micro_kernel<group_dot<Bits>, avx2> {
  using arch = avx2;
  using op = group_dot<Bits>;
  static constexpr std::size_t mr = 4;
  static constexpr std::size_t nr = 16;
  static constexpr std::int32_t offset = Bits == 4 ? 128 : 0;
  static constexpr std::size_t units_per_sum = Bits == 4 ? 8 : 1;  // the most that 16 bits hold

  static constexpr std::size_t place(std::size_t j, std::size_t k) {
    return micro_kernel<code_dot<Bits>, avx2>::place(j, k);
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, float* acc) {
    using decoder = detail::unit_decoder_avx2<Bits>;
    const decoder decode(reinterpret_cast<const std::byte*>(detail::group_values));
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Rows * nr; i += 8) _mm256_store_ps(acc + i, _mm256_setzero_ps());
    for (detail::group_walk<op, nr> group(panel, units); group.left != 0; group.advance()) {
      __m256i sum[Rows][2];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        sum[r][0] = detail::load_avx2(group.corrections());
        sum[r][1] = detail::load_avx2(group.corrections() + 32);
      }
      const std::byte* w = group.codes();
      for (std::size_t left = group.units(); left != 0;) {
        const std::size_t count = left < units_per_sum ? left : units_per_sum;
        add_units<Rows>(decode, a, stride, w, count, sum);
        a += count;
        w += count * decoder::unit_bytes;
        left -= count;
      }
#pragma GCC unroll 2
      for (std::size_t v = 0; v < 2; ++v) {
        const __m256 scale = _mm256_castsi256_ps(detail::load_avx2(group.scales + v * 32));
#pragma GCC unroll 4
        for (std::size_t r = 0; r < Rows; ++r) {
          float* to = acc + r * nr + v * 8;
          _mm256_store_ps(
              to, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][v]), scale, _mm256_load_ps(to)));
        }
      }
    }
  }

 private:
  /// Adds the products of `count` <= units_per_sum units.
  template <std::size_t Rows>
  static LOWBIT_INLINE void add_units(const detail::unit_decoder_avx2<Bits>& decode, const quad* a,
                                      std::size_t stride, const std::byte* w, std::size_t count,
                                      __m256i (&sum)[Rows][2]) {
    alignas(32) std::int32_t codes[Rows][8];
    const __m256i present = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                                               _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i pairs[Rows][2];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
      const __m256i x =
          _mm256_maskload_epi32(reinterpret_cast<const int*>(a + r * stride), present);
      _mm256_store_si256(reinterpret_cast<__m256i*>(codes[r]),
                         Bits == 4 ? _mm256_xor_si256(x, _mm256_set1_epi8(-128)) : x);
      pairs[r][0] = pairs[r][1] = _mm256_setzero_si256();
    }
    const auto step = [&](std::size_t u) __attribute__((always_inline)) {
      __m256i weights[2];
      decode.load(w + u * detail::unit_decoder_avx2<Bits>::unit_bytes, weights);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        const __m256i x = _mm256_set1_epi32(codes[r][u]);
        const __m256i magnitude = Bits == 4 ? x : _mm256_abs_epi8(x);
#pragma GCC unroll 2
        for (std::size_t v = 0; v < 2; ++v) {
          const __m256i values = Bits == 4 ? weights[v] : _mm256_sign_epi8(weights[v], x);
          pairs[r][v] = _mm256_add_epi16(pairs[r][v], _mm256_maddubs_epi16(magnitude, values));
        }
      }
    };
    if (count == units_per_sum) {
#pragma GCC unroll 8
      for (std::size_t u = 0; u < units_per_sum; ++u) step(u);
    } else {
#pragma GCC unroll 1
      for (std::size_t u = 0; u < count; ++u) step(u);
    }
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < 2; ++v) {
        sum[r][v] =
            _mm256_add_epi32(sum[r][v], _mm256_madd_epi16(pairs[r][v], _mm256_set1_epi16(1)));
      }
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
