// SPDX-License-Identifier: Apache-2.0
// The encoder of a per_layer policy: runs of layers that share a policy, each run with its own
// workspace; the hidden rows are common to all.
#pragma once

#include "lowbit/model/encoder.hpp"
#include "lowbit/policy/per_layer.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class... Segments, class Arch>
class encoder<per_layer<Segments...>, Arch> {
 public:
  using policy = per_layer<Segments...>;
  template <std::size_t S>
  using layer_at = encoder_layer<typename policy::template policy_at<S>, Arch>;

  template <bool Observed>
  struct workspace {
    std::tuple<layer_workspace<typename Segments::policy, Arch, Observed>...> segments;

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      std::apply([&](auto&... w) { (w.plan(memory, shape, limits), ...); }, segments);
      std::apply([&](auto&... w) { ((w.hidden = std::get<0>(segments).hidden), ...); }, segments);
      std::apply([&](auto&... w) { ((w.marks = std::get<0>(segments).marks), ...); }, segments);
    }
  };

  LOWBIT_COLD status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    LOWBIT_TRY(embeddings_.load(memory, weights, shape));
    return load_from<0>(memory, weights);
  }

  [[nodiscard]] const model_shape& shape() const { return shape_; }
  [[nodiscard]] status check(const token_input& in) const {
    LOWBIT_TRY(check_unpadded(in));
    return check_tokens(in, shape_);
  }

  /// As encoder::run.
  template <class Workspace, executor Executor, class Observer>
  encoder_output run(const token_input& in, Workspace& w, hidden_rows wanted, Executor& executor,
                     Observer& observer) const {
    constexpr bool observed = std::remove_reference_t<Observer>::enabled;
    const bool first_only = wanted == hidden_rows::first_tokens && !observed;
    const std::size_t tokens = in.batch.tokens();
    std::apply([&](auto&... s) { (clear_pads(s, tokens), ...); }, w.segments);
    auto& front = std::get<0>(w.segments);
    front.marks.clear(tokens);
    embeddings_.run(in, front.sum, std::get<0>(layers_)[0].input_sink(front, shape_.hidden),
                    executor, front.marks);
    if (const auto found = find_overflow(front.marks, 0, in.batch, false))
      return {in.batch, {}, hidden_rows::all_tokens, found};
    if constexpr (observed)
      observer.hidden(0, matrix_view<const float>(front.hidden.rows_from(0, tokens)));
    if (const auto found = run_from<0>(in.batch, w, first_only, executor, observer))
      return {in.batch, {}, hidden_rows::all_tokens, found};
    return {in.batch,
            front.hidden.rows_from(0, first_only ? in.batch.sentences : tokens),
            first_only ? hidden_rows::first_tokens : hidden_rows::all_tokens,
            {}};
  }

 private:
  template <std::size_t S>
  [[nodiscard]] std::size_t count() const {
    return policy::begin(S + 1, shape_.layers) - policy::begin(S, shape_.layers);
  }

  template <class Workspace>
  static void clear_pads(Workspace& w, std::size_t tokens) {
    for (auto& rows : w.input) rows.clear_pad(Workspace::projection_input::is_float ? 0 : tokens);
  }

  template <std::size_t S>
  status load_from(arena& memory, const weight_set& weights) {
    if constexpr (S < policy::segment_count) {
      auto& layers = std::get<S>(layers_);
      layers = memory.take_vector<layer_at<S>>(count<S>());
      for (std::size_t l = 0; l < layers.count; ++l) {
        layer_at<S> layer;
        LOWBIT_TRY(layer.load(memory, weights, policy::begin(S, shape_.layers) + l, shape_));
        if (!memory.measuring()) layers[l] = layer;
      }
      return load_from<S + 1>(memory, weights);
    }
    return {};
  }

  template <std::size_t S, class Workspace, executor Executor, class Observer>
  overflow run_from(const token_batch& batch, Workspace& w, bool first_only, Executor& executor,
                    Observer& observer) const {
    if constexpr (S < policy::segment_count) {
      constexpr bool observed = std::remove_reference_t<Observer>::enabled;
      auto& here = std::get<S>(w.segments);
      const std::size_t begin = policy::begin(S, shape_.layers);
      const auto& layers = std::get<S>(layers_);
      for (std::size_t l = 0; l < layers.count; ++l) {
        const bool last = begin + l + 1 == shape_.layers;
        const query_blocks blocks{batch, last && first_only};
        if constexpr (observed) observer.layer = begin + l;
        if (last) {
          layers[l].run(here, blocks, store{here.hidden}, executor, observer);
        } else if (l + 1 < layers.count) {
          layers[l].run(here, blocks, layers[l + 1].input_sink(here, shape_.hidden), executor,
                        observer);
        } else if constexpr (S + 1 < policy::segment_count) {
          layers[l].run(
              here, blocks,
              std::get<S + 1>(layers_)[0].input_sink(std::get<S + 1>(w.segments), shape_.hidden),
              executor, observer);
        }
        if (const auto found =
                find_overflow(here.marks, begin + l + 1, batch, blocks.first_token_only))
          return found;
        if constexpr (observed)
          observer.hidden(begin + l + 1,
                          matrix_view<const float>(here.hidden.rows_from(0, batch.tokens())));
      }
      return run_from<S + 1>(batch, w, first_only, executor, observer);
    } else {
      return {};
    }
  }

  model_shape shape_;
  embeddings<typename policy::embedding, Arch> embeddings_;
  std::tuple<vector_view<encoder_layer<typename Segments::policy, Arch>>...> layers_;
};

}  // namespace lowbit::inline LOWBIT_ISA
