// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention in integers (I-BERT, section 3): int8 q, k and v, integer softmax,
// int8 context, one head and a block of queries at a time. 1 / sqrt(d) is folded into a dyadic
// ratio.
//
// Probabilities p are 0..255, stored as codes p - 128, so context = sum_t (p - 128) v + 128 sum_t
// v; the second sum does not depend on the query and is computed once per sentence. For at most
// 2^16 tokens and channels, each sum is below 2^30.
#pragma once

#include "lowbit/nn/attention.hpp"
#include "lowbit/nn/integer/softmax.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Keys (T, d) and transposed values (d, T) of every sentence and head, packed as right operands of
/// int8 products.
template <class Arch>
class integer_heads {
 public:
  using op = code_dot<8>;
  using packed = packed_weights<op, Arch>;

  constexpr void plan(arena& memory, std::size_t heads, std::size_t width,
                      const batch_limits& limits) {
    width_ = width;
    key_panels_ = limits.tokens / packed::nr + limits.sentences;
    value_units_ = limits.tokens / op::depth + limits.sentences;
    keys_ = memory.take<std::byte>(heads * key_panels_ * key_panel_bytes());
    values_ = memory.take<std::byte>(heads * value_units_ * value_unit_bytes());
  }

  /// The s sentences before token `begin` fill at most begin / nr + s panels (and likewise units of
  /// values), because each has at most one partly filled panel.
  [[nodiscard]] std::byte* key_memory(std::size_t head, std::size_t s, std::size_t begin) const {
    return keys_ + (head * key_panels_ + begin / packed::nr + s) * key_panel_bytes();
  }
  [[nodiscard]] std::byte* value_memory(std::size_t head, std::size_t s, std::size_t begin) const {
    return values_ + (head * value_units_ + begin / op::depth + s) * value_unit_bytes();
  }
  [[nodiscard]] packed keys(std::size_t head, std::size_t s, const token_batch& batch) const {
    return {key_memory(head, s, batch.begin(s)), batch.length(s), width_, op::units(width_)};
  }
  [[nodiscard]] packed values(std::size_t head, std::size_t s, const token_batch& batch) const {
    const std::size_t length = batch.length(s);
    return {value_memory(head, s, batch.begin(s)), width_, length, op::units(length)};
  }

 private:
  [[nodiscard]] constexpr std::size_t key_panel_bytes() const {
    return op::panel_elements(width_, packed::nr);
  }
  /// Panels of values consist of whole units: nr is a multiple of 16.
  [[nodiscard]] constexpr std::size_t value_unit_bytes() const {
    return round_up(width_, packed::nr) * op::depth;
  }

  std::size_t width_ = 0;
  std::size_t key_panels_ = 0;
  std::size_t value_units_ = 0;
  std::byte* keys_ = nullptr;
  std::byte* values_ = nullptr;
};

template <class Arch>
class integer_attention_layer {
 public:
  using op = code_dot<8>;

  struct scales {
    double query, key, value, context;
  };
  status load(const tensor_name& layer, const model_shape& shape, const scales& s) {
    heads_ = shape.heads;
    width_ = shape.head_width();
    score_scale_ = s.query * s.key /
                   static_cast<double>(__builtin_sqrtf(static_cast<float>(shape.head_width())));
    LOWBIT_TRY(dyadic::from(score_scale_ / integer_exp::grid, layer.view(), to_exp_));
    context_scale_ = s.context;
    return dyadic::from(integer_softmax::output_scale * s.value / s.context, layer.view(),
                        to_context_);
  }

  template <bool Observed>
  struct workspace {
    integer_heads<Arch> heads;
    matrix_view<std::int32_t> value_sums;  // (sentences, D): 128 times the sum over tokens
    std::size_t query_units = 0, probability_units = 0, score_stride = 0, row_bytes = 0;
    std::uint8_t* row = nullptr;     // per worker: one key or value row, for packing
    quad* queries = nullptr;         // per worker: (query_block, units(d))
    std::int32_t* counts = nullptr;  // per worker: (2, query_block): sums of q and p codes
    std::int32_t* scores = nullptr;  // per worker: (query_block, longest)
    quad* probabilities = nullptr;   // per worker: (query_block, units(longest))
    observation_rows<Observed> observed;

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      const std::size_t width = shape.head_width();
      heads.plan(memory, shape.heads, width, limits);
      value_sums = memory.take_matrix<std::int32_t>(limits.sentences, shape.hidden,
                                                    round_up(shape.hidden, virtual_lanes));
      row_bytes = round_up(limits.longest > width ? limits.longest : width, buffer_alignment);
      row = memory.take<std::uint8_t>(limits.workers * row_bytes);
      query_units = op::units(width);
      queries = memory.take<quad>(limits.workers * query_block * query_units);
      counts = memory.take<std::int32_t>(limits.workers * 2 * query_block);
      score_stride = round_up(limits.longest, virtual_lanes);
      scores = memory.take<std::int32_t>(limits.workers * query_block * score_stride);
      probability_units = score_stride / op::depth;
      probabilities = memory.take<quad>(limits.workers * query_block * probability_units);
      observed.plan(memory, shape, limits);
    }
  };

  /// Packs k, v (T, D).
  template <bool Observed, executor Executor>
  void prepare(const workspace<Observed>& w, matrix_view<const std::int8_t> k,
               matrix_view<const std::int8_t> v, const token_batch& batch,
               Executor& executor) const {
    executor.run(batch.sentences * heads_, [&](std::size_t task, std::size_t worker) {
      const std::size_t s = task / heads_;
      const std::size_t head = task % heads_;
      const std::size_t begin = batch.begin(s);
      const std::size_t length = batch.length(s);
      const std::size_t first = head * width_;
      std::uint8_t* row = w.row + worker * w.row_bytes;
      const auto no_table = [](std::size_t, std::int8_t(&)[16]) {};
      pack_codes<op, Arch, std::int8_t>(
          w.heads.key_memory(head, s, begin), length, width_, row,
          [&](std::size_t t, std::uint8_t* out) {
            std::memcpy(out, k.row(begin + t) + first, width_);
          },
          no_table);
      pack_codes<op, Arch, std::int8_t>(
          w.heads.value_memory(head, s, begin), width_, length, row,
          [&](std::size_t c, std::uint8_t* out) {
            std::int32_t sum = 0;
            for (std::size_t t = 0; t < length; ++t) {
              const std::int8_t code = v(begin + t, first + c);
              sum += code;
              out[t] = static_cast<std::uint8_t>(code);
            }
            w.value_sums(s, first + c) = integer_softmax::offset * sum;
          },
          no_table);
    });
  }

  /// Computes context codes (rows, D) from q (rows, D); the caller computes their sums and clears
  /// their padding.
  template <bool Observed, executor Executor, class Observer>
  void run(const workspace<Observed>& w, matrix_view<const std::int8_t> q,
           const query_blocks& blocks, matrix_view<std::int8_t> out, Executor& executor,
           Observer& observer) const {
    executor.run(blocks.tasks(), [&](std::size_t task, std::size_t worker) {
      const query_span span = blocks.span(task);
      const std::size_t length = blocks.batch.length(span.sentence);
      const matrix_view<std::int32_t> scores{w.scores + worker * query_block * w.score_stride,
                                             span.count, length, w.score_stride};
      const matrix_view<quad> p{w.probabilities + worker * query_block * w.probability_units,
                                span.count, op::units(length), w.probability_units};
      std::int32_t* counts = w.counts + worker * 2 * query_block;
      serial here;
      for (std::size_t head = 0; head < heads_; ++head) {
        const std::size_t first = head * width_;
        const auto queries = copy_queries(w, worker, q, span, first);
        gemm<op, Arch>(queries, w.heads.keys(head, span.sentence, blocks.batch),
                       store_integers{scores}, here);
        if constexpr (Observed)
          observer.scores(span, head, floats(w.observed, scores, score_scale_));
        for (std::size_t r = 0; r < span.count; ++r) {
          counts[query_block + r] = integer_softmax::run<Arch>(
              scores.row(r), length, to_exp_, reinterpret_cast<std::int8_t*>(p.row(r)));
        }
        const matrix_view<std::int8_t> rows{out.row(span.first) + first, span.count, width_,
                                            out.stride};
        const vector_view<const std::int32_t> sums{w.value_sums.row(span.sentence) + first, width_};
        gemm<op, Arch>(activation_rows<op>{p, length, counts + query_block},
                       w.heads.values(head, span.sentence, blocks.batch),
                       add_integers{sums} | requantize{to_context_} | store_codes{rows}, here);
        if constexpr (Observed)
          observer.context(span, head, floats(w.observed, rows, context_scale_));
      }
    });
  }

 private:
  /// Copies a head's queries to separate rows, because its columns may start off a multiple of
  /// four.
  template <bool Observed>
  activation_rows<op> copy_queries(const workspace<Observed>& w, std::size_t worker,
                                   matrix_view<const std::int8_t> q, const query_span& span,
                                   std::size_t first) const {
    const matrix_view<quad> rows{w.queries + worker * query_block * w.query_units, span.count,
                                 w.query_units, w.query_units};
    std::int32_t* counts = w.counts + worker * 2 * query_block;
    for (std::size_t r = 0; r < span.count; ++r) {
      const std::int8_t* from = q.row(span.first + r) + first;
      rows.row(r)[w.query_units - 1] = {};
      std::memcpy(rows.row(r), from, width_);
      std::int32_t sum = 0;
      for (std::size_t c = 0; c < width_; ++c) sum += from[c];
      counts[r] = sum;
    }
    return {rows, width_, counts};
  }

  template <class Integer>
  static matrix_view<const float> floats(const observation_rows<true>& memory,
                                         matrix_view<Integer> integers, double scale) {
    const matrix_view<float> out = memory.rows(integers.rows, integers.cols);
    for (std::size_t r = 0; r < out.rows; ++r) {
      for (std::size_t c = 0; c < out.cols; ++c)
        out(r, c) = static_cast<float>(scale * static_cast<double>(integers(r, c)));
    }
    return out;
  }

  std::size_t heads_ = 0;
  std::size_t width_ = 0;
  dyadic to_exp_, to_context_;
  double score_scale_ = 0, context_scale_ = 0;  // for observers
};

}  // namespace lowbit::inline LOWBIT_ISA
