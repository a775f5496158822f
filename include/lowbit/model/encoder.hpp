// SPDX-License-Identifier: Apache-2.0
// The encoder: embeddings and layers, from token ids to hidden rows. Its layers are segments with
// one policy each (policy/per_layer.hpp); a policy for all layers is one segment. It does not
// depend on a head; a head declares which rows it reads, and if those are only the first token of
// each sentence, the last layer computes nothing else. Immutable after load and safe to share
// between threads.
#pragma once

#include "lowbit/model/embeddings.hpp"
#include "lowbit/model/overflow.hpp"
#include "lowbit/nn/encoder_layer.hpp"
#include "lowbit/policy/per_layer.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Which hidden rows of the last layer are computed.
enum class hidden_rows : std::uint8_t { all_tokens, first_tokens };

/// The encoder's output, read by a head.
struct encoder_output {
  token_batch batch;
  matrix_view<const float> hidden;  // (T, D), or (sentences, D) for first tokens
  hidden_rows present = hidden_rows::all_tokens;
  overflow stopped{};  // where the run stopped; there are then no hidden rows

  /// The hidden row of the first token of sentence s.
  [[nodiscard]] const float* first_row(std::size_t s) const {
    return hidden.row(present == hidden_rows::first_tokens ? s : batch.begin(s));
  }
};

/// Checks the final hidden rows of first tokens, which no layer norm follows; a head may encode
/// them as bits.
template <class Arch>
[[nodiscard]] overflow first_tokens_overflow(const encoder_output& encoded, std::size_t layers) {
  for (std::size_t s = 0; s < encoded.batch.sentences; ++s) {
    const matrix_view<const float> row{encoded.first_row(s), 1, encoded.hidden.cols, 0};
    if (first_overflow<Arch>(row) == 0) return {layers, s};
  }
  return {};
}

/// Float hidden rows, for observers and heads. All are normalised: in a pre_norm model by the norm
/// before the next layer.
struct float_rows {
  using output = encoder_output;
  static constexpr status load(arena&, const weight_set&, const model_shape&) { return {}; }
  /// Hidden rows `index`: the input of layer `index`, or the encoder output.
  template <class Workspace>
  [[nodiscard]] static matrix_view<const float> floats(const Workspace& w, std::size_t,
                                                       std::size_t rows) {
    return w.hidden.rows_from(0, rows);
  }
  template <class Workspace>
  [[nodiscard]] static output last(const Workspace& w, const token_batch& batch, std::size_t rows,
                                   hidden_rows present, const overflow& stopped) {
    return {batch, w.hidden.rows_from(0, rows), present, stopped};
  }
};

/// The components of the encoder of a policy. Integer-only policies specialize it
/// (integer_encoder.hpp).
template <class Policy, class Arch>
struct encoder_parts {
  using embedding_layer = embeddings<typename Policy::embedding, Arch>;
  using layer = encoder_layer<Policy, Arch>;
  using rows = float_rows;
};

template <class Policy, class Arch = native>
class encoder {
  using parts = encoder_parts<Policy, Arch>;
  using segments = segments_of<Policy>;
  template <class P>
  using layer_of = typename encoder_parts<P, Arch>::layer;
  template <class P>
  using layers_of = vector_view<layer_of<P>>;
  using last_layer = layer_of<typename segments::last>;
  using stream = typename last_layer::stream;
  static constexpr bool batch_range = last_layer::batch_range;

  /// Calls function<S>() for each segment in order, until it returns false.
  template <class Function>
  static constexpr void each_segment(const Function& function) {
    [&]<std::size_t... S>(std::index_sequence<S...>) {
      static_cast<void>((function.template operator()<S>() && ...));
    }
    (std::make_index_sequence<segments::segment_count>{});
  }

 public:
  using output = typename parts::rows::output;

  template <bool Observed>
  struct workspace : stream {
    template <class P>
    using layer_memory = typename layer_of<P>::template workspace<Observed>;
    typename segments::template each<layer_memory> layers;

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      stream::plan(memory, shape, limits, batch_range);
      each_segment([&]<std::size_t S>() {
        std::get<S>(layers).plan(memory, shape, limits, *this);
        return true;
      });
    }
  };

  /// Packs the weights into `memory`. Embedding tables are not copied: the memory behind `weights`
  /// must outlive the encoder.
  LOWBIT_COLD constexpr status load(arena& memory, const weight_set& weights,
                                    const model_shape& shape) {
    shape_ = shape;
    if (shape.shared_layers && segments::segment_count > 1) {
      return status::error(errc::unsupported, "policy ", Policy::name,
                           " differs between layers, but all layers of this model share weights");
    }
    status attends;
    each_segment([&]<std::size_t S>() {
      attends = check_attention<typename segments::template policy_at<S>>(shape);
      return attends.ok();
    });
    LOWBIT_TRY(attends);
    LOWBIT_TRY(embeddings_.load(memory, weights, shape));
    LOWBIT_TRY(rows_.load(memory, weights, shape));
    status loaded;
    each_segment([&]<std::size_t S>() {
      loaded = load_layers(memory, weights, segments::begin(S, shape.layers),
                           segments::begin(S + 1, shape.layers), std::get<S>(layers_));
      return loaded.ok();
    });
    return loaded;
  }

  [[nodiscard]] const model_shape& shape() const { return shape_; }
  /// Checks the input: sentences must be unpadded, or padded to one length if ranges span the
  /// batch.
  /// Errors: invalid_argument
  [[nodiscard]] status check(const token_input& in) const {
    if constexpr (batch_range) {
      LOWBIT_TRY(check_padded(in, Policy::name));
    } else {
      LOWBIT_TRY(check_unpadded(in));
    }
    return check_tokens(in, shape_);
  }

  /// Computes the hidden rows of the last layer into w.hidden; only those of first tokens if wanted
  /// and nothing else is needed. With an observer or batch ranges, all tokens are computed.
  /// Requires: check(in) passed; w planned for the batch
  template <class Workspace, executor Executor, class Observer>
  output run(const token_input& in, Workspace& w, hidden_rows wanted, Executor& executor,
             Observer& observer) const {
    constexpr bool observed = std::remove_reference_t<Observer>::enabled;
    const std::size_t tokens = in.batch.tokens();
    const bool first_only = wanted == hidden_rows::first_tokens && !observed && !batch_range;
    clear(w, tokens);
    embeddings_.run(in, w, std::get<0>(layers_)[0].input_sink(std::get<0>(w.layers)), executor);
    overflow found = find_overflow(w.marks, 0, in.batch, false);
    if constexpr (observed) {
      if (!found) observer.hidden(0, rows_.floats(w, 0, tokens));
    }
    each_segment([&]<std::size_t S>() {
      const std::size_t begin = segments::begin(S, shape_.layers);
      for (std::size_t l = 0; l < std::get<S>(layers_).count && !found; ++l) {
        const std::size_t index = begin + l;
        const query_blocks blocks{in.batch, first_only && index + 1 == shape_.layers};
        if constexpr (observed) observer.layer = index;
        run_layer_at<S>(l, w, blocks, executor, observer);
        found = find_overflow(w.marks, index + 1, in.batch, blocks.first_token_only);
        if constexpr (observed) {
          if (!found) observer.hidden(index + 1, rows_.floats(w, index + 1, tokens));
        }
      }
      return !found;
    });
    return rows_.last(w, in.batch, first_only ? in.batch.sentences : tokens,
                      first_only ? hidden_rows::first_tokens : hidden_rows::all_tokens, found);
  }

  /// Runs layer `index` alone on the caller's rows, hidden (T, D) in and out, to inspect single
  /// layers.
  /// Requires: w planned for the batch
  template <class Workspace, executor Executor>
  overflow run_layer(std::size_t index, const token_batch& batch, matrix_view<float> hidden,
                     Workspace& w, Executor& executor) const
      requires(!batch_range && std::is_same_v<output, encoder_output>) {
    const std::size_t tokens = batch.tokens();
    clear(w, tokens);
    each_segment([&]<std::size_t S>() {
      const std::size_t begin = segments::begin(S, shape_.layers);
      if (index >= begin + std::get<S>(layers_).count) return true;
      const auto& layer = std::get<S>(layers_)[index - begin];
      auto& memory = std::get<S>(w.layers);
      const auto sink = layer.input_sink(memory);
      for (std::size_t t = 0; t < tokens; ++t) {
        for_each_column(shape_.hidden,
                        [&](auto c) { sink(load_row<Arch>(hidden.row(t), c, hidden.cols), t, c); });
        finish_row(sink, t);
      }
      no_observer nobody;
      layer.run(memory, query_blocks{batch, false}, store{hidden}, executor, nobody);
      return false;
    });
    return find_overflow(w.marks, index + 1, batch, false);
  }

 private:
  template <class Layer>
  constexpr status load_layers(arena& memory, const weight_set& weights, std::size_t begin,
                               std::size_t end, vector_view<Layer>& layers) const {
    static_assert(
        Layer::batch_range == batch_range && std::is_same_v<typename Layer::stream, stream>,
        "lowbit: policies of floats, of ranges that span a padded batch, and of integers alone do "
        "not mix");
    layers = memory.take_objects<Layer>(end - begin);
    for (std::size_t l = begin; l < end; ++l) {
      if (l > begin && shape_.shared_layers) {  // packed once
        if (!memory.measuring()) layers[l - begin] = layers[0];
        continue;
      }
      Layer layer;
      LOWBIT_TRY(layer.load(memory, weights, l, shape_));
      if (!memory.measuring()) layers[l - begin] = layer;
    }
    return {};
  }

  template <class Workspace>
  static void clear(const Workspace& w, std::size_t tokens) {
    w.marks.clear(tokens);
    each_segment([&]<std::size_t S>() {
      std::get<S>(w.layers).clear(tokens);
      return true;
    });
  }

  /// Runs layer l of segment S; its output is encoded as the input of the next layer.
  template <std::size_t S, class Workspace, executor Executor, class Observer>
  void run_layer_at(std::size_t l, Workspace& w, const query_blocks& blocks, Executor& executor,
                    Observer& observer) const {
    const auto& layers = std::get<S>(layers_);
    auto& memory = std::get<S>(w.layers);
    if (l + 1 < layers.count) {
      layers[l].run(memory, blocks, layers[l + 1].input_sink(memory), executor, observer);
      return;
    }
    if constexpr (S + 1 < segments::segment_count) {
      const auto& next = std::get<S + 1>(layers_);
      if (next.count > 0) {
        layers[l].run(memory, blocks, next[0].input_sink(std::get<S + 1>(w.layers)), executor,
                      observer);
        return;
      }
    }
    layers[l].run(memory, blocks, w.sink(), executor, observer);
  }

  model_shape shape_;
  typename parts::embedding_layer embeddings_;
  typename parts::rows rows_;
  typename segments::template each<layers_of> layers_;
};

}  // namespace lowbit::inline LOWBIT_ISA
