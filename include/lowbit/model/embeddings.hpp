// SPDX-License-Identifier: Apache-2.0
// Word, position and token-type embeddings. The tables stay where they are stored: a row is read,
// and decoded where it is one-bit, when its token comes.
#pragma once

#include "lowbit/nn/attention.hpp"
#include "lowbit/nn/layer_norm.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The tokens of a batch. Null type_ids means all 0; null positions means 0, 1, 2 .. in every
/// sentence.
struct token_input {
  const std::int32_t* ids = nullptr;        // (T)
  const std::int32_t* type_ids = nullptr;   // (T) or null
  const std::int32_t* positions = nullptr;  // (T) or null
  token_batch batch;
};

template <class Codec, class Arch>
class embeddings {
 public:
  status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    const tensor_name base("bert.embeddings");
    LOWBIT_TRY(norm_.load(memory, weights, base(".LayerNorm"), shape.hidden, shape.layer_norm_eps));
    if (memory.measuring()) return {};
    const std::size_t d = shape.hidden;
    LOWBIT_TRY(weights.get(base(".position_embeddings.weight").view(), stored_type::f32,
                           shape.positions, d, positions_));
    LOWBIT_TRY(weights.get(base(".token_type_embeddings.weight").view(), stored_type::f32,
                           shape.token_types, d, types_));
    const tensor_name words = base(".word_embeddings.weight");
    if constexpr (is_sign<Codec>) {
      LOWBIT_TRY(weights.get(words(".codes").view(), stored_type::u8, shape.vocabulary,
                             bytes_for(d), words_));
      return weights.get(words(".scale").view(), stored_type::f32, 1,
                         Codec::scales(shape.vocabulary), scales_);
    } else {
      return weights.get(words.view(), stored_type::f32, shape.vocabulary, d, words_);
    }
  }

  /// Every id, type and position within its table, every sentence within 1 .. positions tokens.
  [[nodiscard]] status check(const token_input& in) const {
    for (std::size_t s = 0; s < in.batch.sentences; ++s) {
      const std::size_t length = in.batch.length(s);
      if (length == 0)
        return status::error(errc::invalid_argument, "sentence ", s, " has no tokens");
      if (length > shape_.positions) {
        return status::error(errc::invalid_argument, "sentence ", s, " has ", length,
                             " tokens, the model takes at most ", shape_.positions);
      }
    }
    for (std::size_t t = 0; t < in.batch.tokens(); ++t) {
      LOWBIT_TRY(in_table("token id", t, in.ids[t], shape_.vocabulary));
      if (in.type_ids != nullptr)
        LOWBIT_TRY(in_table("token type", t, in.type_ids[t], shape_.token_types));
      if (in.positions != nullptr)
        LOWBIT_TRY(in_table("position", t, in.positions[t], shape_.positions));
    }
    return {};
  }

  /// sink(LN(word + position + type), t, col) for every token; `sum` is scratch, (T, D).
  template <class Sink, executor Executor>
  void run(const token_input& in, matrix_view<float> sum, const Sink& sink,
           Executor& executor) const {
    executor.run(in.batch.sentences, [&](std::size_t s, std::size_t) {
      for (std::size_t t = in.batch.begin(s); t < in.batch.begin(s) + in.batch.length(s); ++t) {
        const std::size_t position = in.positions != nullptr
                                         ? static_cast<std::size_t>(in.positions[t])
                                         : t - in.batch.begin(s);
        const std::size_t type =
            in.type_ids != nullptr ? static_cast<std::size_t>(in.type_ids[t]) : 0;
        add_rows(static_cast<std::size_t>(in.ids[t]), position, type, sum.row(t));
        norm_.template run_rows<1>(sum, t, sink);
      }
    });
  }

 private:
  static status in_table(const char* what, std::size_t t, std::int32_t value, std::size_t size) {
    if (value >= 0 && static_cast<std::size_t>(value) < size) return {};
    return status::error(errc::invalid_argument, what, " ", value, " at token ", t,
                         ", expected 0 to ", size - 1);
  }

  [[nodiscard]] const float* table_row(const stored_tensor& table, std::size_t row) const {
    return reinterpret_cast<const float*>(table.data + row * shape_.hidden * sizeof(float));
  }

  [[nodiscard]] f32x16<Arch> word_lanes(std::size_t id, std::size_t col) const {
    if constexpr (is_sign<Codec>) {
      const std::size_t row_bytes = bytes_for(shape_.hidden);
      const std::size_t byte = col / 8;
      lane_mask negative = 0;
      std::memcpy(&negative, words_.data + id * row_bytes + byte, row_bytes - byte < 2 ? 1 : 2);
      const float scale = scales_.at(id);
      return select(negative, f32x16<Arch>::broadcast(-scale), f32x16<Arch>::broadcast(scale));
    } else {
      return load_row<Arch>(table_row(words_, id), col, shape_.hidden);
    }
  }

  void add_rows(std::size_t id, std::size_t position, std::size_t type, float* out) const {
    const std::size_t d = shape_.hidden;
    const store sink{{out, 1, d, d}};
    for (std::size_t c = 0; c < d; c += virtual_lanes) {
      const auto p = load_row<Arch>(table_row(positions_, position), c, d);
      const auto t = load_row<Arch>(table_row(types_, type), c, d);
      sink(word_lanes(id, c) + p + t, 0, c);
    }
  }

  model_shape shape_;
  layer_norm<Arch> norm_;
  stored_tensor words_;      // (V, D) floats or (V, bytes) codes
  stored_tensor scales_;     // (V) of one-bit words
  stored_tensor positions_;  // (P, D)
  stored_tensor types_;      // (token types, D)
};

}  // namespace lowbit::inline LOWBIT_ISA
