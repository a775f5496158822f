// SPDX-License-Identifier: Apache-2.0
// Sequence classification for integer-only policies: int8 pooler with an integer tanh, int8
// classifier, int32 logits with one scale. The only float step is converting the logits for the
// caller.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/model/head/sequence.hpp"
#include "lowbit/model/integer_encoder.hpp"
#include "lowbit/nn/integer/exp.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// float(logits) * scale
LOWBIT_NOINLINE inline void logits_to_floats(matrix_view<const std::int32_t> logits, float scale,
                                             matrix_view<float> out) {
  for (std::size_t r = 0; r < logits.rows; ++r) {
    for (std::size_t c = 0; c < logits.cols; ++c)
      out(r, c) = static_cast<float>(logits(r, c)) * scale;
  }
}

/// logits = W g(pooler(h_0)) + b, g = tanh or relu(tanh(..)).
template <class Policy, class Arch>
requires integer_only<Policy>
class sequence_head<Policy, Arch> {
 public:
  using format = typename site_formats<Policy>::pooler;
  static constexpr head_kind kind = head_kind::sequence;
  [[nodiscard]] static constexpr hidden_rows reads() { return hidden_rows::first_tokens; }

  struct workspace {
    encoded_rows<format> input;        // (sentences, D)
    encoded_rows<format> pooled;       // (sentences, D): tanh as codes
    matrix_view<std::int32_t> values;  // (sentences, D): before tanh
    matrix_view<std::int32_t> logits;  // (sentences, labels)
    matrix_view<float> pooled_floats;  // (sentences, D): for observers

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      const std::size_t d = shape.hidden;
      const std::size_t s = limits.sentences;
      input.plan(memory, s, d);
      pooled.plan(memory, s, d);
      values = memory.take_matrix<std::int32_t>(s, d, round_up(d, virtual_lanes));
      logits =
          memory.take_matrix<std::int32_t>(s, shape.labels, round_up(shape.labels, virtual_lanes));
      pooled_floats = memory.take_matrix<float>(s, d, float_stride(d));
    }
  };

  LOWBIT_COLD status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    shape_ = shape;
    if (shape.pooler_act != pooler_activation::tanh &&
        shape.pooler_act != pooler_activation::tanh_relu) {
      return status::error(errc::unsupported, "policy ", Policy::name, " has no ",
                           name_of(shape.pooler_act), " before its classifier");
    }
    double input = 1;
    if (!memory.measuring()) {
      LOWBIT_TRY(read_scale(weights, part_name(model_part::encoder_output)(".scale"), input));
      LOWBIT_TRY(choose_logit_scale(weights));
    }
    LOWBIT_TRY(pooler_.load(memory, weights, part_name(model_part::pooler), shape.hidden,
                            shape.hidden, input, integer_tanh::input_scale));
    return classifier_.load(memory, weights, part_name(model_part::classifier), shape.labels,
                            shape.hidden, integer_tanh::output_scale, logit_scale_);
  }

  [[nodiscard]] static std::size_t output_rows(const token_input& in) { return in.batch.sentences; }
  [[nodiscard]] static std::size_t output_cols(const model_shape& shape) { return shape.labels; }
  [[nodiscard]] static status check(const token_input&) { return {}; }

  /// Computes logits (sentences, labels).
  template <executor Executor, class Observer>
  void run(const typename encoder<Policy, Arch>::output& encoded, const token_input& in,
           workspace& w, matrix_view<float> logits, Executor& executor, Observer& observer) const {
    const std::size_t sentences = in.batch.sentences;
    for (std::size_t s = 0; s < sentences; ++s)
      w.input.copy_row(s, encoded.codes, encoded.first_row(s));
    pooler_.run(w.input.first(sentences), pooler_.to_output() | store_integers{w.values}, executor);
    const matrix_view<std::int8_t> pooled = code_bytes(w.pooled);
    for (std::size_t s = 0; s < sentences; ++s) {
      for (std::size_t c = 0; c < pooled.cols; ++c)  // pad values are 0, as is their tanh
        pooled(s, c) = integer_tanh::apply(w.values.row(s)[c]);
    }
    if constexpr (std::remove_reference_t<Observer>::enabled)
      observer.pooled(
          decode_rows(w.pooled, sentences, integer_tanh::output_scale, w.pooled_floats));
    if (shape_.pooler_act == pooler_activation::tanh_relu) {
      for (std::size_t s = 0; s < sentences; ++s) {
        for (std::size_t c = 0; c < pooled.cols; ++c)
          pooled(s, c) = pooled(s, c) > 0 ? pooled(s, c) : std::int8_t{0};
      }
    }
    count_codes<Arch>(w.pooled, sentences, executor);
    classifier_.run(w.pooled.first(sentences), classifier_.to_output() | store_integers{w.logits},
                    executor);
    logits_to_floats(w.logits.rows_from(0, sentences), float_scale_, logits);
  }

 private:
  /// Chooses the finest step for which no logit of any input reaches 2^29.
  status choose_logit_scale(const weight_set& weights) {
    const std::size_t n = shape_.labels;
    const tensor_name name = part_name(model_part::classifier);
    typename format::weights::reader stored;
    LOWBIT_TRY(stored.open(weights, name(".weight"), n, shape_.hidden));
    stored_tensor bias;
    LOWBIT_TRY(weights.get(name(".bias").view(), element_type::f32, 1, n, bias));
    LOWBIT_TRY(detail::check_floats(bias, n));
    double largest = 0;
    for (std::size_t o = 0; o < n; ++o) {
      const double products = static_cast<double>(stored.scale(o)) * 127.0;  // |tanh| <= 1
      const double b = static_cast<double>(bias.at(o));
      const double logit = products * static_cast<double>(shape_.hidden) + (b < 0 ? -b : b);
      if (logit > largest) largest = logit;
    }
    logit_scale_ = largest > 0 ? largest / 0x1p29 : 1.0;
    float_scale_ = static_cast<float>(logit_scale_);
    return {};
  }

  model_shape shape_;
  integer_linear<format, Arch> pooler_;
  integer_linear<format, Arch> classifier_;
  double logit_scale_ = 1;
  float float_scale_ = 1;  // logit_scale_ as a float, for the output
};

}  // namespace lowbit::inline LOWBIT_ISA
