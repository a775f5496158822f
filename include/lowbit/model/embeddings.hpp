// SPDX-License-Identifier: Apache-2.0
// Word, position and token-type embeddings, and the linear map of narrow ones to the hidden size.
// The tables are not copied: rows are read from where they are stored.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/model/token_input.hpp"
#include "lowbit/model/word_table.hpp"
#include "lowbit/nn/attention.hpp"
#include "lowbit/nn/layer_norm.hpp"
#include "lowbit/nn/linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Codec, class Arch>
class embeddings {
 public:
  constexpr status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    const std::size_t e = shape.embedding_width();
    LOWBIT_TRY(norm_.load(memory, weights, part_name(model_part::embedding_norm), e,
                          shape.layer_norm_eps));
    if (shape.embedding != 0) {
      LOWBIT_TRY(map_.load(memory, weights, part_name(model_part::embedding_map), shape.hidden, e));
    }
    if (memory.measuring()) return {};
    if (!shape.pre_norm()) {
      LOWBIT_TRY(weights.get(part_name(model_part::position_embeddings)(".weight").view(),
                             element_type::f32, shape.positions, e, positions_));
    }
    if (shape.token_types != 0) {
      LOWBIT_TRY(weights.get(part_name(model_part::token_type_embeddings)(".weight").view(),
                             element_type::f32, shape.token_types, e, types_));
    }
    return words_.load(weights, shape);
  }

  /// Calls sink(LN(word + position + type), t, col), with shape.embedding sink(W LN(..) + b, t,
  /// col), for every token. `w` is the encoder's residual stream: w.sum and w.hidden are scratch.
  template <class Stream, class Sink, executor Executor>
  void run(const token_input& in, const Stream& w, const Sink& sink, Executor& executor) const {
    const bool mapped = shape_.embedding != 0;
    matrix_view<float> narrow = w.sum;
    narrow.cols = shape_.embedding_width();
    for_each_token(in, executor,
                   [&](std::size_t t, std::size_t id, std::size_t position, std::size_t type) {
                     add_rows(id, position, type, w.sum.row(t));
                     if (mapped) {
                       norm_.template run_rows<1>(narrow, t, store{narrow}, w.marks);
                     } else {
                       norm_.template run_rows<1>(w.sum, t, sink, w.marks);
                     }
                   });
    if (mapped) {
      map_rows(narrow.rows_from(0, in.batch.tokens()), w.hidden, sink, executor, w.marks);
    }
  }

 private:
  static const float* table_row(const stored_tensor& table, std::size_t row, std::size_t cols) {
    return reinterpret_cast<const float*>(table.data + row * cols * sizeof(float));
  }

  /// Maps narrow rows (T, E) to `hidden` and sends them to the sink, which may store them where
  /// they are.
  template <class Sink, executor Executor>
  LOWBIT_NOINLINE void map_rows(matrix_view<const float> narrow, matrix_view<float> hidden,
                                const Sink& sink, Executor& executor,
                                const row_marks& marks) const {
    const std::size_t d = shape_.hidden;
    map_.run(activation_rows<mul_add>{narrow, narrow.cols}, map_.to_output(nullptr) | store{hidden},
             executor);
    executor.run(narrow.rows, [&](std::size_t t, std::size_t) {
      largest_magnitude<Arch> largest;
      for_each_column(d, [&](auto c) {
        const auto lanes = load_row<Arch>(hidden.row(t), c, d);
        largest.add(lanes);
        sink(lanes, t, c);
      });
      finish_row(sink, t);
      if (!largest.finite()) marks.mark(t);
    });
  }

  void add_rows(std::size_t id, std::size_t position, std::size_t type, float* out) const {
    const std::size_t e = shape_.embedding_width();
    const store sink{{out, 1, e, e}};
    words_.read(id, out);
    for (std::size_t c = 0; c < e; c += virtual_lanes) {
      auto sum = load_row<Arch>(out, c, e);
      if (!shape_.pre_norm()) sum = sum + load_row<Arch>(table_row(positions_, position, e), c, e);
      if (shape_.token_types != 0) sum = sum + load_row<Arch>(table_row(types_, type, e), c, e);
      sink(sum, 0, c);
    }
  }

  model_shape shape_;
  layer_norm<Arch> norm_;
  word_table<Codec> words_;
  linear<linear_format<f32, activation::f32>, Arch> map_;  // with shape.embedding only
  stored_tensor positions_;                                // (P, E), unless they are rotary
  stored_tensor types_;                                    // (token types, E)
};

}  // namespace lowbit::inline LOWBIT_ISA
