// SPDX-License-Identifier: Apache-2.0
// The kernel layout: outputs in panels of nr, units (words or floats) of the inner dimension in
// order, the nr outputs of one unit side by side. One vector load is the same unit of neighbouring
// outputs.
//
//   panel 0                                panel 1
//   [u0: n0 n1 .. n(nr-1)] [u1: n0 ..] ..  [u0: n(nr) ..] ..
//
// Missing outputs of the last panel are zeros; the epilogue drops their results.
#pragma once

#include "lowbit/core/bits.hpp"
#include "lowbit/gemm/micro_kernel.hpp"
#include "lowbit/tensor/arena.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// (N, K) weights of Op in the layout that selected_kernel<Op, Arch> reads.
template <class Op, class Arch>
struct packed_weights {
  static constexpr std::size_t nr = selected_kernel<Op, Arch>::nr;

  const typename Op::weight* data = nullptr;
  std::size_t n = 0;      // outputs
  std::size_t k = 0;      // true inner size
  std::size_t units = 0;  // Op::units(k)

  [[nodiscard]] static constexpr std::size_t elements(std::size_t n, std::size_t k) {
    return round_up(n, nr) * Op::units(k);
  }
  [[nodiscard]] constexpr std::size_t panels() const { return ceil_div(n, nr); }
  [[nodiscard]] constexpr const typename Op::weight* panel(std::size_t p) const {
    return data + p * units * nr;
  }
};

/// Packs element(n, u), the unit u of output n, for n < N into `memory` of
/// packed_weights::elements(N, K).
template <class Op, class Arch, class Element>
packed_weights<Op, Arch> pack(typename Op::weight* memory, std::size_t n, std::size_t k,
                              Element element) {
  using packed = packed_weights<Op, Arch>;
  const packed view{memory, n, k, Op::units(k)};
  for (std::size_t first = 0; first < n; first += packed::nr) {
    typename Op::weight* panel = memory + first * view.units;
    for (std::size_t j = 0; j < packed::nr; ++j) {
      const bool present = first + j < n;
      for (std::size_t u = 0; u < view.units; ++u) {
        panel[u * packed::nr + j] = present ? element(first + j, u) : typename Op::weight{};
      }
    }
  }
  return view;
}

/// The inverse of pack, unit by unit.
template <class Op, class Arch>
[[nodiscard]] constexpr typename Op::weight unpack(const packed_weights<Op, Arch>& w, std::size_t n,
                                                   std::size_t u) {
  return w.panel(n / w.nr)[u * w.nr + n % w.nr];
}

}  // namespace lowbit::inline LOWBIT_ISA
