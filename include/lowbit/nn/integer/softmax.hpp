// SPDX-License-Identifier: Apache-2.0
// Softmax in integers (I-BERT, section 3.5): i-exp of the difference to the row's maximum score,
// truncated to 16 bits, times floor(2^30 / sum). Probabilities are on the grid 2^-8, 0..255 (256
// becomes 255), and are written as the signed codes p - 128 that int8 products read; the product
// with the values must add 128 times the sum of the values.
//
// Bit widths: one exponential < 2^15.6; a sum of at most 2^16 of them < 2^31.6 in 64 bits (16 lanes
// of 2^12 each < 2^27.6 in 32); the factor < 2^14.5; exponential times factor <= 2^30.
#pragma once

#include <cstring>

#include "lowbit/nn/integer/exp.hpp"
#include "lowbit/nn/integer/requantize.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct integer_softmax {
  static constexpr int exp_cut = 15;  // bits dropped from an exponential
  static constexpr double output_scale = 1.0 / 256;
  static constexpr std::int32_t offset = 128;

  /// codes[j] = round(256 softmax(x)_j) - 128 for j < length; returns their sum. Scores are within
  /// 127^2 2^16, so differences fit in 32 bits; length <= 2^16. x is overwritten, and both x and
  /// codes must have room up to the next multiple of 16; codes past the end are set to zero.
  template <class Arch>
  [[nodiscard]] static std::int32_t run(std::int32_t* x, std::size_t length,
                                        const dyadic& to_exp_grid, std::int8_t* codes) {
    using i = i32x16<Arch>;
    const std::size_t padded = round_up(length, virtual_lanes);
    const auto fill = [&](std::int32_t value) {
      for (std::size_t j = length; j < padded; ++j) x[j] = value;
    };
    fill(x[0]);
    i top = i::load(x);
    for (std::size_t j = virtual_lanes; j < padded; j += virtual_lanes)
      top = max(top, i::load(x + j));
    const i largest = i::broadcast(reduce_max(top));
    const dyadic_lanes<Arch> ratio(to_exp_grid);
    for (std::size_t j = 0; j < padded; j += virtual_lanes) {
      const i below = ratio.apply(largest - i::load(x + j));
      shift_right<exp_cut>(integer_exp::apply(below)).store(x + j);
    }
    fill(0);
    i sum = i::broadcast(0);
    for (std::size_t j = 0; j < padded; j += virtual_lanes) sum = sum + i::load(x + j);
    const i factor = i::broadcast(static_cast<std::int32_t>((std::int64_t{1} << 30) / total(sum)));
    i codes_sum = i::broadcast(0);
    for (std::size_t j = 0; j < padded; j += virtual_lanes) {
      const i scaled = multiply(i::load(x + j), factor) + i::broadcast(1 << 21);
      const i p = min(shift_right<22>(scaled), i::broadcast(255));
      codes_sum = codes_sum + p;
      (p - i::broadcast(offset)).store_low_bytes(codes + j);
    }
    std::memset(codes + length, 0, padded - length);
    return reduce_add(codes_sum) - offset * static_cast<std::int32_t>(length);
  }

 private:
  template <class Arch>
  static std::int64_t total(i32x16<Arch> sums) {
    std::int32_t lane[virtual_lanes];
    sums.store(lane);
    std::int64_t sum = 0;
    for (const std::int32_t l : lane) sum += l;
    return sum;
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
