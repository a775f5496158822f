// SPDX-License-Identifier: Apache-2.0
// NEON decoding of float codes into blocks of floats. Tables of 256 floats are inherited: one load
// per code is all that a core without gathers can do.
#pragma once

#include "lowbit/kernel/neon_codes.hpp"
#include "lowbit/kernel/scalar_decode.hpp"

#if LOWBIT_NEON

namespace lowbit::inline LOWBIT_ISA {

template <>
struct micro_kernel<decoded_mul_add, neon> : micro_kernel<decoded_mul_add, scalar> {
  using arch = neon;
  static constexpr std::size_t mr = micro_kernel<mul_add, neon>::mr;
  static constexpr std::size_t nr = micro_kernel<mul_add, neon>::nr;
  static_assert(nr == micro_kernel<decoded_mul_add, scalar>::nr);  // of what is inherited

  /// Eight codes take `bits` bytes: each is shifted down in a lane of 32 bits.
  static void decode_table_16(const float* table, std::size_t bits, const std::byte* codes,
                              std::size_t units, float* out) {
    const detail::float_table_neon floats(table);
    const int32x4_t down = vmulq_n_s32(int32x4_t{0, -1, -2, -3}, static_cast<std::int32_t>(bits));
    const int32x4_t further = vsubq_s32(down, vdupq_n_s32(static_cast<std::int32_t>(4 * bits)));
    const auto eight_codes = [&](const std::byte* from) __attribute__((always_inline)) {
      std::uint32_t eight = 0;
      for (std::size_t b = 0; b < bits; ++b)
        eight |= std::to_integer<std::uint32_t>(from[b]) << (b * 8);
      const uint32x4_t all = vdupq_n_u32(eight);
      return vcombine_u16(vmovn_u32(vshlq_u32(all, down)), vmovn_u32(vshlq_u32(all, further)));
    };
    for (std::size_t i = 0; i < units * nr; i += 16, codes += 2 * bits) {
      const uint8x16_t sixteen =
          vcombine_u8(vmovn_u16(eight_codes(codes)), vmovn_u16(eight_codes(codes + bits)));
      float32x4_t values[4];
      floats.look_up(vandq_u8(sixteen, vdupq_n_u8(15)), values);
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v) vst1q_f32(out + i + v * 4, values[v]);
    }
  }
  static void decode_bf16(const std::byte* codes, std::size_t units, float* out) {
    for (std::size_t i = 0; i < units * nr; i += 8) {
      const uint16x8_t half = halves_at(codes, i);
      vst1q_f32(out + i, vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(half), 16)));
      vst1q_f32(out + i + 4, vreinterpretq_f32_u32(vshll_high_n_u16(half, 16)));
    }
  }
  static void decode_f16(const std::byte* codes, std::size_t units, float* out) {
    for (std::size_t i = 0; i < units * nr; i += 8) {
      const float16x8_t half = vreinterpretq_f16_u16(halves_at(codes, i));
      vst1q_f32(out + i, vcvt_f32_f16(vget_low_f16(half)));
      vst1q_f32(out + i + 4, vcvt_high_f32_f16(half));
    }
  }

 private:
  static LOWBIT_INLINE uint16x8_t halves_at(const std::byte* codes, std::size_t i) {
    return vreinterpretq_u16_u8(vld1q_u8(reinterpret_cast<const std::uint8_t*>(codes + i * 2)));
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
