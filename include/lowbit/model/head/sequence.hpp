// SPDX-License-Identifier: Apache-2.0
// Sequence classification: pooler and classifier on the first token of each sentence or sentence
// pair, in pre_norm models also on the mean of its tokens. The pooler follows the policy, the
// classifier is f32.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/model/encoder.hpp"
#include "lowbit/model/head/pool_rows.hpp"
#include "lowbit/nn/activate_rows.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// logits = W g(pooler(h_0)) + b with the shape's pooler_act g. Observers see the rows before
/// TinyBERT's relu. pre_norm: logits = W LN(g(pooler(h))) + b with its masked_lm_act g.
template <class Policy, class Arch>
class sequence_head {
 public:
  using last_policy = typename segments_of<Policy>::last;
  using pooler_format = typename site_formats<last_policy>::pooler;
  using pooler_input = input_site<pooler_format>;
  static constexpr head_kind kind = head_kind::sequence;
  [[nodiscard]] hidden_rows reads() const {
    return shape_.mean_classifier ? hidden_rows::all_tokens : hidden_rows::first_tokens;
  }

  struct workspace {
    pooler_input input;         // (sentences, D)
    matrix_view<float> pooled;  // (sentences, D)

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      const std::size_t d = shape.hidden;
      const auto floats = [&] {
        return memory.take_matrix<float>(limits.sentences, d, float_stride(d));
      };
      input.plan(memory, limits.sentences, d,
                 pooler_input::reads_floats ? floats() : matrix_view<float>{});
      pooled = floats();
    }
  };

  LOWBIT_COLD constexpr status load(arena& memory, const weight_set& weights,
                                    const model_shape& shape) {
    shape_ = shape;
    if (pooler_input::batch_range && shape.pooler_act != pooler_activation::tanh) {
      return status::error(errc::unsupported, "policy ", Policy::name, " has no ",
                           name_of(shape.pooler_act), " before its classifier");
    }
    LOWBIT_TRY(
        pooler_.load(memory, weights, part_name(pooler_part(shape)), shape.hidden, shape.hidden));
    if (shape.pre_norm()) {
      LOWBIT_TRY(norm_.load(memory, weights, part_name(model_part::masked_lm_norm), shape.hidden,
                            shape.layer_norm_eps));
    }
    return classifier_.load(memory, weights, part_name(model_part::classifier), shape.labels,
                            shape.hidden);
  }

  [[nodiscard]] static std::size_t output_rows(const token_input& in) { return in.batch.sentences; }
  [[nodiscard]] static std::size_t output_cols(const model_shape& shape) { return shape.labels; }
  [[nodiscard]] static status check(const token_input&) { return {}; }

  /// Computes logits (sentences, labels).
  template <executor Executor, class Observer>
  void run(const encoder_output& encoded, const token_input& in, workspace& w,
           matrix_view<float> logits, Executor& executor, Observer& observer) const {
    const std::size_t sentences = in.batch.sentences;
    w.input.clear_pad(sentences);
    for (std::size_t s = 0; s < sentences; ++s) {
      const float* row = nullptr;
      if (shape_.mean_classifier) {
        float* const mean = w.pooled.row(s);  // free until the pooler runs
        pool_rows<Arch>(pooling_mode::mean,
                        encoded.hidden.rows_from(in.batch.begin(s), in.batch.length(s)), mean);
        row = mean;
      } else {
        row = encoded.first_row(s);
      }
      w.input.template put<Arch>(row, s, pooler_);
    }
    w.input.template find_range<Arch>(sentences, {});
    run_linear(pooler_, w.input, sentences, store{w.pooled}, executor, w.pooled);
    const matrix_view<float> pooled = w.pooled.rows_from(0, sentences);
    activate(pooled, executor);
    if constexpr (std::remove_reference_t<Observer>::enabled)
      observer.pooled(matrix_view<const float>(pooled));
    if (shape_.pooler_act == pooler_activation::tanh_relu) activate_rows<Arch, relu>(pooled);
    classifier_.run(activation_rows<mul_add>{w.pooled, shape_.hidden},
                    classifier_.to_output(nullptr) | store{logits}, executor);
  }

 private:
  template <executor Executor>
  void activate(matrix_view<float> pooled, Executor& executor) const {
    if (shape_.pre_norm()) {
      activate_rows<Arch>(shape_.masked_lm_act, pooled, executor);
      norm_.run(pooled, store{pooled}, executor);
      return;
    }
    switch (shape_.pooler_act) {
      case pooler_activation::tanh:
      case pooler_activation::tanh_relu:
        return activate_rows<Arch, tanh_activation>(pooled);
      case pooler_activation::relu:
        return activate_rows<Arch, relu>(pooled);
      case pooler_activation::gelu:
        return activate_rows<Arch, gelu_erf>(pooled);
    }
  }

  model_shape shape_;
  layer_norm<Arch> norm_;  // pre_norm only
  linear_layer<last_policy, pooler_format, Arch> pooler_;
  linear<linear_format<f32, activation::f32>, Arch> classifier_;
};

}  // namespace lowbit::inline LOWBIT_ISA
