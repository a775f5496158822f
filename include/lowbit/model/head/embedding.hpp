// SPDX-License-Identifier: Apache-2.0
// Sentence embeddings: one unit vector per sentence, from the mean of its hidden rows or from its
// first one. Dot products of two of them are cosine similarities.
#pragma once

#include "lowbit/model/encoder.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// e = p / max(|p|, 1e-12), where p is h_0 or the mean over all tokens of the sentence, including
/// [CLS] and [SEP], as in sentence-transformers. Sums over tokens are in token order.
template <head_kind Kind, class Arch>
class embedding_head {
 public:
  static_assert(Kind == head_kind::mean_embedding || Kind == head_kind::cls_embedding);
  static constexpr head_kind kind = Kind;
  static constexpr hidden_rows reads =
      Kind == head_kind::cls_embedding ? hidden_rows::first_tokens : hidden_rows::all_tokens;

  struct workspace {
    static constexpr void plan(arena&, const model_shape&, const batch_limits&) {}
  };

  static status load(arena&, const weight_set&, const model_shape&) { return {}; }

  [[nodiscard]] static std::size_t output_rows(const token_input& in) { return in.batch.sentences; }
  [[nodiscard]] static std::size_t output_cols(const model_shape& shape) { return shape.hidden; }
  [[nodiscard]] static status check(const token_input&) { return {}; }

  /// Computes embeddings (sentences, D).
  template <executor Executor, class Observer>
  void run(const encoder_output& encoded, const token_input& in, workspace&,
           matrix_view<float> embeddings, Executor& executor, Observer&) const {
    executor.run(in.batch.sentences, [&](std::size_t s, std::size_t) {
      const std::size_t first = Kind == head_kind::cls_embedding ? 0 : in.batch.begin(s);
      const std::size_t count = Kind == head_kind::cls_embedding ? 1 : in.batch.length(s);
      const matrix_view<const float> tokens =
          Kind == head_kind::cls_embedding
              ? matrix_view<const float>{encoded.first_row(s), 1, encoded.hidden.cols,
                                         encoded.hidden.stride}
              : encoded.hidden.rows_from(first, count);
      normalise_mean(tokens, embeddings, s);
    });
  }

 private:
  using f = f32x16<Arch>;

  static void normalise_mean(matrix_view<const float> tokens, matrix_view<float> out,
                             std::size_t s) {
    const store sink{out};
    const std::size_t cols = tokens.cols;
    const f count = f::broadcast(static_cast<float>(tokens.rows));
    f squares = f::broadcast(0.0F);
    for (std::size_t c = 0; c < cols; c += virtual_lanes) {
      f sum = f::broadcast(0.0F);
      for (std::size_t t = 0; t < tokens.rows; ++t)
        sum = sum + load_row<Arch>(tokens.row(t), c, cols);
      const f mean = sum / count;
      squares = fma(mean, mean, squares);
      sink(mean, s, c);
    }
    f length = sqrt(f::broadcast(reduce_add(squares)));
    length = length + (length - length);  // infinity becomes NaN instead of dividing to 0
    const f divisor = max(f::broadcast(1e-12F), length);
    for (std::size_t c = 0; c < cols; c += virtual_lanes)
      sink(load_row<Arch>(out.row(s), c, cols) / divisor, s, c);
  }
};

template <class Arch>
using mean_embedding_head = embedding_head<head_kind::mean_embedding, Arch>;
template <class Arch>
using cls_embedding_head = embedding_head<head_kind::cls_embedding, Arch>;

}  // namespace lowbit::inline LOWBIT_ISA
