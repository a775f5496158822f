// SPDX-License-Identifier: Apache-2.0
// NEON register tiles for weights with a scale per group of columns: the products of
// neon_codes.hpp, or of dotprod_codes.hpp, and one fma per group.
#pragma once

#include "lowbit/kernel/dotprod_codes.hpp"
#include "lowbit/kernel/neon_codes.hpp"
#include "lowbit/kernel/scalar_groups.hpp"

#if LOWBIT_NEON

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits>
struct micro_kernel<group_dot<Bits>, neon> {
  using arch = neon;
  using op = group_dot<Bits>;
  static constexpr std::size_t mr = 2;
  static constexpr std::size_t nr = 16;
  static constexpr std::int32_t offset = 0;

  static constexpr std::size_t place(std::size_t j, std::size_t k) {
    return micro_kernel<code_dot<Bits>, neon>::place(j, k);
  }

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, float* acc) {
    const auto products =
        [](const auto& decode, const quad* x, std::size_t row_stride, const std::byte* w,
           std::size_t count, int32x4_t(&sum)[Rows][4]) __attribute__((always_inline)) {
      int32x4_t halves[Rows][8] = {};
      detail::add_all_products_neon<Rows>(decode, x, row_stride, w, count, halves);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < 4; ++v)
          sum[r][v] = vpaddq_s32(halves[r][2 * v], halves[r][2 * v + 1]);
      }
    };
    run_groups<Rows>(products, a, stride, panel, units, acc);
  }

 protected:
  /// acc = the sum over groups; products() computes the integers of one group.
  template <std::size_t Rows, class Products>
  static LOWBIT_INLINE void run_groups(Products products, const quad* a, std::size_t stride,
                                       const std::byte* panel, std::size_t units, float* acc) {
    const detail::unit_decoder_neon<Bits> decode(
        reinterpret_cast<const std::byte*>(detail::group_values));
    for (std::size_t i = 0; i < Rows * nr; i += 4) vst1q_f32(acc + i, vdupq_n_f32(0.0F));
    for (detail::group_walk<op, nr> group(panel, units); group.left != 0; group.advance()) {
      int32x4_t sum[Rows][4];
      products(decode, a, stride, group.codes(), group.units(), sum);
      a += group.units();
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v) {
        const float32x4_t scale = vreinterpretq_f32_s8(detail::load_neon(group.scales + v * 16));
#pragma GCC unroll 6
        for (std::size_t r = 0; r < Rows; ++r) {
          float* to = acc + r * nr + v * 4;
          vst1q_f32(to, vfmaq_f32(vld1q_f32(to), vcvtq_f32_s32(sum[r][v]), scale));
        }
      }
    }
  }
};

#if LOWBIT_DOTPROD
template <std::size_t Bits>
struct micro_kernel<group_dot<Bits>, dotprod> : micro_kernel<group_dot<Bits>, neon> {
  using arch = dotprod;
  static constexpr std::size_t mr = 4;
  static constexpr std::size_t nr = 16;

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const quad* a, std::size_t stride, const std::byte* panel,
                                  std::size_t units, float* acc) {
    const auto products =
        [](const auto& decode, const quad* x, std::size_t row_stride, const std::byte* w,
           std::size_t count, int32x4_t(&sum)[Rows][4]) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < 4; ++v) sum[r][v] = vdupq_n_s32(0);
      }
      detail::add_all_products_dotprod<Rows>(decode, x, row_stride, w, count, sum);
    };
    micro_kernel<group_dot<Bits>, neon>::template run_groups<Rows>(products, a, stride, panel,
                                                                   units, acc);
  }
};
#endif

}  // namespace lowbit::inline LOWBIT_ISA
#endif
