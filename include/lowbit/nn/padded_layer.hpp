// SPDX-License-Identifier: Apache-2.0
// One post-LN encoder layer on a padded batch: the steps of nn/encoder_layer.hpp where every
// encoded input has the range of all tokens, so that no token can be left out.
#pragma once

#include "lowbit/nn/padded_attention.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The memory that the layers of one encoder share.
template <class Policy, class Arch, bool Observed>
struct padded_workspace {
  using formats = site_formats<Policy>;

  row_marks marks;              // (T): rows that are not finite
  matrix_view<float> hidden;    // (T, D): the residual stream
  matrix_view<float> attended;  // (T, D): after the attention half
  matrix_view<float> sum;       // (T, D): before a layer norm
  matrix_view<float> q, k, v;   // (T, inner)
  matrix_view<float> context;   // (T, inner)
  matrix_view<float> middle;    // (T, I)
  batch_rows<typename formats::projection> input;
  batch_rows<typename formats::attention_output> context_codes;
  batch_rows<typename formats::feed_forward_input> attended_codes;
  batch_rows<typename formats::feed_forward_output> middle_codes;
  typename padded_attention<Policy, Arch>::template workspace<Observed> heads;

  LOWBIT_NOINLINE constexpr void plan(arena& memory, const model_shape& shape,
                                      const batch_limits& limits) {
    const std::size_t t = limits.tokens;
    marks.plan(memory, t);
    const auto floats = [&](std::size_t cols) {
      return memory.take_matrix<float>(t, cols, float_stride(cols));
    };
    for (auto* m : {&hidden, &attended, &sum}) *m = floats(shape.hidden);
    for (auto* m : {&q, &k, &v, &context}) *m = floats(shape.inner());
    middle = floats(shape.intermediate);
    input.plan(memory, t, shape.hidden);
    context_codes.plan(memory, t, shape.inner());
    attended_codes.plan(memory, t, shape.hidden);
    middle_codes.plan(memory, t, shape.intermediate);
    heads.plan(memory, shape, limits);
  }
};

template <class Policy, class Arch>
class padded_layer {
 public:
  LOWBIT_COLD status load(arena& memory, const weight_set& weights, std::size_t index,
                          const model_shape& shape) {
    const tensor_name layer("bert.encoder.layer.", index);
    const tensor_name self = layer(".attention.self");
    const std::size_t d = shape.hidden;
    const std::size_t inner = shape.inner();
    const std::size_t i = shape.intermediate;
    const float eps = shape.layer_norm_eps;
    LOWBIT_TRY(query_.load(memory, weights, self(".query"), inner, d));
    LOWBIT_TRY(key_.load(memory, weights, self(".key"), inner, d));
    LOWBIT_TRY(value_.load(memory, weights, self(".value"), inner, d));
    LOWBIT_TRY(attention_.load(memory, weights, layer, shape));
    LOWBIT_TRY(attention_output_.load(memory, weights, layer(".attention.output.dense"), d, inner));
    LOWBIT_TRY(attention_norm_.load(memory, weights, layer(".attention.output.LayerNorm"), d, eps));
    LOWBIT_TRY(feed_forward_input_.load(memory, weights, layer(".intermediate.dense"), i, d));
    LOWBIT_TRY(feed_forward_output_.load(memory, weights, layer(".output.dense"), d, i));
    return output_norm_.load(memory, weights, layer(".output.LayerNorm"), d, eps);
  }

  /// w.hidden (T, D) in and out.
  template <class Workspace, executor Executor, class Observer>
  void run(Workspace& w, const token_batch& batch, Executor& executor, Observer& observer) const {
    const std::size_t rows = batch.tokens();
    const auto all = [rows](matrix_view<float> m) { return m.rows_from(0, rows); };
    w.input.template set<Arch>(all(w.hidden), w.marks);
    query_.run(w.input, w.q, store{w.q}, executor);
    key_.run(w.input, w.k, store{w.k}, executor);
    value_.run(w.input, w.v, store{w.v}, executor);
    attention_.run(w.heads, all(w.q), all(w.k), all(w.v), batch, w.context, w.marks, executor,
                   observer);

    w.context_codes.template set<Arch>(all(w.context), w.marks);
    attention_output_.run(w.context_codes, w.sum, add_residual{w.hidden} | store{w.sum}, executor);
    attention_norm_.run(all(w.sum), store{w.attended}, executor, w.marks);

    w.attended_codes.template set<Arch>(all(w.attended), w.marks);
    feed_forward_input_.run(w.attended_codes, w.middle,
                            activate<typename Policy::activation>{} | store{w.middle}, executor);
    w.middle_codes.template set<Arch>(all(w.middle), w.marks);
    feed_forward_output_.run(w.middle_codes, w.sum, add_residual{w.attended} | store{w.sum},
                             executor);
    output_norm_.run(all(w.sum), store{w.hidden}, executor, w.marks);
  }

 private:
  using formats = site_formats<Policy>;
  template <class Format>
  using layer_of = padded_linear<Format, Arch, is_split<Policy>>;

  layer_of<typename formats::projection> query_, key_, value_;
  padded_attention<Policy, Arch> attention_;
  layer_of<typename formats::attention_output> attention_output_;
  layer_norm<Arch> attention_norm_;
  layer_of<typename formats::feed_forward_input> feed_forward_input_;
  layer_of<typename formats::feed_forward_output> feed_forward_output_;
  layer_norm<Arch> output_norm_;
};

}  // namespace lowbit::inline LOWBIT_ISA
