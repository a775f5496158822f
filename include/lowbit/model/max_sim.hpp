// SPDX-License-Identifier: Apache-2.0
// Late interaction (ColBERT): the score of a document for a query, each a row per token. Every row
// of the query takes its best match among the document's rows; the score is their sum. In f32 and
// on the sign bits of encode_one_bit. Plain loops over the caller's memory, independent of any
// model.
//
// Source: https://arxiv.org/abs/2004.12832, section 3.3
#pragma once

#include "lowbit/model/embedding_search.hpp"
#include "lowbit/nn/layer_norm.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// sum over q of max over d of query_q . document_d; 0 if one of them has no rows. Rows of length 1
/// give cosine similarities.
///
/// Shapes:   query (Q, D), document (T, D)
/// Requires: query.cols == document.cols
/// Exact:    a dot product adds in the order of docs/numerics.md#lanes, the sum in that of the rows
template <class Arch = native>
[[nodiscard]] float max_sim(matrix_view<const float> query, matrix_view<const float> document) {
  using f = f32x16<Arch>;
  LOWBIT_EXPECTS(query.cols == document.cols);
  float score = 0.0F;
  for (std::size_t q = 0; q < query.rows && document.rows != 0; ++q) {
    float best = 0.0F;
    for (std::size_t d = 0; d < document.rows; ++d) {
      f sum = f::broadcast(0.0F);
      for (std::size_t c = 0; c < query.cols; c += virtual_lanes) {
        sum = fma(load_row<Arch>(query.row(q), c, query.cols),
                  load_row<Arch>(document.row(d), c, query.cols), sum);
      }
      const float similarity = reduce_add(sum);
      if (d == 0 || similarity > best) best = similarity;
    }
    score += best;
  }
  return score;
}

/// The same on sign bits: sum over q of max over d of (D - 2 * distance), the dot products of the
/// signs.
///
/// Shapes:   query (Q, words), document (T, words) of encode_one_bit, words = words_for(bits)
/// Requires: query.cols == document.cols; clear pad bits
/// Cost:     Q * T * words xor+popcount
[[nodiscard]] inline std::int64_t max_sim_one_bit(matrix_view<const word> query,
                                                  matrix_view<const word> document,
                                                  std::size_t bits) {
  LOWBIT_EXPECTS(query.cols == document.cols && query.cols == words_for(bits));
  std::int64_t score = 0;
  for (std::size_t q = 0; q < query.rows && document.rows != 0; ++q) {
    std::uint32_t nearest = hamming_distance(query.row(q), document.row(0), query.cols);
    for (std::size_t d = 1; d < document.rows; ++d) {
      const std::uint32_t distance = hamming_distance(query.row(q), document.row(d), query.cols);
      if (distance < nearest) nearest = distance;
    }
    score += static_cast<std::int64_t>(bits) - 2 * static_cast<std::int64_t>(nearest);
  }
  return score;
}

}  // namespace lowbit::inline LOWBIT_ISA
