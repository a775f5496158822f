// SPDX-License-Identifier: Apache-2.0
// Sequence classification under policies whose ranges span a batch: the pooler's input is encoded
// by the range of all first tokens.
#pragma once

#include "lowbit/model/head/sequence.hpp"
#include "lowbit/model/padded_encoder.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Arch>
requires whole_batch_ranges<Policy>
class sequence_head<Policy, Arch> {
 public:
  using pooler_format = typename site_formats<Policy>::pooler;
  static constexpr head_kind kind = head_kind::sequence;
  static constexpr hidden_rows reads = hidden_rows::first_tokens;

  struct workspace {
    matrix_view<float> first;  // (sentences, D)
    batch_rows<pooler_format> codes;
    matrix_view<float> pooled;  // (sentences, D)

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      const std::size_t d = shape.hidden;
      first = memory.take_matrix<float>(limits.sentences, d, float_stride(d));
      codes.plan(memory, limits.sentences, d);
      pooled = memory.take_matrix<float>(limits.sentences, d, float_stride(d));
    }
  };

  LOWBIT_COLD status load(arena& memory, const weight_set& weights, const model_shape& shape) {
    const std::size_t d = shape.hidden;
    if (shape.relu_before_classifier) {
      return status::error(errc::unsupported, "policy ", Policy::name,
                           " has no relu before its classifier");
    }
    LOWBIT_TRY(pooler_.load(memory, weights, tensor_name("bert.pooler.dense"), d, d));
    return classifier_.load(memory, weights, tensor_name("classifier"), shape.labels, d);
  }

  [[nodiscard]] static std::size_t output_rows(const token_input& in) { return in.batch.sentences; }
  [[nodiscard]] static std::size_t output_cols(const model_shape& shape) { return shape.labels; }
  [[nodiscard]] static status check(const token_input&) { return {}; }

  /// logits (sentences, labels)
  template <executor Executor, class Observer>
  void run(const encoder_output& encoded, const token_input& in, workspace& w,
           matrix_view<float> logits, Executor& executor, Observer& observer) const {
    const std::size_t sentences = in.batch.sentences;
    const auto first = w.first.rows_from(0, sentences);
    for (std::size_t s = 0; s < sentences; ++s)
      std::memcpy(first.row(s), encoded.first_row(s), first.cols * sizeof(float));
    w.codes.template set<Arch>(first);
    pooler_.run(w.codes, w.pooled, activate<tanh_activation>{} | store{w.pooled}, executor);
    const auto pooled = w.pooled.rows_from(0, sentences);
    if constexpr (std::remove_reference_t<Observer>::enabled)
      observer.pooled(matrix_view<const float>(pooled));
    classifier_.run(activation_rows<mul_add>{pooled, pooled.cols},
                    classifier_.to_output(nullptr) | store{logits}, executor);
  }

 private:
  padded_linear<pooler_format, Arch, is_split<Policy>> pooler_;
  linear<linear_format<f32, activation::f32>, Arch> classifier_;
};

}  // namespace lowbit::inline LOWBIT_ISA
