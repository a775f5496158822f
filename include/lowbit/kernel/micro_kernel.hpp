// SPDX-License-Identifier: Apache-2.0
// The complete interface of an arch: one register tile per op. A specialisation defines its tile
// size and computes
//   acc[r * nr + j] = sum over u < units of op(a[r * stride + u], w[u * nr + j])
// for r < Rows <= mr, j < nr, where w is one panel of the interleaved layout of
// pack/interleaved.hpp. The driver handles loops over panels, tails, packing and epilogues. nr is a
// multiple of the 16 virtual lanes. The mul_add tile can also continue a sum, with add<Rows>;
// decoded_mul_add uses the same tile, and its kernel only decodes codes to floats. Sparse products
// share one set of loops for all archs (sparse_tiles.hpp); an arch defines only their tile sizes.
#pragma once

#include "lowbit/arch/tags.hpp"
#include "lowbit/kernel/op.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Op, class Arch>
struct micro_kernel;  // undefined: selected_kernel searches the fallbacks of an arch that has no
                      // kernel for Op

template <class Op, class Arch>
concept has_micro_kernel = requires {
  micro_kernel<Op, Arch>::nr;
};

namespace detail {

template <class Op, class Arch>
struct select_kernel {
  static_assert(!std::is_void_v<Arch>, "lowbit: this op has no kernel, not even a scalar one");
  static_assert(Arch::compiled,
                "lowbit: this translation unit was not compiled for the requested arch; pass the "
                "matching -m flags "
                "(docs/overview.md#instruction-sets) or ask for lowbit::native");
  static constexpr auto pick() {
    if constexpr (has_micro_kernel<Op, Arch>) {
      return std::type_identity<micro_kernel<Op, Arch>>{};
    } else {
      return select_kernel<Op, typename Arch::fallback>::pick();
    }
  }
};

}  // namespace detail

/// The micro-kernel of Op for Arch or its nearest fallback.
template <class Op, class Arch>
using selected_kernel = typename decltype(detail::select_kernel<Op, Arch>::pick())::type;

/// Register tile sizes of sparse products, from Arch or its nearest fallback that defines them.
template <class Arch>
struct sparse_tile : sparse_tile<typename Arch::fallback> {};

}  // namespace lowbit::inline LOWBIT_ISA
