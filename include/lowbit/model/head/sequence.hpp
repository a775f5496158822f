// SPDX-License-Identifier: Apache-2.0
// Sequence classification: pooler and classifier on the first token of each sentence or sentence
// pair. The pooler follows the policy, the classifier is f32.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/model/encoder.hpp"
#include "lowbit/nn/activate_rows.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// logits = W g(pooler(h_0)) + b with the shape's pooler_act g. Observers see the rows before
/// TinyBERT's relu.
template <class Policy, class Arch>
class sequence_head {
 public:
  using last_policy = typename segments_of<Policy>::last;
  using pooler_format = typename site_formats<last_policy>::pooler;
  using pooler_input = input_site<pooler_format>;
  static constexpr head_kind kind = head_kind::sequence;
  [[nodiscard]] static constexpr hidden_rows reads() { return hidden_rows::first_tokens; }

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

  LOWBIT_COLD constexpr status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    if (pooler_input::batch_range && shape.pooler_act != pooler_activation::tanh) {
      return status::error(errc::unsupported, "policy ", Policy::name, " has no ",
                           name_of(shape.pooler_act), " before its classifier");
    }
    LOWBIT_TRY(
        pooler_.load(memory, weights, part_name(model_part::pooler), shape.hidden, shape.hidden));
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
    for (std::size_t s = 0; s < sentences; ++s)
      w.input.template put<Arch>(encoded.first_row(s), s, pooler_);
    w.input.template find_range<Arch>(sentences, {});
    run_linear(pooler_, w.input, sentences, store{w.pooled}, executor, w.pooled);
    const matrix_view<float> pooled = w.pooled.rows_from(0, sentences);
    switch (shape_.pooler_act) {
      case pooler_activation::tanh:
      case pooler_activation::tanh_relu:
        activate_rows<Arch, tanh_activation>(pooled);
        break;
      case pooler_activation::relu:
        activate_rows<Arch, relu>(pooled);
        break;
      case pooler_activation::gelu:
        activate_rows<Arch, gelu_erf>(pooled);
        break;
    }
    if constexpr (std::remove_reference_t<Observer>::enabled)
      observer.pooled(matrix_view<const float>(pooled));
    if (shape_.pooler_act == pooler_activation::tanh_relu) activate_rows<Arch, relu>(pooled);
    classifier_.run(activation_rows<mul_add>{w.pooled, shape_.hidden},
                    classifier_.to_output(nullptr) | store{logits}, executor);
  }

 private:
  model_shape shape_;
  linear_layer<last_policy, pooler_format, Arch> pooler_;
  linear<linear_format<f32, activation::f32>, Arch> classifier_;
};

}  // namespace lowbit::inline LOWBIT_ISA
