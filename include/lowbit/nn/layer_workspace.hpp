// SPDX-License-Identifier: Apache-2.0
// The workspace of an encoder layer under a policy: its kind of attention, which rows are floats
// and which are codes, and the memory, shared by all layers of one policy.
#pragma once

#include "lowbit/nn/batch_range_attention.hpp"
#include "lowbit/nn/batch_range_linear.hpp"
#include "lowbit/nn/bi_attention.hpp"
#include "lowbit/nn/elastic_attention.hpp"
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
template <class Projected, class Probability, class Policy, class Arch>
struct attention_of<batch_range_attention<Projected, Probability>, Policy, Arch>
    : std::type_identity<batch_range_attention_layer<Policy, Arch>> {};
}  // namespace detail

/// Memory shared by all layers of an encoder, across policies.
struct residual_stream {
  row_marks marks;            // (T): marks of non-finite rows
  matrix_view<float> hidden;  // (T, D)
  /// (T, D): input of a layer norm. The memory of hidden, if in_place(): every step then reads an
  /// element, the last time anything does, before it writes the same one.
  matrix_view<float> sum;

  constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits,
                      bool batch_range) {
    const std::size_t d = shape.hidden;
    marks.plan(memory, limits.tokens);
    hidden = memory.take_matrix<float>(limits.tokens, d, float_stride(d));
    sum = in_place(shape, batch_range)
              ? hidden
              : memory.take_matrix<float>(limits.tokens, d, float_stride(d));
  }
  /// Not with linear layers in two halves, which are summed in `sum`, nor if the embeddings are
  /// mapped from one to the other, nor if the sums go on while their norm is the layer's input.
  [[nodiscard]] static constexpr bool in_place(const model_shape& shape, bool batch_range) {
    return !batch_range && shape.embedding == 0 && !shape.pre_norm();
  }
  /// The sink for rows that no layer reads.
  [[nodiscard]] store sink() const { return store{hidden}; }
};

/// Memory shared by the layers of one policy.
template <class Policy, class Arch, bool Observed>
struct layer_workspace : residual_stream {
  using formats = site_formats<Policy>;
  using attention = typename detail::attention_of<typename Policy::attention, Policy, Arch>::type;
  using projected = typename attention::projected;
  using projection_site = input_site<typename formats::projection>;
  using context_site = input_site<typename formats::attention_output>;
  using attended_site = input_site<typename formats::feed_forward_input>;
  using middle_site = input_site<typename formats::feed_forward_output>;
  /// BiT encodes the input of q, k and v separately (own shifts and scales); all other policies
  /// share one encoding.
  static constexpr bool shares_input =
      !std::is_same_v<typename formats::projection::input, activation::elastic_sign>;
  static constexpr std::size_t inputs = shares_input ? 1 : 3;
  static constexpr bool float_context = std::is_same_v<typename attention::context, float>;
  static constexpr bool bit_middle = is_one_bit_input<typename formats::feed_forward_output::input>;
  /// If true, a row depends on all rows of the batch, including padding, so none can be skipped.
  static constexpr bool batch_range = projection_site::batch_range || context_site::batch_range ||
                                      attended_site::batch_range || middle_site::batch_range ||
                                      requires {
    Policy::attention::batch_range;
  };

  projection_site input[inputs];   // (T, D): hidden rows
  projection_site first_input;     // (sentences, D): first tokens
  matrix_view<projected> q, k, v;  // (T, inner)
  context_site context;            // (T, inner)
  attended_site attended;          // (T, D): output of the attention half
  middle_site middle;              // (T, I)
  matrix_view<float> gate;         // (T, I); pre_norm only
  typename attention::template workspace<Observed> heads;

  LOWBIT_NOINLINE constexpr void plan(arena& memory, const model_shape& shape,
                                      const batch_limits& limits, const residual_stream& stream) {
    static_cast<residual_stream&>(*this) = stream;
    const std::size_t t = limits.tokens;
    const std::size_t d = shape.hidden;
    const std::size_t inner = shape.inner();
    const auto floats = [&](std::size_t rows, std::size_t cols) {
      return memory.take_matrix<float>(rows, cols, float_stride(cols));
    };
    for (auto& site : input) site.plan(memory, t, d, hidden);
    if constexpr (!batch_range)
      first_input.plan(memory, limits.sentences, d, floats(limits.sentences, d));
    constexpr bool bits = std::is_same_v<projected, word>;
    const std::size_t cols = bits ? words_for(inner) : inner;
    const std::size_t stride = bits ? words_for(inner) : float_stride(inner);
    for (auto* m : {&q, &k, &v}) *m = memory.take_matrix<projected>(t, cols, stride);
    context.plan(memory, t, inner, float_context ? floats(t, inner) : matrix_view<float>{});
    attended.plan(memory, t, d, in_place(shape, batch_range) ? sum : floats(t, d));
    const std::size_t i = shape.intermediate;
    middle.plan(memory, t, i, bit_middle ? matrix_view<float>{} : floats(t, i));
    if (shape.pre_norm()) gate = floats(t, i);
    heads.plan(memory, shape, limits);
    if constexpr (requires { heads.marks; }) heads.marks = marks;
  }
  /// Must be called before the first rows of a run are written.
  void clear(std::size_t tokens) const {
    for (const auto& site : input) site.clear_pad(tokens);
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
