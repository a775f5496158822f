// SPDX-License-Identifier: Apache-2.0
// Where a run produced a non-finite value (nn/row_marks.hpp), and the corresponding error.
#pragma once

#include "lowbit/boundary/weights.hpp"
#include "lowbit/model/token_input.hpp"
#include "lowbit/nn/row_marks.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Layer 0 is the embeddings; l + 1 is encoder layer l.
struct overflow {
  static constexpr std::size_t nowhere = ~std::size_t{0};
  std::size_t layer = nowhere;
  std::size_t sentence = 0;

  [[nodiscard]] explicit operator bool() const { return layer != nowhere; }
};

[[nodiscard]] inline std::size_t sentence_of(const token_batch& batch, std::size_t token) {
  std::size_t s = 0;
  while (s + 1 < batch.sentences && batch.begin(s + 1) <= token) ++s;
  return s;
}

/// The sentence of row `row` of a head's output.
[[nodiscard]] inline std::size_t sentence_of_output(head_kind kind, const token_input& in,
                                                    std::size_t row) {
  switch (kind) {
    case head_kind::token:
    case head_kind::span:
      return sentence_of(in.batch, row);
    case head_kind::masked_lm:
      return sentence_of(in.batch, in.masked[row]);
    default:
      return row;
  }
}

/// The first marked row of a layer. first_tokens: row s is the first token of sentence s.
template <class Marks>
[[nodiscard]] LOWBIT_NOINLINE overflow find_overflow(const Marks& marks, std::size_t layer,
                                                     const token_batch& batch, bool first_tokens) {
  const std::size_t rows = first_tokens ? batch.sentences : batch.tokens();
  const std::size_t row = marks.first(rows);
  if (row == rows) return {};
  return {layer, first_tokens ? row : sentence_of(batch, row)};
}

/// The first row of m (M, N) with a non-finite value, or M if there is none.
template <class Arch>
[[nodiscard]] LOWBIT_NOINLINE std::size_t first_overflow(matrix_view<const float> m) {
  for (std::size_t r = 0; r < m.rows; ++r) {
    largest_magnitude<Arch> largest;
    std::size_t c = 0;
    for (; c + virtual_lanes <= m.cols; c += virtual_lanes)
      largest.add(f32x16<Arch>::load(m.row(r) + c));
    if (c < m.cols) largest.add(f32x16<Arch>::load_first(m.row(r) + c, m.cols - c));
    if (!largest.finite()) return r;
  }
  return m.rows;
}

[[nodiscard]] LOWBIT_NOINLINE inline status overflow_error(std::size_t sentence,
                                                           std::string_view place) {
  return status::error(errc::not_finite, "sentence ", sentence, ", ", place,
                       ": a value is not finite; the weights are too large for float32");
}
[[nodiscard]] LOWBIT_NOINLINE inline status overflow_error(const overflow& at) {
  if (at.layer == 0) return overflow_error(at.sentence, "embeddings");
  return overflow_error(at.sentence, tensor_name("encoder layer ", at.layer - 1).view());
}

}  // namespace lowbit::inline LOWBIT_ISA
