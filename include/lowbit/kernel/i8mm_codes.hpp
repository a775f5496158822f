// SPDX-License-Identifier: Apache-2.0
// Register tiles for coded weights with SMMLA, which multiplies 2 rows x 8 codes by 2 outputs x 8
// codes. Weights are therefore stored for two units at a time, the eight codes of an output
// adjacent; a last single unit is stored and multiplied as for dotprod.
#pragma once

#include "lowbit/kernel/dotprod_codes.hpp"

#if LOWBIT_I8MM

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits>
struct micro_kernel<code_dot<Bits>, i8mm> : micro_kernel<code_dot<Bits>, dotprod> {
  using arch = i8mm;
  static constexpr std::size_t mr = Bits == 8 ? 6 : 4;
  static constexpr std::size_t nr = 16;

  static constexpr std::size_t place_in_pair(std::size_t j, std::size_t k) {
    if constexpr (Bits == 4) return ((j % 8) * 8 + k) * 8 + (j / 8) * 4;
    return (j * 8 + k) * Bits;
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, std::int32_t* acc) {
    constexpr std::size_t pairs = (Rows + 1) / 2;  // of rows; a single one is multiplied twice
    using decoder = detail::unit_decoder_neon<Bits>;
    const decoder decode(panel);
    const std::byte* w = panel + code_dot<Bits>::table_bytes;
    // Of each pair of rows and of outputs: [r0 o0, r0 o1, r1 o0, r1 o1].
    int32x4_t sum[pairs][8];
#pragma GCC unroll 3
    for (std::size_t p = 0; p < pairs; ++p) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < 8; ++v) sum[p][v] = vdupq_n_s32(0);
    }
    std::size_t u = 0;
    for (; u + 2 <= units; u += 2) {
      int8x16_t x[pairs];
#pragma GCC unroll 3
      for (std::size_t p = 0; p < pairs; ++p) {
        x[p] = two_rows(a + 2 * p * stride + u, 2 * p + 1 < Rows ? stride : 0);
      }
#pragma GCC unroll 8
      for (std::size_t v = 0; v < 8; ++v) {
        const int8x16_t weights = pair_vector(decode, w + u * decoder::unit_bytes, v);
#pragma GCC unroll 3
        for (std::size_t p = 0; p < pairs; ++p) sum[p][v] = vmmlaq_s32(sum[p][v], x[p], weights);
        detail::keep_loads_here();
      }
    }
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v) {
        const int64x2_t first = vreinterpretq_s64_s32(sum[r / 2][2 * v]);
        const int64x2_t second = vreinterpretq_s64_s32(sum[r / 2][2 * v + 1]);
        vst1q_s32(acc + r * nr + v * 4,
                  vreinterpretq_s32_s64(r % 2 == 0 ? vzip1q_s64(first, second)
                                                   : vzip2q_s64(first, second)));
      }
    }
    if (u < units) add_last_unit<Rows>(decode, a + u, stride, w + u * decoder::unit_bytes, acc);
  }

 private:
  /// Eight codes of two rows.
  static LOWBIT_INLINE int8x16_t two_rows(const quad* a, std::size_t stride) {
    const auto* first = reinterpret_cast<const std::int8_t*>(a);
    const auto* second = reinterpret_cast<const std::int8_t*>(a + stride);
    return vcombine_s8(vld1_s8(first), vld1_s8(second));
  }
  /// Vector v of two units, 2 of their 16 outputs x 8 k. They take as many bytes as two units laid
  /// out by place(), and only nibbles are in another order.
  static LOWBIT_INLINE int8x16_t pair_vector(const detail::unit_decoder_neon<Bits>& decode,
                                             const std::byte* w, std::size_t v) {
    if constexpr (Bits == 4) {  // low nibbles hold outputs 0 to 7, high nibbles 8 to 15
      const uint8x16_t codes = vreinterpretq_u8_s8(detail::load_neon(w + v % 4 * 16));
      return vqtbl1q_s8(decode.table,
                        v < 4 ? vandq_u8(codes, vdupq_n_u8(15)) : vshrq_n_u8(codes, 4));
    } else {
      return decode.vector(w, v);
    }
  }
  template <std::size_t Rows>
  static LOWBIT_INLINE void add_last_unit(const detail::unit_decoder_neon<Bits>& decode,
                                          const quad* a, std::size_t stride, const std::byte* w,
                                          std::int32_t* acc) {
#pragma GCC unroll 1
    for (std::size_t r = 0; r < Rows; ++r) {
      const int8x16_t x = detail::broadcast_neon(a + r * stride);
      for (std::size_t v = 0; v < 4; ++v) {
        std::int32_t* to = acc + r * nr + v * 4;
        vst1q_s32(to, vdotq_s32(vld1q_s32(to), decode.vector(w, v), x));
      }
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
