// SPDX-License-Identifier: Apache-2.0
// Register tiles for bit planes in plain C++.
#pragma once

#include "lowbit/kernel/micro_kernel.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits, bool Signed>
struct micro_kernel<plane_popcount<Bits, Signed>, scalar> {
  using arch = scalar;
  static constexpr std::size_t mr = 1;
  static constexpr std::size_t nr = 16;

  template <std::size_t Rows>
  static void run(const plane_words<Bits>* a, std::size_t, const word* w, std::size_t units,
                  std::int32_t* acc) {
    static_assert(Rows == 1);
    for (std::size_t first = 0; first < nr; first += 4) {
      std::int32_t count[4] = {};
      for (std::size_t p = Bits; p-- > 0;) {
        for (std::int32_t& c : count) c *= Signed && p + 2 == Bits ? -2 : 2;
        for (std::size_t u = 0; u < units; ++u) {
          for (std::size_t j = 0; j < 4; ++j)
            count[j] += std::popcount(a[u].plane[p] & w[u * nr + first + j]);
        }
      }
      for (std::size_t j = 0; j < 4; ++j) acc[first + j] = count[j];
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
