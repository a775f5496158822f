// SPDX-License-Identifier: Apache-2.0
// The encoder: embeddings and layers, token ids in, hidden rows out. It knows no head; a head says
// which rows it reads, and where that is the first token of each sentence the last layer computes
// nothing else. Immutable after load and safe to share between threads.
#pragma once

#include "lowbit/model/embeddings.hpp"
#include "lowbit/model/overflow.hpp"
#include "lowbit/nn/encoder_layer.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Which hidden rows of the last layer exist.
enum class hidden_rows : std::uint8_t { all_tokens, first_tokens };

/// What a head reads.
struct encoder_output {
  token_batch batch;
  matrix_view<const float> hidden;  // (T, D), or (sentences, D) for first tokens
  hidden_rows present = hidden_rows::all_tokens;
  overflow stopped{};  // where the run stopped; then there are no hidden rows

  /// The hidden row of the first token of sentence s.
  [[nodiscard]] const float* first_row(std::size_t s) const {
    return hidden.row(present == hidden_rows::first_tokens ? s : batch.begin(s));
  }
};

/// Looks at the hidden rows that no layer norm comes after: of first tokens, which a head may
/// encode as bits.
template <class Arch>
[[nodiscard]] overflow first_tokens_overflow(const encoder_output& encoded, std::size_t layers) {
  for (std::size_t s = 0; s < encoded.batch.sentences; ++s) {
    const matrix_view<const float> row{encoded.first_row(s), 1, encoded.hidden.cols, 0};
    if (first_overflow<Arch>(row) == 0) return {layers, s};
  }
  return {};
}

template <class Policy, class Arch = native>
class encoder {
 public:
  template <bool Observed>
  using workspace = layer_workspace<Policy, Arch, Observed>;

  /// Packs the weights into `memory`. Embedding tables are not copied: the memory behind `weights`
  /// must outlive the encoder.
  LOWBIT_COLD status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    LOWBIT_TRY(embeddings_.load(memory, weights, shape));
    layers_ = memory.take_vector<encoder_layer<Policy, Arch>>(shape.layers);
    for (std::size_t l = 0; l < shape.layers; ++l) {
      encoder_layer<Policy, Arch> layer;
      LOWBIT_TRY(layer.load(memory, weights, l, shape));
      if (!memory.measuring()) layers_[l] = layer;
    }
    return {};
  }

  [[nodiscard]] const model_shape& shape() const { return shape_; }
  [[nodiscard]] status check(const token_input& in) const {
    LOWBIT_TRY(check_unpadded(in));
    return check_tokens(in, shape_);
  }

  /// Hidden rows of the last layer, in w.hidden. An observer sees, and so gets, those of all
  /// tokens. Requires: check(in) passed; w planned for the batch
  template <class Workspace, executor Executor, class Observer>
  encoder_output run(const token_input& in, Workspace& w, hidden_rows wanted, Executor& executor,
                     Observer& observer) const {
    constexpr bool observed = std::remove_reference_t<Observer>::enabled;
    const std::size_t tokens = in.batch.tokens();
    const bool first_only = wanted == hidden_rows::first_tokens && !observed;
    for (auto& rows : w.input) rows.clear_pad(Workspace::projection_input::is_float ? 0 : tokens);
    w.marks.clear(tokens);
    embeddings_.run(in, w.sum, layers_[0].input_sink(w, shape_.hidden), executor, w.marks);
    if (const auto found = find_overflow(w.marks, 0, in.batch, false))
      return {in.batch, {}, hidden_rows::all_tokens, found};
    if constexpr (observed)
      observer.hidden(0, matrix_view<const float>(w.hidden.rows_from(0, tokens)));
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      const bool last = l + 1 == shape_.layers;
      const query_blocks blocks{in.batch, last && first_only};
      if constexpr (observed) observer.layer = l;
      if (last) {
        layers_[l].run(w, blocks, store{w.hidden}, executor, observer);
      } else {
        layers_[l].run(w, blocks, layers_[l + 1].input_sink(w, shape_.hidden), executor, observer);
      }
      if (const auto found = find_overflow(w.marks, l + 1, in.batch, blocks.first_token_only))
        return {in.batch, {}, hidden_rows::all_tokens, found};
      if constexpr (observed)
        observer.hidden(l + 1, matrix_view<const float>(w.hidden.rows_from(0, tokens)));
    }
    return {in.batch,
            w.hidden.rows_from(0, first_only ? in.batch.sentences : tokens),
            first_only ? hidden_rows::first_tokens : hidden_rows::all_tokens,
            {}};
  }

  /// Layer `index` alone on rows of the caller: hidden (T, D) in and out, for questions about
  /// single layers. Requires: w planned for the batch
  template <class Workspace, executor Executor>
  overflow run_layer(std::size_t index, const token_batch& batch, matrix_view<float> hidden,
                     Workspace& w, Executor& executor) const {
    const std::size_t tokens = batch.tokens();
    for (auto& rows : w.input) rows.clear_pad(Workspace::projection_input::is_float ? 0 : tokens);
    w.marks.clear(tokens);
    const auto sink = layers_[index].input_sink(w, shape_.hidden);
    for (std::size_t t = 0; t < tokens; ++t) {
      for_each_column(shape_.hidden,
                      [&](auto c) { sink(load_row<Arch>(hidden.row(t), c, hidden.cols), t, c); });
      finish_row(sink, t);
    }
    no_observer nobody;
    layers_[index].run(w, query_blocks{batch, false}, store{hidden}, executor, nobody);
    return find_overflow(w.marks, index + 1, batch, false);
  }

 private:
  model_shape shape_;
  embeddings<typename Policy::embedding, Arch> embeddings_;
  vector_view<encoder_layer<Policy, Arch>> layers_;
};

}  // namespace lowbit::inline LOWBIT_ISA
