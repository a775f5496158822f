// SPDX-License-Identifier: Apache-2.0
// The operations of an arch other than its micro-kernels: registers of floats and of 32-bit
// integers, lane masks, and the primitives that f32x16 and i32x16 (simd.hpp, integer_lanes.hpp) and
// the sparse tiles are built on. scalar.hpp is the complete reference definition; the file of
// another arch overrides what that arch does differently and inherits the rest from its fallback.
// An arch without its own file is its fallback under another name.
//
//   f, i, mask    a register of `width` floats (with + - * /), of integers, a set of its lanes;
//                 masks are accessed only through the functions below
//   quads         four int8 codes in an integer lane (kernel/op.hpp)
#pragma once

#include <cstddef>
#include <cstdint>

#include "lowbit/arch/tags.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Arch>
struct arch_ops : arch_ops<typename Arch::fallback> {
  static_assert(Arch::compiled,
                "lowbit: this translation unit was not compiled for the requested arch; pass the "
                "matching -m flags "
                "(docs/overview.md#instruction-sets) or ask for lowbit::native");
};

}  // namespace lowbit::inline LOWBIT_ISA
