// SPDX-License-Identifier: Apache-2.0
// Register tiles for coded weights with SDOT: the four products of a unit and an output and their
// sum in one lane. A row's activations are loaded four units at a time and multiplied by element.
#pragma once

#include "lowbit/kernel/neon_codes.hpp"

#if LOWBIT_DOTPROD

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// The codes of four units of a row.
LOWBIT_INLINE int8x16_t four_units(const quad* a) {
  return vld1q_s8(reinterpret_cast<const std::int8_t*>(a));
}

/// sum (Rows, 16) += the products of `units` units.
template <std::size_t Rows, class Decoder>
LOWBIT_INLINE void add_all_products_dotprod(const Decoder& decode, const quad* a,
                                            std::size_t stride, const std::byte* w,
                                            std::size_t units, int32x4_t (&sum)[Rows][4]) {
  int8x16_t x[Rows];
  const auto step = [&]<int Lane>(std::integral_constant<int, Lane>, const std::byte* unit)
      __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < 4; ++v) {
      const int8x16_t weights = decode.vector(unit, v);
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r)
        sum[r][v] = vdotq_laneq_s32(sum[r][v], weights, x[r], Lane);
      keep_loads_here();
    }
  };
  std::size_t u = 0;
  for (; u + 4 <= units; u += 4) {
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) x[r] = four_units(a + r * stride + u);
    step(std::integral_constant<int, 0>{}, w + u * Decoder::unit_bytes);
    step(std::integral_constant<int, 1>{}, w + (u + 1) * Decoder::unit_bytes);
    step(std::integral_constant<int, 2>{}, w + (u + 2) * Decoder::unit_bytes);
    step(std::integral_constant<int, 3>{}, w + (u + 3) * Decoder::unit_bytes);
  }
  for (; u < units; ++u) {
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) x[r] = broadcast_neon(a + r * stride + u);
    step(std::integral_constant<int, 0>{}, w + u * Decoder::unit_bytes);
  }
}

}  // namespace detail

template <std::size_t Bits>
struct micro_kernel<code_dot<Bits>, dotprod> : micro_kernel<code_dot<Bits>, neon> {
  using arch = dotprod;
  static constexpr std::size_t mr = Bits == 8 ? 6 : 4;  // decoding takes registers, too
  static constexpr std::size_t nr = 16;

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, std::int32_t* acc) {
    const detail::unit_decoder_neon<Bits> decode(panel);
    int32x4_t sum[Rows][4];
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v) sum[r][v] = vdupq_n_s32(0);
    }
    detail::add_all_products_dotprod<Rows>(decode, a, stride, panel + code_dot<Bits>::table_bytes,
                                           units, sum);
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v) vst1q_s32(acc + r * nr + v * 4, sum[r][v]);
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
