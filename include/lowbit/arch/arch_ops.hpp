// SPDX-License-Identifier: Apache-2.0
// What an arch gives besides its micro-kernels: registers of floats and of 32-bit integers, masks
// of their lanes, and the operations that f32x16 and i32x16 (simd.hpp, integer_lanes.hpp) and the
// sparse tiles stand on. scalar.hpp gives everything and is the definition; the file of another
// arch gives what that arch computes in its own way. What it leaves out comes from its fallback, so
// an arch without a file of its own is its fallback under another name.
//
//   f, i, mask    a register of `width` floats (with + - * /), of integers, and which of its lanes;
//                 only the functions below look into a mask
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
