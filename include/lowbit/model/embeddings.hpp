// SPDX-License-Identifier: Apache-2.0
// Word, position and token-type embeddings. The tables are not copied: rows are read from where
// they are stored.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/model/token_input.hpp"
#include "lowbit/model/word_table.hpp"
#include "lowbit/nn/attention.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Codec, class Arch>
class embeddings {
 public:
  status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    LOWBIT_TRY(norm_.load(memory, weights, part_name(model_part::embedding_norm), shape.hidden,
                          shape.layer_norm_eps));
    if (memory.measuring()) return {};
    const std::size_t d = shape.hidden;
    LOWBIT_TRY(weights.get(part_name(model_part::position_embeddings)(".weight").view(),
                           element_type::f32, shape.positions, d, positions_));
    LOWBIT_TRY(weights.get(part_name(model_part::token_type_embeddings)(".weight").view(),
                           element_type::f32, shape.token_types, d, types_));
    return words_.load(weights, shape);
  }

  /// Calls sink(LN(word + position + type), t, col) for every token; `sum` is scratch, (T, D).
  template <class Sink, executor Executor>
  void run(const token_input& in, matrix_view<float> sum, const Sink& sink, Executor& executor,
           const row_marks& marks) const {
    for_each_token(in, executor,
                   [&](std::size_t t, std::size_t id, std::size_t position, std::size_t type) {
                     add_rows(id, position, type, sum.row(t));
                     norm_.template run_rows<1>(sum, t, sink, marks);
                   });
  }

 private:
  static const float* table_row(const stored_tensor& table, std::size_t row, std::size_t cols) {
    return reinterpret_cast<const float*>(table.data + row * cols * sizeof(float));
  }

  void add_rows(std::size_t id, std::size_t position, std::size_t type, float* out) const {
    const std::size_t d = shape_.hidden;
    const store sink{{out, 1, d, d}};
    words_.read(id, out);
    for (std::size_t c = 0; c < d; c += virtual_lanes) {
      const auto p = load_row<Arch>(table_row(positions_, position, d), c, d);
      const auto t = load_row<Arch>(table_row(types_, type, d), c, d);
      sink(load_row<Arch>(out, c, d) + p + t, 0, c);
    }
  }

  model_shape shape_;
  layer_norm<Arch> norm_;
  word_table<Codec> words_;
  stored_tensor positions_;  // (P, D)
  stored_tensor types_;      // (token types, D)
};

}  // namespace lowbit::inline LOWBIT_ISA
