// SPDX-License-Identifier: Apache-2.0
// NEON, the vectors of every 64-bit Arm core: four lanes per register. Both compilers give the
// vector types + - * /, so no library is needed. Masks are vectors; there is no mask register, and
// a mask becomes bits by adding up one power of two per lane.
#pragma once

#include "lowbit/arch/scalar.hpp"

#if LOWBIT_NEON
#include <arm_neon.h>

namespace lowbit::inline LOWBIT_ISA {

template <>
struct arch_ops<neon> : arch_ops<scalar> {
  using f = float32x4_t;
  using i = int32x4_t;
  using mask = uint32x4_t;  // each lane is all ones or all zeros
  static constexpr std::size_t width = 4;

  static f load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, f v) { vst1q_f32(p, v); }
  static f broadcast(float v) { return vdupq_n_f32(v); }
  static f fma(f a, f b, f c) { return vfmaq_f32(c, a, b); }
  // Not vmaxq and vminq, which return NaN where an operand is NaN.
  static f max(f a, f b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static f min(f a, f b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static f sqrt(f a) { return vsqrtq_f32(a); }
  static f to_float(i a) { return vcvtq_f32_s32(a); }
  static f as_float(i a) { return vreinterpretq_f32_s32(a); }
  static i as_int(f a) { return vreinterpretq_s32_f32(a); }

  static i load(const std::int32_t* p) { return vld1q_s32(p); }
  static void store(std::int32_t* p, i v) { vst1q_s32(p, v); }
  static i broadcast(std::int32_t v) { return vdupq_n_s32(v); }
  static i add(i a, i b) { return vaddq_s32(a, b); }
  static i subtract(i a, i b) { return vsubq_s32(a, b); }
  static i multiply(i a, i b) { return vmulq_s32(a, b); }
  static i bit_and(i a, i b) { return vandq_s32(a, b); }
  static i bit_or(i a, i b) { return vorrq_s32(a, b); }
  static i max(i a, i b) { return vmaxq_s32(a, b); }
  static i min(i a, i b) { return vminq_s32(a, b); }
  template <int Bits>
  static i shift_left(i a) {
    return vshlq_n_s32(a, Bits);
  }
  template <int Bits>
  static i shift_right(i a) {
    return vshrq_n_s32(a, Bits);
  }
  static i shift_right(i a, i count) { return vshlq_s32(a, vnegq_s32(count)); }
  static i load_bytes(const std::int8_t* p) {
    std::uint32_t four;
    std::memcpy(&four, p, sizeof four);
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)))));
  }
  static void store_low_bytes(std::int8_t* p, i a) {
    const int16x4_t halves = vmovn_s32(a);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(halves, halves));
    const std::uint32_t four = vget_lane_u32(vreinterpret_u32_s8(bytes), 0);
    std::memcpy(p, &four, sizeof four);
  }

  using wide = int64x2_t;
  /// The rounding shift adds half of the last place itself.
  static i multiply_shift(i a, i m, i shift) {
    const int32x4_t back = vnegq_s32(shift);
    const int64x2_t low =
        vrshlq_s64(vmull_s32(vget_low_s32(a), vget_low_s32(m)), vmovl_s32(vget_low_s32(back)));
    const int64x2_t high = vrshlq_s64(vmull_high_s32(a, m), vmovl_high_s32(back));
    return vuzp1q_s32(vreinterpretq_s32_s64(low), vreinterpretq_s32_s64(high));
  }
  static wide wide_zero() { return vdupq_n_s64(0); }
  static wide add_products(wide sum, i a, i b) {
    return vmlal_high_s32(vmlal_s32(sum, vget_low_s32(a), vget_low_s32(b)), a, b);
  }
  static std::int64_t total(wide sum) { return vaddvq_s64(sum); }

  static mask less(f a, f b) { return vcltq_f32(a, b); }
  static mask less(i a, i b) { return vcltq_s32(a, b); }
  static f select(mask m, f a, f b) { return vbslq_f32(m, a, b); }
  static std::uint32_t mask_bits(mask m) { return vaddvq_u32(vandq_u32(m, lane_bits())); }
  static mask mask_of(std::uint32_t bits) { return vtstq_u32(vdupq_n_u32(bits), lane_bits()); }

  static LOWBIT_INLINE f gather(const float* base, const std::uint32_t* index) {
    return f{base[index[0]], base[index[1]], base[index[2]], base[index[3]]};
  }
  static LOWBIT_INLINE i gather(const std::byte* base, const std::uint32_t* index) {
    const auto at = [&](std::size_t n) { return arch_ops<scalar>::gather(base, index + n); };
    return i{at(0), at(1), at(2), at(3)};
  }

  static i prepare_quads(i x) { return x; }
  /// Two products of int8 codes that are not both -128 fit in 16 bits.
  static i dot_quads(i sum, i x, i w) {
    const int8x16_t a = vreinterpretq_s8_s32(x);
    const int8x16_t b = vreinterpretq_s8_s32(w);
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    return vpadalq_s16(sum, vpaddq_s16(low, vmull_high_s8(a, b)));
  }

  /// Processes four columns at a time.
  LOWBIT_NOINLINE static void transpose_16_rows(const std::byte* const* rows, std::size_t columns,
                                                std::byte* out, std::size_t out_stride,
                                                std::uint32_t flip) {
    std::size_t c = 0;
    const uint32x4_t flips = vdupq_n_u32(flip);
    for (; c + 4 <= columns; c += 4) {
      for (std::size_t r = 0; r < 16; r += 4) {
        transpose_4x4(rows + r, c, out + (c * out_stride + r) * 4, out_stride, flips);
      }
    }
    transpose_columns(rows, c, columns, out, out_stride, flip);
  }

 private:
  static LOWBIT_INLINE uint32x4_t lane_bits() { return uint32x4_t{1, 2, 4, 8}; }

  /// Transposes 4 x 4: out[c * out_stride + r] = rows[r][first + c] ^ flip.
  static LOWBIT_INLINE void transpose_4x4(const std::byte* const* rows, std::size_t first,
                                          std::byte* out, std::size_t out_stride, uint32x4_t flip) {
    const auto row = [&](std::size_t r) {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(rows[r] + first * 4);
      return vreinterpretq_u32_u8(vld1q_u8(bytes));
    };
    const uint64x2_t even01 = vreinterpretq_u64_u32(vtrn1q_u32(row(0), row(1)));
    const uint64x2_t odd01 = vreinterpretq_u64_u32(vtrn2q_u32(row(0), row(1)));
    const uint64x2_t even23 = vreinterpretq_u64_u32(vtrn1q_u32(row(2), row(3)));
    const uint64x2_t odd23 = vreinterpretq_u64_u32(vtrn2q_u32(row(2), row(3)));
    const uint64x2_t column[4] = {vtrn1q_u64(even01, even23), vtrn1q_u64(odd01, odd23),
                                  vtrn2q_u64(even01, even23), vtrn2q_u64(odd01, odd23)};
#pragma GCC unroll 4
    for (std::size_t c = 0; c < 4; ++c) {
      const uint32x4_t flipped = veorq_u32(vreinterpretq_u32_u64(column[c]), flip);
      vst1q_u8(reinterpret_cast<std::uint8_t*>(out + c * out_stride * 4),
               vreinterpretq_u8_u32(flipped));
    }
  }
};

#if LOWBIT_DOTPROD
/// dotprod: four products of bytes and their sum in one instruction per register.
template <>
struct arch_ops<dotprod> : arch_ops<neon> {
  static i dot_quads(i sum, i x, i w) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(w));
  }
};
#endif

}  // namespace lowbit::inline LOWBIT_ISA
#endif
