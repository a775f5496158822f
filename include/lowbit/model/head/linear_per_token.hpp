// SPDX-License-Identifier: Apache-2.0
// Heads with one f32 linear layer per token: token classification (a logit per label) and question
// answering (logits for an answer starting and ending at the token).
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/model/encoder.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <head_kind Kind, class Arch>
class linear_per_token {
 public:
  static_assert(Kind == head_kind::token || Kind == head_kind::span);
  static constexpr head_kind kind = Kind;
  [[nodiscard]] static constexpr hidden_rows reads() { return hidden_rows::all_tokens; }

  struct workspace {
    static constexpr void plan(arena&, const model_shape&, const batch_limits&) {}
  };

  LOWBIT_COLD status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    const tensor_name name =
        part_name(Kind == head_kind::span ? model_part::span_classifier : model_part::classifier);
    return layer_.load(memory, weights, name, output_cols(shape), shape.hidden);
  }

  [[nodiscard]] static std::size_t output_rows(const token_input& in) { return in.batch.tokens(); }
  [[nodiscard]] static std::size_t output_cols(const model_shape& shape) {
    return Kind == head_kind::span ? 2 : shape.labels;
  }
  [[nodiscard]] static status check(const token_input&) { return {}; }

  /// Computes logits (T, labels); span: (T, 2), start and end.
  template <executor Executor, class Observer>
  void run(const encoder_output& encoded, const token_input&, workspace&, matrix_view<float> logits,
           Executor& executor, Observer&) const {
    layer_.run(activation_rows<mul_add>{encoded.hidden, encoded.hidden.cols},
               layer_.to_output(nullptr) | store{logits}, executor);
  }

 private:
  linear<linear_format<f32, activation::f32>, Arch> layer_;
};

template <class Arch>
using token_head = linear_per_token<head_kind::token, Arch>;
template <class Arch>
using span_head = linear_per_token<head_kind::span, Arch>;

}  // namespace lowbit::inline LOWBIT_ISA
