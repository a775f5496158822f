// SPDX-License-Identifier: Apache-2.0
// Heads with one f32 linear layer per token: token classification (a logit per label) and question
// answering (logits for an answer starting and ending at the token). In pre_norm models a dense
// layer, an activation function and a norm come before it.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/model/encoder.hpp"
#include "lowbit/nn/activate_rows.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <head_kind Kind, class Arch>
class linear_per_token {
 public:
  static_assert(Kind == head_kind::token || Kind == head_kind::span);
  static constexpr head_kind kind = Kind;
  [[nodiscard]] static constexpr hidden_rows reads() { return hidden_rows::all_tokens; }

  struct workspace {
    matrix_view<float> rows;  // (T, D); pre_norm only

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      const std::size_t d = shape.hidden;
      if (shape.pre_norm()) rows = memory.take_matrix<float>(limits.tokens, d, float_stride(d));
    }
  };

  LOWBIT_COLD status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    pre_norm_ = shape.pre_norm();
    activation_ = shape.masked_lm_act;
    if (pre_norm_) {
      LOWBIT_TRY(
          dense_.load(memory, weights, part_name(pooler_part(shape)), shape.hidden, shape.hidden));
      LOWBIT_TRY(norm_.load(memory, weights, part_name(model_part::masked_lm_norm), shape.hidden,
                            shape.layer_norm_eps));
    }
    const tensor_name name =
        part_name(Kind == head_kind::span ? span_part(shape) : model_part::classifier);
    return layer_.load(memory, weights, name, output_cols(shape), shape.hidden);
  }

  [[nodiscard]] static std::size_t output_rows(const token_input& in) { return in.batch.tokens(); }
  [[nodiscard]] static std::size_t output_cols(const model_shape& shape) {
    return Kind == head_kind::span ? 2 : shape.labels;
  }
  [[nodiscard]] static status check(const token_input&) { return {}; }

  /// Computes logits (T, labels); span: (T, 2), start and end.
  template <executor Executor, class Observer>
  void run(const encoder_output& encoded, const token_input&, workspace& w,
           matrix_view<float> logits, Executor& executor, Observer&) const {
    matrix_view<const float> hidden = encoded.hidden;
    if (pre_norm_) {
      const matrix_view<float> rows = w.rows.rows_from(0, hidden.rows);
      dense_.run(activation_rows<mul_add>{hidden, hidden.cols},
                 dense_.to_output(nullptr) | store{rows}, executor);
      activate_rows<Arch>(activation_, rows, executor);
      norm_.run(rows, store{rows}, executor);
      hidden = rows;
    }
    layer_.run(activation_rows<mul_add>{hidden, hidden.cols},
               layer_.to_output(nullptr) | store{logits}, executor);
  }

 private:
  using f32_linear = linear<linear_format<f32, lowbit::activation::f32>, Arch>;

  bool pre_norm_ = false;
  activation_function activation_ = activation_function::gelu;
  f32_linear dense_;       // pre_norm only
  layer_norm<Arch> norm_;  // pre_norm only
  f32_linear layer_;
};

template <class Arch>
using token_head = linear_per_token<head_kind::token, Arch>;
template <class Arch>
using span_head = linear_per_token<head_kind::span, Arch>;

}  // namespace lowbit::inline LOWBIT_ISA
