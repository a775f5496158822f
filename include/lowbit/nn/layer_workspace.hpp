// SPDX-License-Identifier: Apache-2.0
// What an encoder layer under a policy works in: which attention it has, which rows are floats and
// which are codes, and the memory of them all, shared by the layers of one encoder.
#pragma once

#include "lowbit/nn/bi_attention.hpp"
#include "lowbit/nn/elastic_attention.hpp"
#include "lowbit/nn/encoded.hpp"
#include "lowbit/nn/softmax_attention.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {
template <class Kind, class Policy, class Arch>
struct attention_of;
template <class Policy, class Arch>
struct attention_of<softmax_attention, Policy, Arch>
    : std::type_identity<softmax_attention_layer<Policy, Arch>> {};
template <class Policy, class Arch>
struct attention_of<bi_attention, Policy, Arch>
    : std::type_identity<bi_attention_layer<Policy, Arch>> {};
template <class Policy, class Arch>
struct attention_of<elastic_attention, Policy, Arch>
    : std::type_identity<elastic_attention_layer<Policy, Arch>> {};
}  // namespace detail

/// The memory that the layers of one encoder share.
template <class Policy, class Arch, bool Observed>
struct layer_workspace {
  using formats = site_formats<Policy>;
  using attention = typename detail::attention_of<typename Policy::attention, Policy, Arch>::type;
  using projection_input = encoded_rows<typename formats::projection>;
  using projected = typename attention::projected;
  /// BiT encodes the input of q, k and v three times (own shifts and scales); everything else
  /// shares one encoding.
  static constexpr bool shares_input =
      !std::is_same_v<typename formats::projection::input, activation::elastic_sign>;
  static constexpr std::size_t inputs = shares_input ? 1 : 3;
  using context_rows = encoded_rows<typename formats::attention_output>;
  using middle_rows = encoded_rows<typename formats::feed_forward_output>;
  static constexpr bool encodes_context =
      std::is_same_v<typename attention::context, float> && !context_rows::is_float;
  static constexpr bool encodes_middle = middle_rows::is_bytes;

  row_marks marks;                  // (T): rows that are not finite
  matrix_view<float> hidden;        // (T, D): the residual stream
  matrix_view<float> attended;      // (T, D): after the attention half
  matrix_view<float> sum;           // (T, D): before a layer norm
  matrix_view<float> first_hidden;  // (sentences, D): the residual of first tokens
  projection_input input[inputs];
  projection_input first_input;    // (sentences): queries of first tokens
  matrix_view<projected> q, k, v;  // (T, inner)
  context_rows context;
  matrix_view<float> context_values;  // (T, inner): before encoding, where attention leaves floats
  encoded_rows<typename formats::feed_forward_input> feed_forward;
  middle_rows middle;
  matrix_view<float> middle_values;  // (T, I): before encoding, where it takes the whole row
  typename attention::template workspace<Observed> heads;

  LOWBIT_NOINLINE constexpr void plan(arena& memory, const model_shape& shape,
                                      const batch_limits& limits) {
    const std::size_t t = limits.tokens;
    const std::size_t d = shape.hidden;
    const std::size_t inner = shape.inner();
    marks.plan(memory, t);
    hidden = memory.take_matrix<float>(t, d, float_stride(d));
    attended = memory.take_matrix<float>(t, d, float_stride(d));
    sum = memory.take_matrix<float>(t, d, float_stride(d));
    first_hidden = memory.take_matrix<float>(limits.sentences, d, float_stride(d));
    if (!projection_input::is_float) {
      for (auto& rows : input) rows.plan(memory, t, d);
    } else {
      input[0] = {};
      input[0].k = d;
    }
    first_input.plan(memory, limits.sentences, d);
    constexpr bool bits = std::is_same_v<projected, word>;
    const std::size_t cols = bits ? words_for(inner) : inner;
    const std::size_t stride = bits ? words_for(inner) : float_stride(inner);
    for (auto* m : {&q, &k, &v}) *m = memory.take_matrix<projected>(t, cols, stride);
    context.plan(memory, t, inner);
    if (encodes_context) context_values = memory.take_matrix<float>(t, inner, float_stride(inner));
    if (!encoded_rows<typename formats::feed_forward_input>::is_float)
      feed_forward.plan(memory, t, d);
    middle.plan(memory, t, shape.intermediate);
    if (encodes_middle) {
      middle_values =
          memory.take_matrix<float>(t, shape.intermediate, float_stride(shape.intermediate));
    }
    heads.plan(memory, shape, limits);
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
