// SPDX-License-Identifier: Apache-2.0
// NEON register tiles for coded weights: SMULL and SMLAL sum two products of bytes in 16 bits,
// which fit because weights are never -128, and SADALP adds pairs of those to 32-bit sums.
#pragma once

#include "lowbit/kernel/neon.hpp"

#if LOWBIT_NEON

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

inline int8x16_t load_neon(const std::byte* p) {
  return vld1q_s8(reinterpret_cast<const std::int8_t*>(p));
}

/// Decodes vector v of a unit, 4 of its 16 outputs x 4 k, to signed bytes.
template <std::size_t Bits>
struct unit_decoder_neon;

template <>
struct unit_decoder_neon<8> {
  static constexpr std::size_t unit_bytes = 64;
  explicit unit_decoder_neon(const std::byte*) {}
  [[nodiscard]] LOWBIT_INLINE int8x16_t vector(const std::byte* w, std::size_t v) const {
    return load_neon(w + v * 16);
  }
};

/// Low nibbles hold outputs 0 to 7, high nibbles 8 to 15.
template <>
struct unit_decoder_neon<4> {
  static constexpr std::size_t unit_bytes = 32;
  int8x16_t table;
  explicit unit_decoder_neon(const std::byte* header) : table(load_neon(header)) {}
  [[nodiscard]] LOWBIT_INLINE int8x16_t vector(const std::byte* w, std::size_t v) const {
    const uint8x16_t codes = vreinterpretq_u8_s8(load_neon(w + v % 2 * 16));
    return vqtbl1q_s8(table, v < 2 ? vandq_u8(codes, vdupq_n_u8(15)) : vshrq_n_u8(codes, 4));
  }
};

/// Expands 16 of 64 bits to 16 bytes: copies to each byte the byte that holds its bit, then tests
/// the bit.
template <>
struct unit_decoder_neon<1> {
  static constexpr std::size_t unit_bytes = 8;
  int8x16_t zero;
  int8x16_t one;
  explicit unit_decoder_neon(const std::byte* header)
      : zero(vdupq_n_s8(static_cast<std::int8_t>(header[0]))),
        one(vdupq_n_s8(static_cast<std::int8_t>(header[1]))) {}
  [[nodiscard]] LOWBIT_INLINE int8x16_t vector(const std::byte* w, std::size_t v) const {
    const auto* unit = reinterpret_cast<const std::uint64_t*>(w + v / 4 * unit_bytes);
    const uint8x16_t place = vcombine_u8(vdup_n_u8(static_cast<std::uint8_t>(v % 4 * 2)),
                                         vdup_n_u8(static_cast<std::uint8_t>(v % 4 * 2 + 1)));
    const uint8x16_t spread = vqtbl1q_u8(vreinterpretq_u8_u64(vld1q_dup_u64(unit)), place);
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    return vbslq_s8(vtstq_u8(spread, bit), one, zero);
  }
};

/// Every output's copy of the four codes of a unit.
LOWBIT_INLINE int8x16_t broadcast_neon(const quad* a) {
  int8x16_t copies;
  __asm__("ld1r {%0.4s}, %1" : "=w"(copies) : "Q"(*a));
  return copies;
}

/// sum (Rows, 16 outputs x 2) += the products of one unit or, with Two, of two.
template <std::size_t Rows, bool Two, class Decoder>
LOWBIT_INLINE void add_products_neon(const Decoder& decode, const quad* a, std::size_t stride,
                                     const std::byte* w, int32x4_t (&sum)[Rows][8]) {
  int8x16_t x[Rows][2];
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; ++r) {
    x[r][0] = broadcast_neon(a + r * stride);
    x[r][1] = Two ? broadcast_neon(a + r * stride + 1) : vdupq_n_s8(0);
  }
#pragma GCC unroll 4
  for (std::size_t v = 0; v < 4; ++v) {
    const int8x16_t first = decode.vector(w, v);
    const int8x16_t second = Two ? decode.vector(w + Decoder::unit_bytes, v) : first;
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
      int16x8_t low = vmull_s8(vget_low_s8(x[r][0]), vget_low_s8(first));
      int16x8_t high = vmull_high_s8(x[r][0], first);
      if constexpr (Two) {
        low = vmlal_s8(low, vget_low_s8(x[r][1]), vget_low_s8(second));
        high = vmlal_high_s8(high, x[r][1], second);
      }
      sum[r][2 * v] = vpadalq_s16(sum[r][2 * v], low);
      sum[r][2 * v + 1] = vpadalq_s16(sum[r][2 * v + 1], high);
    }
    keep_loads_here();
  }
}

/// sum (Rows, 16 outputs x 2) += the products of `units` units.
template <std::size_t Rows, class Decoder>
LOWBIT_INLINE void add_all_products_neon(const Decoder& decode, const quad* a, std::size_t stride,
                                         const std::byte* w, std::size_t units,
                                         int32x4_t (&sum)[Rows][8]) {
  std::size_t u = 0;
  for (; u + 2 <= units; u += 2, w += 2 * Decoder::unit_bytes)
    add_products_neon<Rows, true>(decode, a + u, stride, w, sum);
  if (u < units) add_products_neon<Rows, false>(decode, a + u, stride, w, sum);
}

/// Looks up sixteen floats: byte b of each in a table of the sixteen bytes b, then interleaves the
/// bytes.
struct float_table_neon {
  uint8x16x4_t bytes;
  explicit float_table_neon(const float* table)
      : bytes(vld4q_u8(reinterpret_cast<const std::uint8_t*>(table))) {}
  LOWBIT_INLINE void look_up(uint8x16_t codes, float32x4_t (&out)[4]) const {
    const uint8x16_t b0 = vqtbl1q_u8(bytes.val[0], codes), b1 = vqtbl1q_u8(bytes.val[1], codes);
    const uint8x16_t b2 = vqtbl1q_u8(bytes.val[2], codes), b3 = vqtbl1q_u8(bytes.val[3], codes);
    const auto zip = [](uint16x8_t low, uint16x8_t high, float32x4_t& first, float32x4_t& second) {
      first = vreinterpretq_f32_u16(vzip1q_u16(low, high));
      second = vreinterpretq_f32_u16(vzip2q_u16(low, high));
    };
    zip(vreinterpretq_u16_u8(vzip1q_u8(b0, b1)), vreinterpretq_u16_u8(vzip1q_u8(b2, b3)), out[0],
        out[1]);
    zip(vreinterpretq_u16_u8(vzip2q_u8(b0, b1)), vreinterpretq_u16_u8(vzip2q_u8(b2, b3)), out[2],
        out[3]);
  }
};

}  // namespace detail

template <std::size_t Bits>
struct micro_kernel<code_dot<Bits>, neon> {
  using arch = neon;
  static constexpr std::size_t mr = 2;
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
    const detail::unit_decoder_neon<Bits> decode(panel);
    int32x4_t sum[Rows][8];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < 8; ++v) sum[r][v] = vdupq_n_s32(0);
    }
    detail::add_all_products_neon<Rows>(decode, a, stride, panel + code_dot<Bits>::table_bytes,
                                        units, sum);
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v)
        vst1q_s32(acc + r * nr + v * 4, vpaddq_s32(sum[r][2 * v], sum[r][2 * v + 1]));
    }
  }
};

template <>
struct micro_kernel<lookup_mul_add, neon> {
  using arch = neon;
  static constexpr std::size_t mr = 4;
  static constexpr std::size_t nr = 16;

  /// Low nibbles hold outputs 0 to 7, high nibbles 8 to 15.
  static constexpr std::size_t place(std::size_t j, std::size_t) {
    return (j % 8) * 8 + (j / 8) * 4;
  }
  static void set_table(const float (&values)[16], std::byte* header) {
    std::memcpy(header, values, sizeof values);
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const float* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, float* acc) {
    const detail::float_table_neon table(reinterpret_cast<const float*>(panel));
    const std::byte* w = panel + lookup_mul_add::table_bytes;
    float32x4_t sum[Rows][4];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v) sum[r][v] = vdupq_n_f32(0.0F);
    }
    for (std::size_t u = 0; u < units; ++u) {
      const uint8x8_t codes = vld1_u8(reinterpret_cast<const std::uint8_t*>(w + u * 8));
      float32x4_t weights[4];
      table.look_up(vcombine_u8(vand_u8(codes, vdup_n_u8(15)), vshr_n_u8(codes, 4)), weights);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        const float32x4_t x = vdupq_n_f32(a[r * stride + u]);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < 4; ++v) sum[r][v] = vfmaq_f32(sum[r][v], x, weights[v]);
      }
    }
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v) vst1q_f32(acc + r * nr + v * 4, sum[r][v]);
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
