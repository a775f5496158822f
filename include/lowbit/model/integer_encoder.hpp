// SPDX-License-Identifier: Apache-2.0
// The encoder of integer-only policies (policy::ibert): token ids in, int8 hidden codes out, no
// float between. Same surface as model/encoder.hpp; heads of float rows get the decoded codes.
#pragma once

#include "lowbit/model/encoder.hpp"
#include "lowbit/model/token_input.hpp"
#include "lowbit/nn/integer/integer_layer.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Word, position and type embeddings as int8 tables with a scale each, summed in 16 bits, and
/// their layer norm. The tables stay where they are stored.
///
/// Bits: a code times its ratio at most 2^29 + 1, three of them within 31; limited to 16.
template <class Arch>
class integer_embeddings {
 public:
  static constexpr std::int32_t limit = (1 << 15) - 1;

  status load(arena& memory, const weight_set& weights, const model_shape& shape,
              double output_scale) {
    shape_ = shape;
    const tensor_name base("bert.embeddings");
    double sum = 1;
    if (!memory.measuring()) LOWBIT_TRY(read_scale(weights, base(".LayerNorm.input.scale"), sum));
    LOWBIT_TRY(norm_.load(memory, weights, base(".LayerNorm"), shape.hidden, shape.layer_norm_eps,
                          sum, output_scale));
    if (memory.measuring()) return {};
    LOWBIT_TRY(words_.open(weights, base(".word_embeddings.weight"), shape.vocabulary, shape, sum));
    LOWBIT_TRY(
        positions_.open(weights, base(".position_embeddings.weight"), shape.positions, shape, sum));
    return types_.open(weights, base(".token_type_embeddings.weight"), shape.token_types, shape,
                       sum);
  }

  template <class Rows, executor Executor>
  void run(const token_input& in, matrix_view<std::int32_t> sum, const Rows& out,
           Executor& executor) const {
    executor.run(in.batch.sentences, [&](std::size_t s, std::size_t) {
      const std::size_t begin = in.batch.begin(s);
      for (std::size_t t = begin; t < begin + in.batch.length(s); ++t) {
        const std::size_t position =
            in.positions != nullptr ? static_cast<std::size_t>(in.positions[t]) : t - begin;
        const std::size_t type =
            in.type_ids != nullptr ? static_cast<std::size_t>(in.type_ids[t]) : 0;
        add_rows(static_cast<std::size_t>(in.ids[t]), position, type, sum.row(t));
        norm_.run_row(sum.row(t), out, t);
      }
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
      const auto sum =
          words_.lanes(id, c, d) + positions_.lanes(position, c, d) + types_.lanes(type, c, d);
      clamp(sum, i32x16<Arch>::broadcast(limit)).store(out + c);
    }
  }

  model_shape shape_;
  integer_layer_norm<Arch> norm_;
  table words_, positions_, types_;
};

/// What a head reads: codes, or (as encoder_output) floats decoded from them.
template <class Format>
struct integer_encoder_output {
  token_batch batch;
  encoded_rows<Format> codes;  // (T, D), or (sentences, D) for first tokens
  std::size_t rows = 0;
  hidden_rows present = hidden_rows::all_tokens;
  const double* scale = nullptr;  // of the codes
  matrix_view<float> floats;      // where decoded rows go
  overflow stopped{};             // nowhere: integers do not overflow

  operator encoder_output() const {
    return {batch, decode_rows(codes, rows, *scale, floats), present, {}};
  }
  /// Which row is the first token of sentence s.
  [[nodiscard]] std::size_t first_row(std::size_t s) const {
    return present == hidden_rows::first_tokens ? s : batch.begin(s);
  }
};

template <class Policy, class Arch>
requires integer_only<Policy>
class encoder<Policy, Arch> {
 public:
  template <bool Observed>
  using workspace = integer_workspace<Policy, Arch, Observed>;
  using output = integer_encoder_output<typename site_formats<Policy>::projection>;
  /// Tokens of one sentence whose attention stays within 32 bits.
  static constexpr std::size_t most_positions = std::size_t{1} << 16;
  static_assert(std::is_same_v<typename Policy::embedding, int8<scale::tensor>>,
                "lowbit: the embeddings of an integer-only policy are int8<scale::tensor>");

  /// As the float encoder's. Errors: also unsupported, for extents or scales that 32-bit integers
  /// cannot hold
  LOWBIT_COLD status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    if (shape.positions > most_positions) {
      return status::error(errc::unsupported, "max_position_embeddings is ", shape.positions,
                           ", an integer-only model has at most ", most_positions);
    }
    layers_ = memory.take_vector<integer_layer<Policy, Arch>>(shape.layers);
    scales_ = memory.take_vector<double>(shape.layers + 1);
    if (!memory.measuring()) LOWBIT_TRY(read_scales(weights));
    const auto scale = [&](std::size_t l) { return memory.measuring() ? 1.0 : scales_[l]; };
    LOWBIT_TRY(embeddings_.load(memory, weights, shape, scale(0)));
    for (std::size_t l = 0; l < shape.layers; ++l) {
      integer_layer<Policy, Arch> layer;
      LOWBIT_TRY(layer.load(memory, weights, l, shape, scale(l + 1)));
      if (!memory.measuring()) layers_[l] = layer;
    }
    return {};
  }

  [[nodiscard]] const model_shape& shape() const { return shape_; }
  [[nodiscard]] status check(const token_input& in) const {
    LOWBIT_TRY(check_unpadded(in));
    return check_tokens(in, shape_);
  }

  template <class Workspace, executor Executor, class Observer>
  output run(const token_input& in, Workspace& w, hidden_rows wanted, Executor& executor,
             Observer& observer) const {
    constexpr bool observed = std::remove_reference_t<Observer>::enabled;
    const std::size_t tokens = in.batch.tokens();
    const bool first_only = wanted == hidden_rows::first_tokens && !observed;
    embeddings_.run(in, w.sum, w.hidden, executor);
    if constexpr (observed) show(w, tokens, 0, observer);
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      const query_blocks blocks{in.batch, l + 1 == shape_.layers && first_only};
      if constexpr (observed) observer.layer = l;
      layers_[l].run(w, blocks, executor, observer);
      if constexpr (observed) show(w, tokens, l + 1, observer);
    }
    return {in.batch,
            w.hidden,
            first_only ? in.batch.sentences : tokens,
            first_only ? hidden_rows::first_tokens : hidden_rows::all_tokens,
            scales_.data + shape_.layers,
            w.floats,
            {}};
  }

 private:
  /// Hidden rows l are what layer l reads, the last ones the encoder's own output.
  status read_scales(const weight_set& weights) const {
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      const tensor_name self("bert.encoder.layer.", l, ".attention.self");
      LOWBIT_TRY(read_scale(weights, self(".query.input.scale"), scales_[l]));
    }
    return read_scale(weights, tensor_name("bert.encoder.output.scale"), scales_[shape_.layers]);
  }
  template <class Workspace, class Observer>
  void show(const Workspace& w, std::size_t tokens, std::size_t index, Observer& observer) const {
    observer.hidden(index, decode_rows(w.hidden, tokens, scales_[index], w.floats));
  }

  model_shape shape_;
  integer_embeddings<Arch> embeddings_;
  vector_view<integer_layer<Policy, Arch>> layers_;
  vector_view<double> scales_;  // (L + 1), of hidden codes: for observers and float heads
};

}  // namespace lowbit::inline LOWBIT_ISA
