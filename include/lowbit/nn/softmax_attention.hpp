// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention in f32 (Vaswani et al., equation 1), one head and a block of queries
// at a time; with the shape's relative_bias, softmax(q k^T / sqrt(d) + bias) v. In a pre_norm model
// q and k have rotary positions, and in local layers a query has no scores but those of its window.
#pragma once

#include "lowbit/epilogue/activation.hpp"
#include "lowbit/nn/attention.hpp"
#include "lowbit/nn/relative_bias.hpp"
#include "lowbit/nn/rotary.hpp"
#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// x = softmax(scale * x) in place: subtracts the row's maximum, then sums e^((x - max) scale) over
/// the 16 lanes.
template <class Arch>
void softmax(float* x, std::size_t length, float scale) {
  using f = f32x16<Arch>;
  const float lowest = -__builtin_inff();
  f top = f::broadcast(lowest);
  for (std::size_t j = 0; j < length; j += virtual_lanes)
    top = max(top, load_row<Arch>(x, j, length, lowest));
  const f largest = f::broadcast(reduce_max(top));
  f sum = f::broadcast(0.0F);
  const store out{{x, 1, length, length}};
  for (std::size_t j = 0; j < length; j += virtual_lanes) {
    f e = exp((load_row<Arch>(x, j, length) - largest) * f::broadcast(scale));
    if (j + virtual_lanes > length) {  // exclude lanes past the end
      e = select(static_cast<lane_mask>(low_mask(length - j)), e, f::broadcast(0.0F));
    }
    sum = sum + e;
    out(e, 0, j);
  }
  const f inverse = f::broadcast(1.0F) / f::broadcast(reduce_add(sum));
  for (std::size_t j = 0; j < length; j += virtual_lanes)
    out(load_row<Arch>(x, j, length) * inverse, 0, j);
}

template <class Policy, class Arch>
class softmax_attention_layer {
 public:
  using projected = float;
  using context = float;

  constexpr status load(arena& memory, const weight_set& weights, std::size_t layer,
                        const model_shape& shape) {
    heads_ = shape.heads;
    width_ = shape.head_width();
    scale_ = 1.0F / __builtin_sqrtf(static_cast<float>(width_));
    turned_ = shape.pre_norm();
    if (turned_) rotary_.load(memory, shape, layer);
    if (shape.is_local(layer)) reach_ = shape.window;
    return shape.relative_bias ? bias_.load(memory, weights, shape) : status{};
  }

  template <bool Observed>
  struct workspace {
    packed_heads<mul_add, mul_add, Arch> heads;
    std::size_t score_stride = 0;
    float* scores = nullptr;  // per worker: (query_block, longest)
    observation_rows<Observed> observed;

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      heads.plan(memory, shape.heads, shape.head_width(), limits);
      score_stride = float_stride(limits.longest);
      scores = memory.take<float>(limits.workers * query_block * score_stride);
      observed.plan(memory, shape, limits);
    }
  };

  /// Gives queries and keys their positions.
  template <executor Executor>
  void turn(matrix_view<float> q, matrix_view<float> k, const query_blocks& blocks,
            Executor& executor) const {
    if (turned_) rotary_.run(q, k, blocks, executor);
  }

  template <bool Observed, executor Executor>
  void prepare(const workspace<Observed>& w, matrix_view<const float> k, matrix_view<const float> v,
               const token_batch& batch, Executor& executor) const {
    executor.run(batch.sentences * heads_, [&](std::size_t task, std::size_t) {
      const std::size_t s = task / heads_;
      const std::size_t head = task % heads_;
      const std::size_t begin = batch.begin(s);
      const std::size_t length = batch.length(s);
      const std::size_t first = head * width_;
      pack_outputs<mul_add, Arch>(w.heads.key_memory(head, s, begin), length, width_,
                                  [&](std::size_t t) { return k.row(begin + t) + first; });
      pack_units<mul_add, Arch>(w.heads.value_memory(head, s, begin), width_, length,
                                [&](std::size_t t) { return v.row(begin + t) + first; });
    });
  }

  template <bool Observed, executor Executor, class Observer>
  void run(const workspace<Observed>& w, matrix_view<const float> q, const query_blocks& blocks,
           matrix_view<float> out, std::int32_t*, Executor& executor, Observer& observer) const {
    executor.run(blocks.tasks(), [&](std::size_t task, std::size_t worker) {
      const query_span span = blocks.span(task);
      const std::size_t length = blocks.batch.length(span.sentence);
      const std::size_t query =
          blocks.first_token_only ? 0 : span.first - blocks.batch.begin(span.sentence);
      // The keys of any query of the block, from the panel of the first one on.
      constexpr std::size_t panel = packed_heads<mul_add, mul_add, Arch>::keys::nr;
      const std::size_t begin = begin_of_window(query) / panel * panel;
      const std::size_t end = end_of_window(query + span.count - 1, length);
      const matrix_view<float> scores{w.scores + worker * query_block * w.score_stride, span.count,
                                      end - begin, w.score_stride};
      serial here;
      for (std::size_t head = 0; head < heads_; ++head) {
        const std::size_t first = head * width_;
        const activation_rows<mul_add> queries{
            {q.row(span.first) + first, span.count, width_, q.stride}, width_};
        const auto keys = w.heads.key_view(head, span.sentence, blocks.batch, begin, end);
        gemm<mul_add, Arch>(queries, keys, store{scores}, here);
        if constexpr (Observed) {
          const matrix_view<float> scaled = w.observed.rows(span.count, length);
          gemm<mul_add, Arch>(queries, w.heads.key_view(head, span.sentence, blocks.batch),
                              scale_by{scale_} | store{scaled}, here);
          if (bias_) bias_.add(span, blocks, head, 1.0F, scaled);
          observer.scores(span, head, scaled);
        }
        if (bias_) bias_.add(span, blocks, head, scale_, scores);
        const float scale = bias_ ? 1.0F : scale_;
        for (std::size_t r = 0; r < span.count; ++r) {
          const std::size_t from = begin_of_window(query + r);
          const std::size_t to = end_of_window(query + r, length);
          float* const row = scores.row(r);
          softmax<Arch>(row + (from - begin), to - from, scale);
          for (std::size_t j = begin; j < from; ++j) row[j - begin] = 0.0F;
          for (std::size_t j = to; j < end; ++j) row[j - begin] = 0.0F;
        }
        const matrix_view<float> rows{out.row(span.first) + first, span.count, width_, out.stride};
        gemm<mul_add, Arch>(activation_rows<mul_add>{scores, scores.cols},
                            w.heads.value_view(head, span.sentence, blocks.batch, begin, end),
                            store{rows}, here);
        if constexpr (Observed) observer.context(span, head, rows);
      }
    });
  }

 private:
  [[nodiscard]] std::size_t begin_of_window(std::size_t query) const {
    return query > reach_ ? query - reach_ : 0;
  }
  /// One past the last key of a query.
  [[nodiscard]] std::size_t end_of_window(std::size_t query, std::size_t length) const {
    return length - query > reach_ ? query + reach_ + 1 : length;
  }

  std::size_t heads_ = 0;
  std::size_t width_ = 0;
  std::size_t reach_ = SIZE_MAX;  // keys before and after a query
  bool turned_ = false;
  rotary_positions<Arch> rotary_;  // of pre_norm models
  float scale_ = 0;                // 1 / sqrt(d)
  relative_bias<Arch> bias_;       // empty without shape.relative_bias
};

}  // namespace lowbit::inline LOWBIT_ISA
