// SPDX-License-Identifier: Apache-2.0
// Activations between layers in the encoding that the next product reads: which element a row is
// made of, how rows are filled from layer-norm lanes or from the accumulators of the previous
// layer.
#pragma once

#include "lowbit/nn/linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Rows of one input encoding. f32 rows are the float rows themselves; every other encoding has its
/// own memory.
template <class Format>
struct encoded_rows {
  using op = typename Format::op;
  using element = typename op::activation;
  static constexpr bool is_float = std::is_same_v<element, float>;
  static constexpr bool counted =
      std::is_same_v<op, and_popcount> || std::is_same_v<op, ternary_popcount>;

  matrix_view<element> rows;  // (T, units)
  std::size_t k = 0;
  std::int32_t* counts = nullptr;  // (T), where the op's term needs it

  constexpr void plan(arena& memory, std::size_t tokens, std::size_t cols) {
    k = cols;
    const std::size_t stride = is_float ? float_stride(cols) : op::units(cols);
    rows = memory.take_matrix<element>(tokens, op::units(cols), stride);
    if (counted) counts = memory.take<std::int32_t>(tokens);
  }
  [[nodiscard]] activation_rows<op> first(std::size_t m) const {
    return {rows.rows_from(0, m), k, counts};
  }
  void clear_pad(std::size_t m) const {
    if constexpr (std::is_same_v<element, word>) clear_pad_words(rows.rows_from(0, m));
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
