// SPDX-License-Identifier: Apache-2.0
// Bi-Attention (BiBERT, section 3.2): a = bool(q k^T), c = a v with one-bit q, k and v. No softmax,
// scale or float: both products end in an integer compare. torch rule: a = score > 0, c keeps its
// zeros; plus-one rule: a = score >= 0, c >= 0 becomes +1.
#pragma once

#include "lowbit/nn/attention.hpp"
#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Arch>
class bi_attention_layer {
 public:
  static constexpr bool keeps_zeros = std::is_same_v<typename Policy::zero, zero_is_zero>;
  using projected = word;  // q, k, v as sign rows
  using context = std::conditional_t<keeps_zeros, trit_word, word>;
  static constexpr std::int32_t score_threshold = keeps_zeros ? 1 : 0;

  constexpr status load(arena&, const weight_set&, std::size_t, const model_shape& shape) {
    heads_ = shape.heads;
    width_ = shape.head_width();
    return {};
  }

  /// Views into the caller's workspace.
  template <bool Observed>
  struct workspace {
    packed_heads<xor_popcount, and_popcount, Arch> heads;
    std::size_t bit_stride = 0;
    word* queries = nullptr;         // per worker: (query_block, words of a head)
    word* bits = nullptr;            // per worker: (query_block, words of the longest sentence)
    std::int32_t* counts = nullptr;  // per worker: (query_block)
    observation_rows<Observed> observed;

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      heads.plan(memory, shape.heads, shape.head_width(), limits);
      bit_stride = words_for(limits.longest);
      const std::size_t rows = limits.workers * query_block;
      queries = memory.take<word>(rows * words_for(shape.head_width()));
      bits = memory.take<word>(rows * bit_stride);
      counts = memory.take<std::int32_t>(rows);
      observed.plan(memory, shape, limits);
    }
  };

  template <bool Observed, executor Executor>
  void prepare(const workspace<Observed>& w, matrix_view<const word> k, matrix_view<const word> v,
               const token_batch& batch, Executor& executor) const {
    executor.run(batch.sentences * heads_, [&](std::size_t task, std::size_t) {
      pack_bit_head(w.heads, k, v, batch, task / heads_, task % heads_, width_);
    });
  }

  /// Computes context rows and, if zeros are kept, the number of nonzeros per row.
  template <bool Observed, executor Executor, class Observer>
  void run(const workspace<Observed>& w, matrix_view<const word> q, const query_blocks& blocks,
           matrix_view<context> out, std::int32_t* row_counts, Executor& executor,
           Observer& observer) const {
    executor.run(blocks.tasks(), [&](std::size_t task, std::size_t worker) {
      const query_span span = blocks.span(task);
      const matrix_view<context> rows = out.rows_from(span.first, span.count);
      for (std::size_t r = 0; r < rows.rows; ++r) {
        for (std::size_t u = 0; u < rows.cols; ++u) rows(r, u) = context{};
      }
      for (std::size_t head = 0; head < heads_; ++head) {
        run_head<Observed>(w, q, blocks.batch, span, head, rows, worker, observer);
      }
      if constexpr (keeps_zeros) {
        for (std::size_t r = 0; r < rows.rows; ++r) {
          row_counts[span.first + r] = count_nonzeros(rows.row(r), rows.cols);
        }
      }
    });
  }

 private:
  template <bool Observed, class Observer>
  void run_head(const workspace<Observed>& w, matrix_view<const word> q, const token_batch& batch,
                const query_span& span, std::size_t head, matrix_view<context> rows,
                std::size_t worker, Observer& observer) const {
    const std::size_t length = batch.length(span.sentence);
    const std::size_t words = words_for(length);
    const std::size_t at = worker * query_block;
    const matrix_view<word> on{w.bits + at * w.bit_stride, span.count, words, w.bit_stride};
    std::int32_t* counts = w.counts + at;
    const auto queries = bit_queries(q, span, head, width_, w.queries + at * words_for(width_));
    const auto keys = w.heads.key_view(head, span.sentence, batch);
    serial here;
    clear_pad_words(on);
    gemm<xor_popcount, Arch>(
        queries, keys,
        make_to_bits<bit_marks::at_least>(on, length, constant_threshold{score_threshold}), here);
    if constexpr (Observed) {
      const matrix_view<float> scores = w.observed.rows(span.count, length);
      const float scale = 1.0F / __builtin_sqrtf(static_cast<float>(width_));
      gemm<xor_popcount, Arch>(queries, keys, to_float{} | scale_by{scale} | store{scores}, here);
      observer.scores(span, head, scores);
    }
    for (std::size_t r = 0; r < span.count; ++r) counts[r] = count_ones(on.row(r), words);
    const activation_rows<and_popcount> attention{on, length, counts};
    const auto values = w.heads.value_view(head, span.sentence, batch);
    if constexpr (keeps_zeros) {
      gemm<and_popcount, Arch>(attention, values, to_trits{rows, width_, head * width_}, here);
    } else {
      gemm<and_popcount, Arch>(
          attention, values,
          make_to_bits<bit_marks::below>(rows, width_, constant_threshold{0}, head * width_), here);
    }
    if constexpr (Observed) {
      const matrix_view<float> sums = w.observed.rows(span.count, width_);
      gemm<and_popcount, Arch>(attention, values, to_float{} | store{sums}, here);
      observer.context(span, head, sums);
    }
  }

  std::size_t heads_ = 0;
  std::size_t width_ = 0;
};

}  // namespace lowbit::inline LOWBIT_ISA
