// SPDX-License-Identifier: Apache-2.0
// e^-x and tanh in integers: I-BERT's i-exp (Kim et al. 2021, algorithm 2), and a tanh based on it,
// which is float in I-BERT. Inputs are on the fixed grid ln 2 / 2^14, so x = z ln 2 + r is a shift
// and a mask, every constant is known at compile time and the bounds hold for every model.
//
// e^-r ~ a (r' + b)^2 + c for r' = -r in (-ln 2, 0], in the paper's factored form `a r'^2 + 0.9696
// r' + 1`, which is 1 at 0. On the grid S: out = one - t (b - t) with t = r / S < 2^14, b = 63992,
// t (b - t) < 2^29.6, and one = 1 / (a S^2) < 2^30.6: everything fits in 31 bits. Maximum absolute
// error 3e-3 (at r ~ 0.2), also for tanh.
#pragma once

#include "lowbit/arch/integer_lanes.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct integer_exp {
  static constexpr int grid_bits = 14;
  static constexpr double ln2 = 0.69314718055994531;
  static constexpr double a = 0.35815147;
  static constexpr double linear = 0.96963238;
  /// The step of the input grid.
  static constexpr double grid = ln2 / (1 << grid_bits);
  /// The integer that represents 1: outputs are e^-x * one.
  static constexpr std::int32_t one = static_cast<std::int32_t>(1.0 / (a * grid * grid) + 0.5);
  static constexpr std::int32_t b = static_cast<std::int32_t>(linear / (a * grid) + 0.5);
  /// Larger inputs are clamped to this, about e^-21.
  static constexpr std::int32_t largest = (31 << grid_bits) - 1;

  /// e^-(n grid) * one for a single n >= 0.
  [[nodiscard]] static constexpr std::int32_t apply(std::int32_t n) {
    const std::int32_t in = n > largest ? largest : n;
    const std::int32_t t = in & ((1 << grid_bits) - 1);
    return (one - t * (b - t)) >> (in >> grid_bits);
  }
  template <class Arch>
  [[nodiscard]] static LOWBIT_INLINE i32x16<Arch> apply(i32x16<Arch> n) {
    using i = i32x16<Arch>;
    if constexpr (is_lane_by_lane<Arch>) {
      return each_lane(n, [](std::int32_t x, std::size_t) { return apply(x); });
    } else {
      const i in = min(n, i::broadcast(largest));
      const i t = in & i::broadcast((1 << grid_bits) - 1);
      const i power = i::broadcast(one) - multiply(t, i::broadcast(b) - t);
      return shift_right(power, shift_right<grid_bits>(in));
    }
  }
};

/// tanh as an int8 code with scale 1 / 127: sign(x) (1 - e) / (1 + e) with e = e^-2|x|, rounded.
struct integer_tanh {
  static constexpr double input_scale = integer_exp::grid;
  static constexpr double output_scale = 1.0 / 127;

  /// x on the grid of i-exp, |x| <= 2^30. 127 (one - e) has 38 bits.
  [[nodiscard]] static constexpr std::int8_t apply(std::int32_t x) {
    const std::int32_t e = integer_exp::apply(x < 0 ? -2 * x : 2 * x);
    const std::int64_t below = std::int64_t{integer_exp::one} + e;
    const std::int64_t above = 127 * (std::int64_t{integer_exp::one} - e);
    const auto code = static_cast<std::int32_t>((above + below / 2) / below);
    return static_cast<std::int8_t>(x < 0 ? -code : code);
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
