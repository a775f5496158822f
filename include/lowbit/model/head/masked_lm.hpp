// SPDX-License-Identifier: Apache-2.0
// Masked language model: vocabulary logits for the token rows listed in token_input::masked only.
// The decoder is tied to the word embeddings, whose rows are decoded one at a time, so it takes no
// extra memory. Transform and layer norm are f32.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/model/encoder.hpp"
#include "lowbit/nn/activate_rows.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Dot products of Rows adjacent rows of x with one word's embedding.
template <std::size_t Rows, class Arch>
LOWBIT_NOINLINE void dot_with_word(matrix_view<const float> x, std::size_t row,
                                   const float* embedding, float bias, float* logits,
                                   std::size_t stride) {
  using f = f32x16<Arch>;
  f sum[Rows];
  for (f& s : sum) s = f::broadcast(0.0F);
  for_each_column(x.cols, [&](auto c) {
    const f word_lanes = load_row<Arch>(embedding, c, x.cols);
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r)
      sum[r] = fma(load_row<Arch>(x.row(row + r), c, x.cols), word_lanes, sum[r]);
  });
  for (std::size_t r = 0; r < Rows; ++r) logits[r * stride] = reduce_add(sum[r]) + bias;
}

}  // namespace detail

/// logits_v = LN(g(W h + b)) . word_v + bias_v with the shape's masked_lm_act g; each dot product
/// is one reduction in the order of docs/numerics.md#lanes.
template <class Codec, class Arch>
class masked_lm_head {
 public:
  static constexpr head_kind kind = head_kind::masked_lm;
  [[nodiscard]] static constexpr hidden_rows reads() { return hidden_rows::all_tokens; }
  static constexpr std::size_t block = 32;  ///< token rows per pass over the vocabulary

  struct workspace {
    matrix_view<float> gathered;     // (block, D)
    matrix_view<float> transformed;  // (block, E)
    matrix_view<float> normalised;   // (block, E): shares the memory of gathered
    matrix_view<float> word;         // (workers, E): the current word embedding

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      const std::size_t e = shape.embedding_width();
      gathered = memory.take_matrix<float>(block, shape.hidden, float_stride(shape.hidden));
      normalised = gathered;
      normalised.cols = e;
      transformed = memory.take_matrix<float>(block, e, float_stride(e));
      word = memory.take_matrix<float>(limits.workers, e, float_stride(e));
    }
  };

  LOWBIT_COLD status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    vocabulary_ = shape.vocabulary;
    activation_ = shape.masked_lm_act;
    const std::size_t e = shape.embedding_width();
    LOWBIT_TRY(transform_.load(memory, weights, part_name(model_part::masked_lm_transform), e,
                               shape.hidden));
    LOWBIT_TRY(norm_.load(memory, weights, part_name(model_part::masked_lm_norm), e,
                          shape.layer_norm_eps));
    if (memory.measuring()) return {};
    LOWBIT_TRY(weights.get(part_name(model_part::masked_lm)(".bias").view(), element_type::f32, 1,
                           vocabulary_, bias_));
    return words_.load(weights, shape);
  }

  [[nodiscard]] static std::size_t output_rows(const token_input& in) { return in.masked.count; }
  [[nodiscard]] static std::size_t output_cols(const model_shape& shape) {
    return shape.vocabulary;
  }
  [[nodiscard]] static status check(const token_input& in) {
    const std::size_t tokens = in.batch.tokens();
    for (std::size_t i = 0; i < in.masked.count; ++i) {
      if (in.masked[i] < tokens) continue;
      return status::error(errc::invalid_argument, "masked token ", in.masked[i],
                           ", expected 0 to ", tokens - 1);
    }
    return {};
  }

  /// Computes logits (masked, V).
  template <executor Executor, class Observer>
  void run(const encoder_output& encoded, const token_input& in, workspace& w,
           matrix_view<float> logits, Executor& executor, Observer&) const {
    for (std::size_t begin = 0; begin < in.masked.count; begin += block) {
      const std::size_t left = in.masked.count - begin;
      const std::size_t rows = left < block ? left : block;
      for (std::size_t r = 0; r < rows; ++r) {
        std::memcpy(w.gathered.row(r), encoded.hidden.row(in.masked[begin + r]),
                    w.gathered.cols * sizeof(float));
      }
      transform_.run(activation_rows<mul_add>{w.gathered.rows_from(0, rows), w.gathered.cols},
                     transform_.to_output(nullptr) | store{w.transformed}, executor);
      activate_rows<Arch>(activation_, w.transformed.rows_from(0, rows), executor);
      norm_.run(w.transformed.rows_from(0, rows), store{w.normalised}, executor);
      decode(w, rows, logits.rows_from(begin, rows), executor);
    }
  }

 private:
  template <executor Executor>
  void decode(const workspace& w, std::size_t rows, matrix_view<float> logits,
              Executor& executor) const {
    constexpr std::size_t words_per_task = 256;
    executor.run(ceil_div(vocabulary_, words_per_task), [&](std::size_t task, std::size_t worker) {
      const std::size_t first = task * words_per_task;
      float* const embedding = w.word.row(worker);
      for (std::size_t v = first; v < first + words_per_task && v < vocabulary_; ++v) {
        words_.read(v, embedding);
        const auto multiply = [&]<std::size_t Rows>(std::size_t r) {
          detail::dot_with_word<Rows, Arch>(w.normalised, r, embedding, bias_.at(v),
                                            logits.row(r) + v, logits.stride);
          return r + Rows;
        };
        std::size_t r = 0;
        while (r + 4 <= rows) r = multiply.template operator()<4>(r);
        while (r < rows) r = multiply.template operator()<1>(r);
      }
    });
  }

  std::size_t vocabulary_ = 0;
  activation_function activation_ = activation_function::gelu;
  linear<linear_format<f32, activation::f32>, Arch> transform_;
  layer_norm<Arch> norm_;
  stored_tensor bias_;  // (V)
  word_table<Codec> words_;
};

}  // namespace lowbit::inline LOWBIT_ISA
