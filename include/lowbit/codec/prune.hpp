// SPDX-License-Identifier: Apache-2.0
// Magnitude pruning: sets the smallest weights or blocks of weights of a matrix to zero. Exact
// counts and a fixed tie order give the same zeros on every machine. Pruning without training costs
// accuracy; this is a baseline, not a recipe.
#pragma once

#include "lowbit/codec/sparse.hpp"

#if LOWBIT_HOSTED
#include <algorithm>
#include <cmath>
#include <numeric>
#endif

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// "pruned80"
template <unsigned Percent>
struct pruned_name {
  static_assert(Percent > 0 && Percent < 100, "lowbit: 1 to 99 % of the weights can be pruned");
  static constexpr char text[] = {
      'p', 'r', 'u', 'n', 'e', 'd', '0' + Percent / 10, '0' + Percent % 10, '\0'};
};

}  // namespace detail

/// Blocks left after pruning `percent` of `blocks`, rounded to nearest.
[[nodiscard]] constexpr std::size_t kept_blocks(std::size_t blocks, unsigned percent) {
  return blocks - (blocks * percent + 50) / 100;
}

/// sparse<Value, Block> with an encoder that first prunes Percent of the blocks.
template <unsigned Percent, class Value = f32, class Block = block<1, 1>>
struct pruned : sparse<Value, Block> {
  using base = sparse<Value, Block>;
  static constexpr const char* name = detail::pruned_name<Percent>::text;
  static constexpr double density = 1.0 - Percent / 100.0;
  static constexpr double bits_per_weight =
      Value::bits_per_weight * density + 1.0 / static_cast<double>(Block::size);
  static constexpr std::size_t row_bytes(std::size_t k) {
    return ceil_div(Value::row_bytes(k) * (100 - Percent), 100) +
           bytes_for(ceil_div(k, Block::size));
  }
  /// Weights in the kept blocks of an (n, k) matrix. Edge blocks count in full, as they are stored
  /// and multiplied.
  static constexpr std::size_t stored_weights(std::size_t n, std::size_t k) {
    return kept_blocks(ceil_div(n, Block::rows) * ceil_div(k, Block::columns), Percent) *
           Block::size;
  }
  /// Bytes of values, mask and offsets.
  static constexpr std::size_t stored_bytes(std::size_t n, std::size_t k) {
    const std::size_t rows = ceil_div(n, Block::rows);
    return stored_weights(n, k) * Value::row_bytes(1) +
           rows * bytes_for(ceil_div(k, Block::columns)) + (rows + 1) * sizeof(std::int32_t);
  }
  struct reader : base::reader {};
};

#if LOWBIT_HOSTED

/// A dense copy of w (N, K) in which at least round(sparsity * blocks) blocks of `Block` are zero:
/// those with the smallest sum of squares; among equals, the first in row-major order. For block<1,
/// 1> this orders weights by magnitude. Edge blocks count only weights inside the matrix.
///
/// Source: Han et al., NeurIPS 2015 (magnitude pruning); one threshold for the whole matrix
/// Errors: invalid_argument for a sparsity outside 0..1 or a non-finite weight
template <class Block = block<1, 1>>
result<std::vector<float>> prune_magnitude(matrix_view<const float> w, double sparsity) {
  if (!(sparsity >= 0 && sparsity <= 1)) {
    return status::error(errc::invalid_argument, "sparsity ",
                         detail::float_text(static_cast<float>(sparsity)), ", expected 0 to 1");
  }
  LOWBIT_TRY(detail::check_finite_weights(w));
  const std::size_t columns = ceil_div(w.cols, Block::columns);
  std::vector<double> squares(ceil_div(w.rows, Block::rows) * columns);
  const auto block_of = [columns](std::size_t r, std::size_t j) {
    return r / Block::rows * columns + j / Block::columns;
  };
  for (std::size_t r = 0; r < w.rows; ++r) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      const auto v = static_cast<double>(w(r, j));
      double& sum = squares[block_of(r, j)];
      sum = std::fma(v, v, sum);
    }
  }
  std::vector<std::size_t> order(squares.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto zeros = static_cast<std::size_t>(
      std::fma(sparsity, static_cast<double>(order.size()), 0.5));  // exact below 2^52 blocks
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(zeros), order.end(),
                   [&](std::size_t a, std::size_t b) {
                     return squares[a] != squares[b] ? squares[a] < squares[b] : a < b;
                   });
  std::vector<char> kept(squares.size(), 1);
  for (std::size_t i = 0; i < zeros; ++i) kept[order[i]] = 0;
  std::vector<float> out(w.rows * w.cols);
  for (std::size_t r = 0; r < w.rows; ++r) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      if (kept[block_of(r, j)] != 0) out[r * w.cols + j] = w(r, j);
    }
  }
  return out;
}

/// prune_magnitude, then the encoder of sparse<Value, Block>.
///
/// Errors: invalid_argument naming a non-finite weight
template <unsigned Percent, class Value, class Block>
result<encoded_matrix> encode(pruned<Percent, Value, Block>, matrix_view<const float> w) {
  LOWBIT_TRY_ASSIGN(const auto kept, prune_magnitude<Block>(w, Percent / 100.0));
  return encode(sparse<Value, Block>{},
                matrix_view<const float>{kept.data(), w.rows, w.cols, w.cols});
}

#endif

}  // namespace lowbit::inline LOWBIT_ISA
