// SPDX-License-Identifier: Apache-2.0
// Integer attention with ranges over a whole padded batch. The step of the probabilities depends on
// the range of all of them, so each block of queries is computed twice: once for the range, once
// for the context. The score matrix exists only for one head and a block of queries at a time.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/nn/attention.hpp"
#include "lowbit/nn/batch_range.hpp"
#include "lowbit/nn/softmax_attention.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Arch>
class batch_range_attention_layer {
  using input = typename Policy::attention::projected;
  using probability = typename Policy::attention::probability;
  using product = code_dot<8>;
  using packed = packed_weights<product, Arch>;
  using units = matrix_view<quad>;

 public:
  using projected = float;
  using context = float;

  status load(arena& memory, const weight_set& weights, std::size_t layer,
              const model_shape& shape) {
    heads_ = shape.heads;
    width_ = shape.head_width();
    root_ = __builtin_sqrtf(static_cast<float>(width_));
    if (memory.measuring()) return {};
    const tensor_name self = part_name(model_part::attention, layer);
    LOWBIT_TRY(query_.load(weights, self(".query.output")));
    LOWBIT_TRY(key_.load(weights, self(".key.output")));
    LOWBIT_TRY(value_.load(weights, self(".value.output")));
    return probability_.load(weights, self(".probability"));
  }

  template <bool Observed>
  struct workspace {
    row_marks marks;                                  // (T): the marks of the layer
    code_map<input> key_map{}, value_map{};           // set by prepare()
    units queries;                                    // (T, heads x units of a head): codes
    std::int32_t* query_sums = nullptr;               // (T, heads)
    matrix_view<std::int8_t> key_codes, value_codes;  // (T, inner)
    float* value_sums = nullptr;                      // (sentences, inner): sums over tokens
    std::byte* keys = nullptr;                        // packed, per sentence and head
    std::byte* values = nullptr;
    std::uint8_t* rows = nullptr;   // per worker: one row, for packing
    float* scores = nullptr;        // per worker: (query_block, longest)
    quad* probabilities = nullptr;  // per worker: (query_block, units of longest)
    std::int32_t* sums = nullptr;   // per worker: (query_block)
    value_range* ranges = nullptr;  // per worker
    std::size_t row_bytes = 0, score_stride = 0, unit_stride = 0;
    observation_rows<Observed> observed;

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      const std::size_t width = shape.head_width();
      const std::size_t inner = shape.inner();
      const std::size_t head_units = shape.heads * product::units(width);
      constexpr std::size_t group = virtual_lanes / sizeof(quad);  // codes are stored 16 at a time
      queries = memory.take_matrix<quad>(limits.tokens, head_units, head_units + group);
      query_sums = memory.take<std::int32_t>(limits.tokens * shape.heads);
      const std::size_t stride = round_up(inner, virtual_lanes);
      key_codes = memory.take_matrix<std::int8_t>(limits.tokens, inner, stride);
      value_codes = memory.take_matrix<std::int8_t>(limits.tokens, inner, stride);
      value_sums = memory.take<float>(limits.sentences * inner);
      const std::size_t matrices = limits.sentences * shape.heads;
      keys = memory.take<std::byte>(matrices * packed::elements(limits.longest, width));
      values = memory.take<std::byte>(matrices * packed::elements(width, limits.longest));
      row_bytes = limits.longest > width ? limits.longest : width;
      rows = memory.take<std::uint8_t>(limits.workers * row_bytes);
      score_stride = float_stride(limits.longest);
      scores = memory.take<float>(limits.workers * query_block * score_stride);
      unit_stride = round_up(product::units(limits.longest), group);
      probabilities = memory.take<quad>(limits.workers * query_block * unit_stride);
      sums = memory.take<std::int32_t>(limits.workers * query_block);
      ranges = memory.take<value_range>(limits.workers);
      observed.plan(memory, shape, limits);
    }
  };

  /// Encodes and packs keys and values; all sentences have the same length. Marks non-finite rows,
  /// as does run().
  template <bool Observed, executor Executor>
  void prepare(workspace<Observed>& w, matrix_view<const float> k, matrix_view<const float> v,
               const token_batch& batch, Executor& executor) const {
    w.key_map = key_.over(range_of<Arch>(k.rows_from(0, batch.tokens()), w.marks));
    w.value_map = value_.over(range_of<Arch>(v.rows_from(0, batch.tokens()), w.marks));
    for_each_token(batch, executor, [&](std::size_t t) {
      encode_codes<product, Arch>(w.key_map, k.row(t), k.cols,
                                  reinterpret_cast<quad*>(w.key_codes.row(t)));
      encode_codes<product, Arch>(w.value_map, v.row(t), v.cols,
                                  reinterpret_cast<quad*>(w.value_codes.row(t)));
    });
    pack_heads(w, batch, executor);
  }

  /// Computes the context (T, inner) from queries q (T, inner). q must include all tokens, because
  /// the ranges depend on them.
  template <bool Observed, executor Executor, class Observer>
  void run(const workspace<Observed>& w, matrix_view<const float> q, const query_blocks& blocks,
           matrix_view<float> context, std::int32_t*, Executor& executor,
           Observer& observer) const {
    const token_batch& batch = blocks.batch;
    const auto query_map = query_.over(range_of<Arch>(q.rows_from(0, batch.tokens()), w.marks));
    encode_queries(w, q, query_map, batch, executor);

    const float scale = query_map.step * w.key_map.step / root_;
    for (std::size_t n = 0; n < executor.workers(); ++n) w.ranges[n] = {};
    for_each_block(blocks, executor,
                   [&](const query_span& span, std::size_t head, std::size_t worker) {
                     const auto p = softmax_rows(w, batch, span, head, worker, scale);
                     w.ranges[worker].add(range_of<Arch>(p, w.marks.from(span.first)));
                   });
    value_range range;
    for (std::size_t n = 0; n < executor.workers(); ++n) range.add(w.ranges[n]);
    const auto map = probability_.over(range);

    for_each_block(
        blocks, executor, [&](const query_span& span, std::size_t head, std::size_t worker) {
          if constexpr (Observed) observe_scores(w, batch, span, head, scale, observer);
          const auto p = softmax_rows(w, batch, span, head, worker, scale);
          const units codes{w.probabilities + worker * query_block * w.unit_stride, p.rows,
                            product::units(p.cols), w.unit_stride};
          std::int32_t* sums = w.sums + worker * query_block;
          for (std::size_t r = 0; r < p.rows; ++r)
            sums[r] = encode_codes<product, Arch>(map, p.row(r), p.cols, codes.row(r));
          const std::size_t first = head * width_;
          const matrix_view<float> out{context.row(span.first) + first, span.count, width_,
                                       context.stride};
          const float* value_sums = w.value_sums + span.sentence * heads_ * width_ + first;
          serial here;
          gemm<product, Arch>(activation_rows<product>{codes, p.cols, sums},
                              values_of(w, span.sentence, head, p.cols),
                              take_back_range{map.step, map.offset, {value_sums, width_}} |
                                  scale_by{w.value_map.step} | store{out},
                              here);
          if constexpr (Observed) observer.context(span, head, matrix_view<const float>(out));
        });
  }

 private:
  template <class Workspace>
  packed keys_of(const Workspace& w, std::size_t s, std::size_t head, std::size_t length) const {
    return {w.keys + (s * heads_ + head) * packed::elements(length, width_), length, width_,
            product::units(width_)};
  }
  template <class Workspace>
  packed values_of(const Workspace& w, std::size_t s, std::size_t head, std::size_t length) const {
    return {w.values + (s * heads_ + head) * packed::elements(width_, length), width_, length,
            product::units(length)};
  }

  /// Calls function(t) for every token.
  template <executor Executor, class Function>
  static void for_each_token(const token_batch& batch, Executor& executor, Function function) {
    constexpr std::size_t rows_per_task = 16;
    const std::size_t tokens = batch.tokens();
    executor.run(ceil_div(tokens, rows_per_task), [&](std::size_t task, std::size_t) {
      const std::size_t begin = task * rows_per_task;
      for (std::size_t t = begin; t < begin + rows_per_task && t < tokens; ++t) function(t);
    });
  }

  /// Encodes head by head in order: the last group of 16 codes may write past its head, and the
  /// next head overwrites that.
  template <class Workspace, executor Executor>
  void encode_queries(const Workspace& w, matrix_view<const float> q, const code_map<input>& map,
                      const token_batch& batch, Executor& executor) const {
    const std::size_t head_units = product::units(width_);
    for_each_token(batch, executor, [&](std::size_t t) {
      for (std::size_t h = 0; h < heads_; ++h) {
        w.query_sums[h * batch.tokens() + t] = encode_codes<product, Arch>(
            map, q.row(t) + h * width_, width_, w.queries.row(t) + h * head_units);
      }
    });
  }

  template <class Workspace, executor Executor>
  void pack_heads(const Workspace& w, const token_batch& batch, Executor& executor) const {
    executor.run(batch.sentences * heads_, [&](std::size_t task, std::size_t worker) {
      const std::size_t s = task / heads_;
      const std::size_t head = task % heads_;
      const std::size_t begin = batch.begin(s);
      const std::size_t length = batch.length(s);
      const std::size_t first = head * width_;
      std::uint8_t* row = w.rows + worker * w.row_bytes;
      const auto no_table = [](std::size_t, std::int8_t(&)[16]) {};
      pack_codes<product, Arch, std::int8_t>(
          const_cast<std::byte*>(keys_of(w, s, head, length).data), length, width_, row,
          [&](std::size_t t, std::uint8_t* out) {
            std::memcpy(out, w.key_codes.row(begin + t) + first, width_);
          },
          no_table);
      pack_codes<product, Arch, std::int8_t>(
          const_cast<std::byte*>(values_of(w, s, head, length).data), width_, length, row,
          [&](std::size_t c, std::uint8_t* out) {
            std::int32_t sum = 0;
            for (std::size_t t = 0; t < length; ++t) {
              const std::int8_t code = w.value_codes(begin + t, first + c);
              out[t] = static_cast<std::uint8_t>(code);
              sum += code;
            }
            w.value_sums[s * heads_ * width_ + first + c] = static_cast<float>(sum);
          },
          no_table);
    });
  }

  /// Calls function(span, head, worker) for every block of queries of every head.
  template <executor Executor, class Function>
  void for_each_block(const query_blocks& blocks, Executor& executor, Function function) const {
    executor.run(blocks.tasks() * heads_, [&](std::size_t task, std::size_t worker) {
      function(blocks.span(task / heads_), task % heads_, worker);
    });
  }

  template <class Workspace>
  activation_rows<product> queries_of(const Workspace& w, const token_batch& batch,
                                      const query_span& span, std::size_t head) const {
    const std::size_t head_units = product::units(width_);
    return {
        {w.queries.row(span.first) + head * head_units, span.count, head_units, w.queries.stride},
        width_,
        w.query_sums + head * batch.tokens() + span.first};
  }

  /// Probabilities (queries, length) of a block; padding gets exactly 0, as after a mask of -10000.
  template <class Workspace>
  matrix_view<float> softmax_rows(const Workspace& w, const token_batch& batch,
                                  const query_span& span, std::size_t head, std::size_t worker,
                                  float scale) const {
    const std::size_t length = batch.length(span.sentence);
    const std::size_t valid = batch.valid_length(span.sentence);
    const matrix_view<float> p{w.scores + worker * query_block * w.score_stride, span.count, length,
                               w.score_stride};
    serial here;
    gemm<product, Arch>(queries_of(w, batch, span, head), keys_of(w, span.sentence, head, length),
                        to_float{} | store{p}, here);
    for (std::size_t r = 0; r < p.rows; ++r) {
      softmax<Arch>(p.row(r), valid, scale);
      for (std::size_t j = valid; j < length; ++j) p(r, j) = 0.0F;
    }
    return p;
  }

  /// Passes the scaled scores of valid keys to the observer.
  template <class Workspace, class Observer>
  void observe_scores(const Workspace& w, const token_batch& batch, const query_span& span,
                      std::size_t head, float scale, Observer& observer) const {
    const std::size_t length = batch.length(span.sentence);
    const matrix_view<float> scores = w.observed.rows(span.count, length);
    serial here;
    gemm<product, Arch>(queries_of(w, batch, span, head), keys_of(w, span.sentence, head, length),
                        to_float{} | scale_by{scale} | store{scores}, here);
    observer.scores(span, head,
                    matrix_view<const float>{scores.data, scores.rows,
                                             batch.valid_length(span.sentence), scores.stride});
  }

  std::size_t heads_ = 0;
  std::size_t width_ = 0;
  float root_ = 1;  // sqrt(d)
  range_encoding<input> query_, key_, value_;
  range_encoding<probability> probability_;
};

}  // namespace lowbit::inline LOWBIT_ISA
