// SPDX-License-Identifier: Apache-2.0
// NEON register tiles for bit planes: the one-bit tile of neon.hpp once per plane; sums are doubled
// between planes.
#pragma once

#include "lowbit/kernel/neon.hpp"

#if LOWBIT_NEON

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits, bool Signed>
struct micro_kernel<plane_popcount<Bits, Signed>, neon> {
  using arch = neon;
  static constexpr std::size_t mr = 3;
  static constexpr std::size_t nr = detail::bit_tile_neon::nr;

  template <std::size_t Rows>
  LOWBIT_NOINLINE static void run(const plane_words<Bits>* a, std::size_t stride, const word* w,
                                  std::size_t units, std::int32_t* acc) {
    add_plane<Rows, false>(a, stride, w, units, acc, Bits - 1);
    for (std::size_t p = Bits - 1; p-- > 0;) {
      const std::int32_t factor = Signed && p + 2 == Bits ? -2 : 2;
      for (std::size_t i = 0; i < Rows * nr; i += 4)
        vst1q_s32(acc + i, vmulq_n_s32(vld1q_s32(acc + i), factor));
      add_plane<Rows, true>(a, stride, w, units, acc, p);
    }
  }

 private:
  template <std::size_t Rows, bool Continue>
  static LOWBIT_INLINE void add_plane(const plane_words<Bits>* a, std::size_t stride, const word* w,
                                      std::size_t units, std::int32_t* acc, std::size_t plane) {
    const auto activation = [&](std::size_t r, std::size_t u) __attribute__((always_inline)) {
      return detail::broadcast_neon(a[r * stride + u].plane[plane]);
    };
    detail::bit_tile_neon::run<and_popcount, Rows, Continue>(activation, w, units, acc);
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
