// SPDX-License-Identifier: Apache-2.0
// The encoder of policies whose ranges span a padded batch: every sentence has the same length, a
// count says how many of its tokens are valid, and every token is computed. Include it wherever
// such a policy may be used.
#pragma once

#include "lowbit/model/encoder.hpp"
#include "lowbit/nn/padded_layer.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Arch>
requires whole_batch_ranges<Policy>
class encoder<Policy, Arch> {
 public:
  template <bool Observed>
  using workspace = padded_workspace<Policy, Arch, Observed>;

  /// As the other encoders.
  LOWBIT_COLD status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    LOWBIT_TRY(embeddings_.load(memory, weights, shape));
    layers_ = memory.take_vector<padded_layer<Policy, Arch>>(shape.layers);
    for (std::size_t l = 0; l < shape.layers; ++l) {
      padded_layer<Policy, Arch> layer;
      LOWBIT_TRY(layer.load(memory, weights, l, shape));
      if (!memory.measuring()) layers_[l] = layer;
    }
    return {};
  }

  [[nodiscard]] const model_shape& shape() const { return shape_; }

  /// Sentences of one length, each with at least one valid token.
  [[nodiscard]] status check(const token_input& in) const {
    const token_batch& batch = in.batch;
    for (std::size_t s = 0; s < batch.sentences; ++s) {
      if (batch.length(s) != batch.length(0)) {
        return status::error(errc::invalid_argument, "sentence ", s, " has ", batch.length(s),
                             " tokens, sentence 0 has ", batch.length(0), ": policy ", Policy::name,
                             " needs sentences that are padded to the same length");
      }
      const std::size_t valid = batch.valid_length(s);
      if (valid == 0 || valid > batch.length(s)) {
        return status::error(errc::invalid_argument, "sentence ", s, " has ", valid,
                             " valid tokens, expected 1 to ", batch.length(s));
      }
    }
    return check_tokens(in, shape_);
  }

  /// Hidden rows of the last layer, in w.hidden, those of padding, too.
  /// Requires: check(in) passed; w planned for the batch
  template <class Workspace, executor Executor, class Observer>
  encoder_output run(const token_input& in, Workspace& w, hidden_rows, Executor& executor,
                     Observer& observer) const {
    constexpr bool observed = std::remove_reference_t<Observer>::enabled;
    const auto hidden = w.hidden.rows_from(0, in.batch.tokens());
    w.marks.clear(in.batch.tokens());
    embeddings_.run(in, w.sum, store{w.hidden}, executor, w.marks);
    if (const auto found = find_overflow(w.marks, 0, in.batch, false))
      return {in.batch, {}, hidden_rows::all_tokens, found};
    if constexpr (observed) observer.hidden(0, matrix_view<const float>(hidden));
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      if constexpr (observed) observer.layer = l;
      layers_[l].run(w, in.batch, executor, observer);
      if (const auto found = find_overflow(w.marks, l + 1, in.batch, false))
        return {in.batch, {}, hidden_rows::all_tokens, found};
      if constexpr (observed) observer.hidden(l + 1, matrix_view<const float>(hidden));
    }
    return {in.batch, hidden, hidden_rows::all_tokens, {}};
  }

 private:
  model_shape shape_;
  embeddings<typename Policy::embedding, Arch> embeddings_;
  vector_view<padded_layer<Policy, Arch>> layers_;
};

}  // namespace lowbit::inline LOWBIT_ISA
