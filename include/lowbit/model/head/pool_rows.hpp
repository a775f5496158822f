// SPDX-License-Identifier: Apache-2.0
// The hidden rows of a sentence as one row. Sums run over tokens in order, column by column
// (docs/numerics.md#pooling).
#pragma once

#include "lowbit/boundary/shape.hpp"
#include "lowbit/nn/layer_norm.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Pools rows (tokens, D) to out (D).
template <class Arch>
void pool_rows(pooling_mode mode, matrix_view<const float> rows, float* out) {
  using f = f32x16<Arch>;
  const std::size_t d = rows.cols;
  const std::size_t n = rows.rows;
  const store sink{matrix_view<float>{out, 1, d, d}};
  const auto count = static_cast<float>(n);
  f divisor = f::broadcast(mode == pooling_mode::weighted_mean ? static_cast<float>(n * (n + 1) / 2)
                                                               : count);
  if (mode == pooling_mode::mean_sqrt_length) divisor = sqrt(divisor);
  for (std::size_t c = 0; c < d; c += virtual_lanes) {
    const auto row = [&](std::size_t t) { return load_row<Arch>(rows.row(t), c, d); };
    if (mode == pooling_mode::last) {
      sink(row(n - 1), 0, c);
    } else if (mode == pooling_mode::max) {
      f largest = row(0);
      for (std::size_t t = 1; t < n; ++t) largest = max(largest, row(t));
      sink(largest, 0, c);
    } else {
      f sum = f::broadcast(0.0F);
      for (std::size_t t = 0; t < n; ++t) {
        sum = mode == pooling_mode::weighted_mean
                  ? fma(f::broadcast(static_cast<float>(t + 1)), row(t), sum)
                  : sum + row(t);
      }
      sink(sum / divisor, 0, c);
    }
  }
}

}  // namespace lowbit::inline LOWBIT_ISA
