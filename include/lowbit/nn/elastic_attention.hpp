// SPDX-License-Identifier: Apache-2.0
// Elastic attention (BiT, section 3.2): p = softmax(a_q a_k n / sqrt(d)), attention bit = p / a_p >
// 1/2, c = a_p a_v (bits . v). A score takes only d + 1 values, so exp is a table indexed by the
// distance from the row's maximum score, and the bit is one integer threshold per row:
// bit set <=> e^(c (n - n_max)) > a_p / 2 * sum <=> n >= n_max - 2 t.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/nn/attention.hpp"
#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Arch>
class elastic_attention_layer {
 public:
  using projected = word;
  using context = word;

  /// Loads the scales of q, k, v and the probabilities, and the input shift of the layer that reads
  /// the context.
  /// Errors: not_found, shape_mismatch, malformed
  constexpr status load(arena& memory, const weight_set& weights, std::size_t layer,
                        const model_shape& shape) {
    heads_ = shape.heads;
    width_ = shape.head_width();
    exp_ = memory.take_vector<float>(round_up(width_ + 1, virtual_lanes));
    context_thresholds_ = memory.take_vector<std::int32_t>(shape.inner());
    vector_view<float> shift;
    LOWBIT_TRY(load_vector(memory, weights,
                           part_name(model_part::attention_output, layer)(".input.shift").view(),
                           shape.inner(), shift));
    if (memory.measuring()) return {};
    const tensor_name self = part_name(model_part::attention, layer);
    float query = 0;
    float key = 0;
    float value = 0;
    LOWBIT_TRY(read_scale(weights, self(".query.output.scale"), query));
    LOWBIT_TRY(read_scale(weights, self(".key.output.scale"), key));
    LOWBIT_TRY(read_scale(weights, self(".value.output.scale"), value));
    LOWBIT_TRY(read_scale(weights, self(".probability.scale"), probability_));
    score_scale_ = query * key / __builtin_sqrtf(static_cast<float>(width_));
    context_scale_ = probability_ * value;
    if (!is_finite(score_scale_) || !is_finite(context_scale_)) {
      return status::error(errc::malformed, "scales of ", self.view(),
                           ": their products are not finite");
    }
    if (!memory.fills()) return {};
    fill_table();
    // Turns c + shift >= 0 into a threshold on the integer sum; |n| is at most the number of
    // tokens.
    constexpr std::int32_t bound = 1 << 24;
    for (std::size_t o = 0; o < shape.inner(); ++o) {
      context_thresholds_[o] = first_true(-bound, bound, [&](std::int32_t n) {
        return fma(static_cast<float>(n), context_scale_, shift[o]) >= 0.0F;
      });
    }
    return {};
  }

  template <bool Observed>
  struct workspace {
    packed_heads<xor_popcount, and_popcount, Arch> heads;
    std::size_t bit_stride = 0;
    std::size_t score_stride = 0;
    word* queries = nullptr;         // per worker: (query_block, words of a head)
    word* bits = nullptr;            // per worker: (query_block, words of the longest sentence)
    std::int32_t* counts = nullptr;  // per worker: (query_block)
    std::int32_t* scores = nullptr;  // per worker: (query_block, longest)
    observation_rows<Observed> observed;

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      heads.plan(memory, shape.heads, shape.head_width(), limits);
      bit_stride = words_for(limits.longest);
      score_stride = round_up(limits.longest, virtual_lanes);
      const std::size_t rows = limits.workers * query_block;
      queries = memory.take<word>(rows * words_for(shape.head_width()));
      bits = memory.take<word>(rows * bit_stride);
      counts = memory.take<std::int32_t>(rows);
      scores = memory.take<std::int32_t>(rows * score_stride);
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

  template <bool Observed, executor Executor, class Observer>
  void run(const workspace<Observed>& w, matrix_view<const word> q, const query_blocks& blocks,
           matrix_view<word> out, std::int32_t*, Executor& executor, Observer& observer) const {
    executor.run(blocks.tasks(), [&](std::size_t task, std::size_t worker) {
      const query_span span = blocks.span(task);
      const matrix_view<word> rows = out.rows_from(span.first, span.count);
      for (std::size_t r = 0; r < rows.rows; ++r) {
        for (std::size_t u = 0; u < rows.cols; ++u) rows(r, u) = 0;
      }
      for (std::size_t head = 0; head < heads_; ++head) {
        run_head<Observed>(w, q, blocks.batch, span, head, rows, worker, observer);
      }
    });
  }

 private:
  static status read_scale(const weight_set& weights, const tensor_name& name, float& scale) {
    stored_tensor t;
    LOWBIT_TRY(weights.get(name.view(), element_type::f32, 1, 1, t));
    scale = t.at(0);
    LOWBIT_TRY(detail::check_floats(t, 1));
    if (scale > 0.0F) return {};
    return status::error(errc::malformed, "tensor ", name.view(), " is not above 0");
  }

  /// exp_[t] = e^(-2 t score_scale): scores of one head differ by even integers.
  void fill_table() {
    using f = f32x16<Arch>;
    for (std::size_t t = 0; t < exp_.count; t += virtual_lanes) {
      float distance[virtual_lanes];
      for (std::size_t j = 0; j < virtual_lanes; ++j)
        distance[j] = -2.0F * static_cast<float>(t + j);
      exp(f::load(distance) * f::broadcast(score_scale_)).store(exp_.data + t);
    }
  }

  /// Sets bit j of `on` if token j is attended to; returns the number of bits set.
  std::int32_t attention_bits(const std::int32_t* scores, std::size_t length, word* on) const {
    std::int32_t largest = scores[0];
    for (std::size_t j = 1; j < length; ++j) largest = scores[j] > largest ? scores[j] : largest;
    float lane[virtual_lanes] = {};
    for (std::size_t j = 0; j < length; ++j) {
      lane[j % virtual_lanes] += exp_[static_cast<std::size_t>(largest - scores[j]) / 2];
    }
    const float limit = 0.5F * probability_ * reduce_add(f32x16<Arch>::load(lane));
    std::int32_t steps = 0;  // the table decreases: its first `steps` entries exceed the limit
    while (steps <= static_cast<std::int32_t>(width_) &&
           exp_[static_cast<std::size_t>(steps)] > limit)
      ++steps;
    const auto threshold = i32x16<Arch>::broadcast(largest - 2 * (steps - 1));
    for (std::size_t j = 0; j < length; j += virtual_lanes) {
      const std::size_t count = length - j < virtual_lanes ? length - j : virtual_lanes;
      const word below = less(i32x16<Arch>::load(scores + j), threshold);
      write_bits(on, j, count, static_cast<lane_mask>(~below & low_mask(count)));
    }
    return count_ones(on, words_for(length));
  }

  template <bool Observed, class Observer>
  void run_head(const workspace<Observed>& w, matrix_view<const word> q, const token_batch& batch,
                const query_span& span, std::size_t head, matrix_view<word> rows,
                std::size_t worker, Observer& observer) const {
    const std::size_t length = batch.length(span.sentence);
    const std::size_t at = worker * query_block;
    const matrix_view<word> on{w.bits + at * w.bit_stride, span.count, words_for(length),
                               w.bit_stride};
    const matrix_view<std::int32_t> scores{w.scores + at * w.score_stride, span.count, length,
                                           w.score_stride};
    std::int32_t* counts = w.counts + at;
    const auto queries = bit_queries(q, span, head, width_, w.queries + at * words_for(width_));
    const auto keys = w.heads.key_view(head, span.sentence, batch);
    serial here;
    gemm<xor_popcount, Arch>(queries, keys, store_integers{scores}, here);
    clear_pad_words(on);
    for (std::size_t r = 0; r < span.count; ++r)
      counts[r] = attention_bits(scores.row(r), length, on.row(r));
    const activation_rows<and_popcount> attention{on, length, counts};
    const auto values = w.heads.value_view(head, span.sentence, batch);
    const channel_threshold thresholds{{context_thresholds_.data + head * width_, width_}};
    gemm<and_popcount, Arch>(
        attention, values, make_to_bits<bit_marks::below>(rows, width_, thresholds, head * width_),
        here);
    if constexpr (Observed) {
      const matrix_view<float> floats = w.observed.rows(span.count, length);
      gemm<xor_popcount, Arch>(queries, keys, to_float{} | scale_by{score_scale_} | store{floats},
                               here);
      observer.scores(span, head, floats);
      const matrix_view<float> sums = w.observed.rows(span.count, width_);
      gemm<and_popcount, Arch>(attention, values,
                               to_float{} | scale_by{context_scale_} | store{sums}, here);
      observer.context(span, head, sums);
    }
  }

  std::size_t heads_ = 0;
  std::size_t width_ = 0;
  float score_scale_ = 0;                         // a_q a_k / sqrt(d)
  float probability_ = 0;                         // a_p
  float context_scale_ = 0;                       // a_p a_v
  vector_view<float> exp_;                        // (d + 1, padded)
  vector_view<std::int32_t> context_thresholds_;  // (D)
};

}  // namespace lowbit::inline LOWBIT_ISA
