// SPDX-License-Identifier: Apache-2.0
// Sentence embeddings: the hidden rows of a sentence pooled to one vector, of length 1 unless the
// shape says otherwise. Dot products of two unit vectors are cosine similarities.
#pragma once

#include "lowbit/model/encoder.hpp"
#include "lowbit/model/head/pool_rows.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// row (cols) /= max(|row|, 1e-12), with the sum of squares in the order of a dot product.
template <class Arch>
void normalise_row(float* row, std::size_t cols) {
  using f = f32x16<Arch>;
  f squares = f::broadcast(0.0F);
  for (std::size_t c = 0; c < cols; c += virtual_lanes) {
    const f x = load_row<Arch>(row, c, cols);
    squares = fma(x, x, squares);
  }
  f length = sqrt(f::broadcast(reduce_add(squares)));
  length = length + (length - length);  // infinity becomes NaN instead of dividing to 0
  const f divisor = max(f::broadcast(1e-12F), length);
  const store sink{matrix_view<float>{row, 1, cols, cols}};
  for (std::size_t c = 0; c < cols; c += virtual_lanes)
    sink(load_row<Arch>(row, c, cols) / divisor, 0, c);
}

/// e = p / max(|p|, 1e-12) or, if the shape is not normalised, p: the vectors of its modes, one
/// after the other in the order of pooling_mode. Pooling is over all tokens of the sentence,
/// including [CLS] and [SEP], in token order, as in sentence-transformers. Padding, which only
/// policies with ranges over the batch have, is pooled by mean_embedding and by no other head.
template <class Arch>
class embedding_head {
 public:
  static constexpr head_kind kind = head_kind::mean_embedding;
  [[nodiscard]] static constexpr bool serves(head_kind head) { return is_embedding(head); }

  struct workspace {
    static constexpr void plan(arena&, const model_shape&, const batch_limits&) {}
  };

  status load(arena&, const weight_set&, const model_shape& shape) {
    modes_ = shape.pooling_bits();
    pools_padding_ = shape.head == head_kind::mean_embedding;
    normalised_ = shape.normalised;
    return {};
  }

  [[nodiscard]] hidden_rows reads() const {
    return modes_ == bit_of(pooling_mode::cls) ? hidden_rows::first_tokens
                                               : hidden_rows::all_tokens;
  }
  [[nodiscard]] static std::size_t output_rows(const token_input& in) { return in.batch.sentences; }
  [[nodiscard]] static std::size_t output_cols(const model_shape& shape) {
    return shape.output_width();
  }
  [[nodiscard]] static status check(const token_input&) { return {}; }

  /// Computes embeddings (sentences, modes * D).
  template <executor Executor, class Observer>
  void run(const encoder_output& encoded, const token_input& in, workspace&,
           matrix_view<float> embeddings, Executor& executor, Observer&) const {
    executor.run(in.batch.sentences, [&](std::size_t s, std::size_t) {
      const std::size_t d = encoded.hidden.cols;
      float* out = embeddings.row(s);
      for (std::size_t m = 0; m < pooling_modes; ++m) {
        const auto mode = static_cast<pooling_mode>(m);
        if ((modes_ & bit_of(mode)) == 0) continue;
        const matrix_view<const float> rows =
            mode == pooling_mode::cls
                ? matrix_view<const float>{encoded.first_row(s), 1, d, encoded.hidden.stride}
                : encoded.hidden.rows_from(in.batch.begin(s), tokens_of(in.batch, s));
        pool_rows<Arch>(mode, rows, out);
        out += d;
      }
      if (normalised_) normalise_row<Arch>(embeddings.row(s), embeddings.cols);
    });
  }

 private:
  [[nodiscard]] std::size_t tokens_of(const token_batch& batch, std::size_t s) const {
    return pools_padding_ ? batch.length(s) : batch.valid_length(s);
  }

  std::size_t modes_ = 0;  // a bit each
  bool normalised_ = true;
  bool pools_padding_ = false;
};

}  // namespace lowbit::inline LOWBIT_ISA
