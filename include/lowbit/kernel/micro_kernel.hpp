// SPDX-License-Identifier: Apache-2.0
// The whole surface of an arch: one register tile per op. A specialisation states its tile and
// computes
//   acc[r * nr + j] = sum over u < units of op(a[r * stride + u], w[u * nr + j])      r < Rows <=
//   mr, j < nr
// where w is one panel of the interleaved layout of pack/interleaved.hpp. Loops over panels, tails,
// packing and epilogues are the driver's. nr is a multiple of the 16 virtual lanes. The tile of
// mul_add can also continue a sum, run<Rows, true>: that of decoded_mul_add is the same, and its
// kernel only turns codes into floats. Sparse products have one set of loops for all archs
// (sparse_tiles.hpp); an arch states their tile.
#pragma once

#include "lowbit/arch/tags.hpp"
#include "lowbit/kernel/op.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Op, class Arch>
struct micro_kernel;  // undefined: an arch without a kernel for Op is found by selected_kernel
                      // through its fallback

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

/// The micro-kernel of Op for Arch or for the nearest arch below it.
template <class Op, class Arch>
using selected_kernel = typename decltype(detail::select_kernel<Op, Arch>::pick())::type;

/// Sizes of the register tiles of sparse products: of Arch, or of the nearest arch below it that
/// states its own.
template <class Arch>
struct sparse_tile : sparse_tile<typename Arch::fallback> {};

}  // namespace lowbit::inline LOWBIT_ISA
