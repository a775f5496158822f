// SPDX-License-Identifier: Apache-2.0
// GELU in integers: I-BERT's i-GELU (Kim et al. 2021, algorithm 1) on the fixed input grid 2^-14,
// so its constants are known at compile time and its bounds hold for every model.
//
// x Phi(x) with 2 Phi(x) - 1 = erf(x / sqrt 2) ~ sign(x) (1 - a (c - min(|x|, c))^2), where a =
// 0.2888 / 2 and c = 1.769 sqrt 2. Bit widths on the grid: c = 40988, its square < 2^30.7; one = 1
// / (a S^2) < 2^30.8; erf is truncated to 17 bits, and adding one gives 2 Phi in 18 bits; the
// product with x (at most 30 bits) is 64-bit and is shifted right by 17 with rounding to 31 bits.
// Maximum error against the erf form 0.0185, from the polynomial.
#pragma once

#include "lowbit/arch/integer_lanes.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct integer_gelu {
  static constexpr double input_scale = 1.0 / (1 << 14);
  static constexpr double sqrt2 = 1.41421356237309505;
  static constexpr std::int32_t clip = static_cast<std::int32_t>(1.769 * sqrt2 / input_scale + 0.5);
  static constexpr std::int32_t one =
      static_cast<std::int32_t>(2.0 / (0.2888 * input_scale * input_scale) + 0.5);
  static constexpr int cut = 14;            // bits dropped from erf
  static constexpr std::int32_t drop = 17;  // bits dropped from the product
  static constexpr double output_scale =
      input_scale * static_cast<double>(1 << drop) / (2.0 * static_cast<double>(one >> cut));

  /// A single value, |x| <= 2^30 on the grid.
  [[nodiscard]] static constexpr std::int32_t apply(std::int32_t x) {
    const std::int32_t magnitude = x < 0 ? -x : x;
    const std::int32_t left = clip - (magnitude < clip ? magnitude : clip);
    const std::int32_t erf = (one - left * left) >> cut;
    const std::int64_t twice_phi = (one >> cut) + (x < 0 ? -erf : erf);
    return static_cast<std::int32_t>((x * twice_phi + (std::int64_t{1} << (drop - 1))) >> drop);
  }
  template <class Arch>
  [[nodiscard]] static LOWBIT_INLINE i32x16<Arch> apply(i32x16<Arch> x) {
    using i = i32x16<Arch>;
    if constexpr (is_lane_by_lane<Arch>) {
      return each_lane(x, [](std::int32_t v, std::size_t) { return apply(v); });
    } else {
      const i zero = i::broadcast(0);
      const i left = i::broadcast(clip) - min(max(x, zero - x), i::broadcast(clip));
      const i erf = shift_right<cut>(i::broadcast(one) - multiply(left, left));
      const i negative = shift_right<31>(x);  // all ones where x < 0
      const i signed_erf = erf - twice(erf & negative);
      return multiply_shift(x, i::broadcast(one >> cut) + signed_erf, i::broadcast(drop));
    }
  }
};

/// ReLU on the same grid, for models trained with it.
struct integer_relu {
  static constexpr double input_scale = integer_gelu::input_scale;
  static constexpr double output_scale = input_scale;
  template <class Arch>
  [[nodiscard]] static LOWBIT_INLINE i32x16<Arch> apply(i32x16<Arch> x) {
    return max(x, i32x16<Arch>::broadcast(0));
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
