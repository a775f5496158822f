// SPDX-License-Identifier: Apache-2.0
// The encoder components of integer-only policies (policy::ibert): from token ids to int8 hidden
// codes without floats. Heads that read float rows get dequantized codes.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/model/encoder.hpp"
#include "lowbit/model/token_input.hpp"
#include "lowbit/nn/integer/integer_layer.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Word, position and type embeddings as int8 tables with one scale each, summed in 16 bits, and
/// their layer norm. The tables are not copied.
///
/// Bit widths: a code times its ratio is at most 2^29 + 1, three of them fit in 31 bits; the sum is
/// clamped to 16.
template <class Arch>
class integer_embeddings {
 public:
  static constexpr std::int32_t limit = (1 << 15) - 1;
  /// Longest sentence whose attention stays within 32 bits.
  static constexpr std::size_t most_positions = std::size_t{1} << 16;

  /// Errors: also unsupported, for extents or scales that exceed 32-bit integers, and for parts
  /// that have no integer arithmetic here
  status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    if (shape.positions > most_positions) {
      return status::error(errc::unsupported, "max_position_embeddings is ", shape.positions,
                           ", an integer-only model has at most ", most_positions);
    }
    if (shape.embedding != 0 || shape.shared_layers) {
      return status::error(errc::unsupported,
                           "an integer-only model has no linear layer after its embeddings and no "
                           "layers that share weights");
    }
    double sum = 1;
    double output_scale = 1;
    if (!memory.measuring()) {
      LOWBIT_TRY(read_scale(weights, part_name(model_part::embedding_norm)(".input.scale"), sum));
      LOWBIT_TRY(hidden_scale(weights, shape, 0, output_scale));
    }
    LOWBIT_TRY(norm_.load(memory, weights, part_name(model_part::embedding_norm), shape.hidden,
                          shape.layer_norm_eps, sum, output_scale));
    if (memory.measuring()) return {};
    LOWBIT_TRY(words_.open(weights, part_name(model_part::word_embeddings)(".weight"),
                           shape.vocabulary, shape, sum));
    LOWBIT_TRY(positions_.open(weights, part_name(model_part::position_embeddings)(".weight"),
                               shape.positions, shape, sum));
    if (shape.token_types == 0) return {};
    return types_.open(weights, part_name(model_part::token_type_embeddings)(".weight"),
                       shape.token_types, shape, sum);
  }

  /// Writes the codes of every token to `out`; w.sum is scratch, (T, D).
  template <class Stream, class Rows, executor Executor>
  void run(const token_input& in, const Stream& w, const Rows& out, Executor& executor) const {
    for_each_token(in, executor,
                   [&](std::size_t t, std::size_t id, std::size_t position, std::size_t type) {
                     add_rows(id, position, type, w.sum.row(t));
                     norm_.run_row(w.sum.row(t), out, t);
                   });
  }

 private:
  struct table {
    const std::int8_t* codes = nullptr;  // (rows, D)
    dyadic ratio;

    status open(const weight_set& weights, const tensor_name& name, std::size_t rows,
                const model_shape& shape, double sum) {
      int8<scale::tensor>::reader checked;
      LOWBIT_TRY(checked.open(weights, name, rows, shape.hidden));
      codes = reinterpret_cast<const std::int8_t*>(weights.find(name(".codes").view())->data);
      return dyadic::from(static_cast<double>(checked.scale(0)) / sum, name.view(), ratio);
    }
    [[nodiscard]] LOWBIT_INLINE i32x16<Arch> lanes(std::size_t row, std::size_t col,
                                                   std::size_t d) const {
      const std::size_t count = d - col < virtual_lanes ? d - col : virtual_lanes;
      return dyadic_lanes<Arch>(ratio).apply(load_bytes<Arch>(codes + row * d + col, count));
    }
  };

  void add_rows(std::size_t id, std::size_t position, std::size_t type, std::int32_t* out) const {
    const std::size_t d = shape_.hidden;
    for (std::size_t c = 0; c < d; c += virtual_lanes) {
      auto sum = words_.lanes(id, c, d) + positions_.lanes(position, c, d);
      if (shape_.token_types != 0) sum = sum + types_.lanes(type, c, d);
      clamp(sum, i32x16<Arch>::broadcast(limit)).store(out + c);
    }
  }

  model_shape shape_;
  integer_layer_norm<Arch> norm_;
  table words_, positions_, types_;
};

/// The encoder's output: codes, convertible to floats (encoder_output).
template <class Format>
struct integer_encoder_output {
  token_batch batch;
  encoded_rows<Format> codes;  // (T, D), or (sentences, D) for first tokens
  std::size_t rows = 0;
  hidden_rows present = hidden_rows::all_tokens;
  const double* scale = nullptr;  // of the codes
  matrix_view<float> floats;      // buffer for dequantized rows
  overflow stopped{};             // always empty: integers do not overflow

  operator encoder_output() const {
    return {batch, decode_rows(codes, rows, *scale, floats), present, {}};
  }
  /// The row of the first token of sentence s.
  [[nodiscard]] std::size_t first_row(std::size_t s) const {
    return present == hidden_rows::first_tokens ? s : batch.begin(s);
  }
};

/// Hidden rows stored as codes, with their scales for observers and float heads.
template <class Format>
class integer_rows {
 public:
  using output = integer_encoder_output<Format>;

  status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    scales_ = memory.take_vector<double>(shape.layers + 1);
    if (memory.measuring()) return {};
    for (std::size_t l = 0; l <= shape.layers; ++l)
      LOWBIT_TRY(hidden_scale(weights, shape, l, scales_[l]));
    return {};
  }
  template <class Workspace>
  [[nodiscard]] matrix_view<const float> floats(const Workspace& w, std::size_t index,
                                                std::size_t rows) const {
    return decode_rows(w.hidden, rows, scales_[index], w.floats);
  }
  template <class Workspace>
  [[nodiscard]] output last(const Workspace& w, const token_batch& batch, std::size_t rows,
                            hidden_rows present, const overflow&) const {
    return {batch, w.hidden, rows, present, scales_.data + scales_.count - 1, w.floats, {}};
  }

 private:
  vector_view<double> scales_;  // (L + 1)
};

template <class Policy, class Arch>
requires integer_only<Policy>
struct encoder_parts<Policy, Arch> {
  static_assert(std::is_same_v<typename Policy::embedding, int8<scale::tensor>>,
                "lowbit: the embeddings of an integer-only policy are int8<scale::tensor>");
  using embedding_layer = integer_embeddings<Arch>;
  using layer = integer_layer<Policy, Arch>;
  using rows = integer_rows<typename site_formats<Policy>::projection>;
};

}  // namespace lowbit::inline LOWBIT_ISA
