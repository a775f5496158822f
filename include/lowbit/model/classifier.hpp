// SPDX-License-Identifier: Apache-2.0
// BERT for sequence classification: embeddings, encoder layers, pooler, classifier. Immutable after
// load and safe to share between threads; a run works in the caller's workspace and allocates
// nothing.
#pragma once

#include "lowbit/model/embeddings.hpp"
#include "lowbit/nn/encoder_layer.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Arch = native>
class classifier {
 public:
  using policy = Policy;
  using formats = site_formats<Policy>;

  /// Bytes that load() takes from its memory.
  [[nodiscard]] static std::size_t model_bytes(const model_shape& shape) {
    arena measure;
    classifier model;
    static_cast<void>(model.load(measure, {}, shape));
    return measure.used();
  }

  /// Packs the weights into `memory` (model_bytes(shape), aligned to buffer_alignment). Embedding
  /// tables are not copied: the memory behind `weights` must outlive the model. Errors: malformed
  /// shape, not_found / malformed / shape_mismatch naming the tensor
  status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    LOWBIT_TRY(shape.check());
    shape_ = shape;
    LOWBIT_TRY(embeddings_.load(memory, weights, shape));
    layers_ = memory.take_vector<encoder_layer<Policy, Arch>>(shape.layers);
    for (std::size_t l = 0; l < shape.layers; ++l) {
      encoder_layer<Policy, Arch> layer;
      LOWBIT_TRY(layer.load(memory, weights, l, shape));
      if (!memory.measuring()) layers_[l] = layer;
    }
    LOWBIT_TRY(pooler_.load(memory, weights, tensor_name("bert.pooler.dense"), shape.hidden,
                            shape.hidden));
    return classifier_.load(memory, weights, tensor_name("classifier"), shape.labels, shape.hidden);
  }

  [[nodiscard]] const model_shape& shape() const { return shape_; }

  /// Bytes of workspace that run() needs for any batch within the limits.
  template <bool Observed = false>
  [[nodiscard]] static constexpr std::size_t workspace_bytes(const model_shape& shape,
                                                             const batch_limits& limits) {
    arena measure;
    workspace<Observed> w;
    w.plan(measure, shape, limits);
    return measure.used();
  }

  /// Logits (sentences, labels) of a batch.
  /// Errors: invalid_argument (a token id, type, position or length), workspace_too_small (with the
  /// bytes needed) Exact:  the same bits for a sentence alone or in any batch, on every arch, with
  /// every executor
  template <executor Executor, class Observer = no_observer>
  status run(const token_input& in, std::byte* memory, std::size_t bytes, matrix_view<float> logits,
             Executor& executor, Observer&& observer = {}) const {
    constexpr bool observed = std::remove_reference_t<Observer>::enabled;
    const token_batch& batch = in.batch;
    if (batch.sentences == 0) return {};
    LOWBIT_TRY(embeddings_.check(in));
    const batch_limits limits = limits_of(batch, executor.workers());
    const std::size_t needed = workspace_bytes<observed>(shape_, limits);
    if (bytes < needed) {
      return status::error(errc::workspace_too_small, "workspace of ", bytes,
                           " bytes, this batch needs ", needed);
    }
    arena space(memory, bytes);
    workspace<observed> w;
    w.plan(space, shape_, limits);
    encode(in, w, executor, observer);
    pool(batch, w, executor, observer);
    classifier_.run(activation_rows<mul_add>{w.pooled, shape_.hidden},
                    classifier_.to_output() | store{logits}, executor);
    return {};
  }

  [[nodiscard]] static batch_limits limits_of(const token_batch& batch, std::size_t workers) {
    batch_limits limits{batch.tokens(), batch.sentences, 0, workers};
    for (std::size_t s = 0; s < batch.sentences; ++s) {
      if (batch.length(s) > limits.longest) limits.longest = batch.length(s);
    }
    return limits;
  }

 private:
  template <bool Observed>
  struct workspace : layer_workspace<Policy, Arch, Observed> {
    encoded_rows<typename formats::pooler> pool_input;  // (sentences)
    matrix_view<float> pooled;                          // (sentences, D)

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      layer_workspace<Policy, Arch, Observed>::plan(memory, shape, limits);
      pool_input.plan(memory, limits.sentences, shape.hidden);
      pooled =
          memory.take_matrix<float>(limits.sentences, shape.hidden, float_stride(shape.hidden));
    }
  };

  template <class Workspace, executor Executor, class Observer>
  void encode(const token_input& in, Workspace& w, Executor& executor, Observer& observer) const {
    constexpr bool observed = std::remove_reference_t<Observer>::enabled;
    const std::size_t tokens = in.batch.tokens();
    for (auto& rows : w.input) rows.clear_pad(Workspace::projection_input::is_float ? 0 : tokens);
    embeddings_.run(in, w.sum, layers_[0].input_sink(w, shape_.hidden), executor);
    if constexpr (observed)
      observer.hidden(0, matrix_view<const float>(w.hidden.rows_from(0, tokens)));
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      const bool last = l + 1 == shape_.layers;
      const query_blocks blocks{in.batch, last && !observed};
      if constexpr (observed) observer.layer = l;
      if (last) {
        layers_[l].run(w, blocks, store{w.hidden}, executor, observer);
      } else {
        layers_[l].run(w, blocks, layers_[l + 1].input_sink(w, shape_.hidden), executor, observer);
      }
      if constexpr (observed)
        observer.hidden(l + 1, matrix_view<const float>(w.hidden.rows_from(0, tokens)));
    }
  }

  template <class Workspace, executor Executor, class Observer>
  void pool(const token_batch& batch, Workspace& w, Executor& executor, Observer& observer) const {
    constexpr bool observed = std::remove_reference_t<Observer>::enabled;
    using pooler_input = encoded_rows<typename formats::pooler>;
    w.pool_input.clear_pad(batch.sentences);
    for (std::size_t s = 0; s < batch.sentences; ++s) {
      const float* row = w.hidden.row(observed ? batch.begin(s) : s);
      if constexpr (pooler_input::is_float) {
        std::memcpy(w.pool_input.rows.row(s), row, shape_.hidden * sizeof(float));
      } else {
        const sign_encoder encode{w.pool_input.rows, shape_.hidden, pooler_.input().shift};
        for (std::size_t c = 0; c < shape_.hidden; c += virtual_lanes) {
          encode(load_row<Arch>(row, c, shape_.hidden), s, c);
        }
      }
    }
    const auto tanh_output = pooler_.to_output() | activate<tanh_activation>{};
    pooler_.run(w.pool_input.first(batch.sentences), tanh_output | store{w.pooled}, executor);
    if constexpr (observed)
      observer.pooled(matrix_view<const float>(w.pooled.rows_from(0, batch.sentences)));
    if (shape_.relu_before_classifier) {
      for (std::size_t s = 0; s < batch.sentences; ++s) {
        for (std::size_t c = 0; c < shape_.hidden; ++c)
          w.pooled(s, c) = w.pooled(s, c) > 0.0F ? w.pooled(s, c) : 0.0F;
      }
    }
  }

  model_shape shape_;
  embeddings<typename Policy::embedding, Arch> embeddings_;
  vector_view<encoder_layer<Policy, Arch>> layers_;
  linear<typename formats::pooler, Arch> pooler_;
  linear<linear_format<f32, activation::f32>, Arch> classifier_;
};

}  // namespace lowbit::inline LOWBIT_ISA
