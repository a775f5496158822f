// SPDX-License-Identifier: Apache-2.0
// AVX-VNNI register tiles for byte products: vpdpbusd on 256 bits multiplies an unsigned by a
// signed byte and adds four products to a lane without saturation, in place of the four
// instructions of avx2_codes.hpp. Panels have AVX2's layout; weights are stored as value + 128 (as
// for AVX-512) except those with group scales, where the activations are made unsigned.
#pragma once

#include "lowbit/kernel/avx2_codes.hpp"
#include "lowbit/kernel/scalar_groups.hpp"

#if LOWBIT_AVX_VNNI

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits>
struct micro_kernel<code_dot<Bits>, avx_vnni> {
  using arch = avx_vnni;
  static constexpr std::size_t mr = 6;
  static constexpr std::size_t nr = 16;
  static constexpr unsigned offset = 128;

  static constexpr std::size_t place(std::size_t j, std::size_t k) {
    return micro_kernel<code_dot<Bits>, avx2>::place(j, k);
  }
  static void set_table(const std::int8_t (&values)[16], std::byte* header) {
    for (std::size_t c = 0; c < 16; ++c)
      header[c] = static_cast<std::byte>(static_cast<int>(values[c]) + static_cast<int>(offset));
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, std::int32_t* acc) {
    using decoder = detail::unit_decoder_avx2<Bits>;
    // With few rows, several units in flight with separate sums hide the latency of vpdpbusd.
    constexpr std::size_t sets = Rows == 1 ? 4 : Rows <= 3 ? 2 : 1;
    constexpr std::size_t ahead = 4096;  // bytes; see avx512_codes.hpp
    const decoder decode(panel);
    const std::byte* w = panel + code_dot<Bits>::table_bytes;
    __m256i sum[sets][Rows][2];
#pragma GCC unroll 4
    for (std::size_t s = 0; s < sets; ++s) {
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r) sum[s][r][0] = sum[s][r][1] = _mm256_setzero_si256();
    }
    const auto step = [&](std::size_t u, __m256i(&s)[Rows][2]) __attribute__((always_inline)) {
      __m256i weights[2];
      decode.load(w + u * decoder::unit_bytes, weights);
      if constexpr (Bits == 8) _mm_prefetch(w + u * decoder::unit_bytes + ahead, _MM_HINT_T0);
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r) {
        std::int32_t codes;
        std::memcpy(&codes, a + r * stride + u, sizeof codes);
        const __m256i x = _mm256_set1_epi32(codes);
        s[r][0] = _mm256_dpbusd_avx_epi32(s[r][0], weights[0], x);
        s[r][1] = _mm256_dpbusd_avx_epi32(s[r][1], weights[1], x);
      }
    };
    std::size_t u = 0;
    for (; u + sets <= units; u += sets) {
#pragma GCC unroll 4
      for (std::size_t s = 0; s < sets; ++s) step(u + s, sum[s]);
    }
    for (; u < units; ++u) step(u, sum[0]);
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < 2; ++v) {
        __m256i total = sum[0][r][v];
#pragma GCC unroll 4
        for (std::size_t s = 1; s < sets; ++s) total = _mm256_add_epi32(total, sum[s][r][v]);
        _mm256_store_si256(reinterpret_cast<__m256i*>(acc + r * nr + v * 8), total);
      }
    }
  }
};

template <std::size_t Bits>
struct micro_kernel<group_dot<Bits>, avx_vnni> {
  using arch = avx_vnni;
  using op = group_dot<Bits>;
  static constexpr std::size_t mr = 4;
  static constexpr std::size_t nr = 16;
  static constexpr std::int32_t offset = 128;

  static constexpr std::size_t place(std::size_t j, std::size_t k) {
    return micro_kernel<code_dot<Bits>, avx2>::place(j, k);
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, float* acc) {
    using decoder = detail::unit_decoder_avx2<Bits>;
    const decoder decode(reinterpret_cast<const std::byte*>(detail::group_values));
    const __m256i flip = _mm256_set1_epi8(-128);  // code ^ 128 as an unsigned byte is code + 128
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
      const std::size_t count = group.units();
      for (std::size_t u = 0; u < count; ++u) {
        __m256i weights[2];
        decode.load(w + u * decoder::unit_bytes, weights);
#pragma GCC unroll 4
        for (std::size_t r = 0; r < Rows; ++r) {
          std::int32_t codes;
          std::memcpy(&codes, a + r * stride + u, sizeof codes);
          const __m256i x = _mm256_xor_si256(_mm256_set1_epi32(codes), flip);
          sum[r][0] = _mm256_dpbusd_avx_epi32(sum[r][0], x, weights[0]);
          sum[r][1] = _mm256_dpbusd_avx_epi32(sum[r][1], x, weights[1]);
        }
      }
      a += count;
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
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
