// SPDX-License-Identifier: Apache-2.0
// One post-LN transformer encoder layer (BERT): attention, its output and residual, the two
// feed-forward layers and theirs. The policy decides what each `run` multiplies and what the
// epilogues leave behind; the order of steps is the same for all.
#pragma once

#include "lowbit/nn/activation_site.hpp"
#include "lowbit/nn/layer_workspace.hpp"
#include "lowbit/nn/mixed_linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Arch>
class encoder_layer {
 public:
  using formats = site_formats<Policy>;
  using attention = typename detail::attention_of<typename Policy::attention, Policy, Arch>::type;
  /// Outputs of which only the sign survives: integer thresholds where the product counts bits.
  static constexpr bool bit_projections = std::is_same_v<typename attention::projected, word>;
  static constexpr bool bit_middle = is_one_bit_input<typename formats::feed_forward_output::input>;

  LOWBIT_COLD status load(arena& memory, const weight_set& weights, std::size_t index,
                          const model_shape& shape) {
    const tensor_name layer("bert.encoder.layer.", index);
    const tensor_name self = layer(".attention.self");
    const std::size_t d = shape.hidden;
    const std::size_t inner = shape.inner();
    const std::size_t i = shape.intermediate;
    LOWBIT_TRY(query_.load(memory, weights, self(".query"), inner, d));
    LOWBIT_TRY(key_.load(memory, weights, self(".key"), inner, d));
    LOWBIT_TRY(value_.load(memory, weights, self(".value"), inner, d));
    LOWBIT_TRY(attention_.load(memory, weights, layer, shape));
    LOWBIT_TRY(attention_output_.load(memory, weights, layer(".attention.output.dense"), d, inner));
    LOWBIT_TRY(attention_norm_.load(memory, weights, layer(".attention.output.LayerNorm"), d,
                                    shape.layer_norm_eps));
    LOWBIT_TRY(feed_forward_input_.load(memory, weights, layer(".intermediate.dense"), i, d));
    LOWBIT_TRY(feed_forward_output_.load(memory, weights, layer(".output.dense"), d, i));
    LOWBIT_TRY(
        output_norm_.load(memory, weights, layer(".output.LayerNorm"), d, shape.layer_norm_eps));
    if constexpr (bit_projections && projection::counts) {
      const auto not_negative = [](float y, std::size_t) { return y >= 0.0F; };
      query_signs_.load(memory, query_, inner, d, not_negative);
      key_signs_.load(memory, key_, inner, d, not_negative);
      value_signs_.load(memory, value_, inner, d, not_negative);
    }
    if constexpr (bit_middle && feed_forward_layer::counts) load_middle_thresholds(memory, i, d);
    return {};
  }

  /// The sink that encodes normalised hidden rows as this layer's input; the float rows are stored
  /// beside it.
  template <class Workspace>
  [[nodiscard]] auto input_sink(const Workspace& w, [[maybe_unused]] std::size_t d) const {
    if constexpr (Workspace::shares_input) {
      return encoding_sink<typename formats::projection, Arch>(w.input[0], w.hidden, query_.input(),
                                                               w.marks);
    } else {
      return fan_out{store{w.hidden}, sign_encoder{w.input[0].rows, d, query_.input().shift},
                     sign_encoder{w.input[1].rows, d, key_.input().shift},
                     sign_encoder{w.input[2].rows, d, value_.input().shift}};
    }
  }

  /// Hidden rows in, hidden rows out (to `sink`). With blocks.first_token_only the output has one
  /// row per sentence.
  template <class Workspace, class Sink, executor Executor, class Observer>
  void run(Workspace& w, const query_blocks& blocks, const Sink& sink, Executor& executor,
           Observer& observer) const {
    run_to_sum(w, blocks, executor, observer);
    const std::size_t rows =
        blocks.first_token_only ? blocks.batch.sentences : blocks.batch.tokens();
    output_norm_.run(w.sum.rows_from(0, rows), sink, executor, w.marks);
  }

 private:
  using projection = linear<typename formats::projection, Arch>;
  using feed_forward_layer = linear<typename formats::feed_forward_input, Arch>;

  /// All but the last layer norm; whatever the sink behind it, this is compiled once.
  template <class Workspace, executor Executor, class Observer>
  LOWBIT_NOINLINE void run_to_sum(Workspace& w, const query_blocks& blocks, Executor& executor,
                                  Observer& observer) const {
    const std::size_t tokens = blocks.batch.tokens();
    const std::size_t rows = blocks.first_token_only ? blocks.batch.sentences : tokens;
    const matrix_view<const float> residual =
        blocks.first_token_only ? gather_first(w, blocks.batch) : w.hidden;
    const auto query_input =
        blocks.first_token_only ? w.first_input.first(rows) : input_rows(w, 0, tokens);
    const float* query_scales = blocks.first_token_only ? w.first_input.scales : w.input[0].scales;
    const matrix_view<const float> hidden = w.hidden.rows_from(0, tokens);
    project(query_, query_signs_, query_input, query_scales, residual.rows_from(0, rows), w.q,
            executor);
    project(key_, key_signs_, input_rows(w, 1, tokens), w.input[0].scales, hidden, w.k, executor);
    project(value_, value_signs_, input_rows(w, 2, tokens), w.input[0].scales, hidden, w.v,
            executor);
    show_site(observer, activation_site::query, w.q, rows);
    show_site(observer, activation_site::key, w.k, tokens);
    show_site(observer, activation_site::value, w.v, tokens);

    attention_.prepare(w.heads, w.k, w.v, blocks.batch, executor);
    if constexpr (Workspace::encodes_context) {
      attention_.run(w.heads, w.q, blocks, w.context_values, nullptr, executor, observer);
      show_site(observer, activation_site::context, w.context_values, rows);
      encode_rows<Arch>(w.context, w.context_values, rows, attention_output_.input(), executor,
                        w.marks);
    } else {
      attention_.run(w.heads, w.q, blocks, w.context.rows, w.context.counts, executor, observer);
      show_site(observer, activation_site::context, w.context.rows, rows);
    }

    const store sum{w.sum};
    run_linear(attention_output_, w.context.first(rows), w.context.scales,
               w.context_values.rows_from(0, Workspace::encodes_context ? rows : 0),
               add_residual{residual} | sum, executor);
    show_site(observer, activation_site::attention_sum, w.sum, rows);
    w.feed_forward.clear_pad(rows);
    attention_norm_.run(w.sum.rows_from(0, rows),
                        encoding_sink<typename formats::feed_forward_input, Arch>(
                            w.feed_forward, w.attended, feed_forward_input_.input(), w.marks),
                        executor, w.marks);
    show_site(observer, activation_site::attended, w.attended, rows);

    feed_forward(w, rows, executor);
    if constexpr (Workspace::encodes_middle) {
      show_site(observer, activation_site::middle, w.middle_values, rows);
    } else {
      show_site(observer, activation_site::middle, w.middle.rows, rows);
    }
    run_linear(feed_forward_output_, w.middle.first(rows), w.middle.scales,
               w.middle_values.rows_from(0, Workspace::encodes_middle ? rows : 0),
               add_residual{w.attended} | sum, executor);
    show_site(observer, activation_site::output_sum, w.sum, rows);
  }

  void load_middle_thresholds(arena& memory, std::size_t i, std::size_t d) {
    using input = typename formats::feed_forward_output::input;
    const input_encoding& encoding = feed_forward_output_.input();
    middle_thresholds_.load(memory, feed_forward_input_, i, d, [&](float y, std::size_t o) {
      if constexpr (std::is_same_v<input, activation::elastic_bool>) {
        const float rectified = y > 0.0F ? y : 0.0F;
        return (rectified + encoding.shift[o]) / encoding.scale > 0.5F;
      } else {
        return y >= 0.0F;  // sign(GELU(y)) = sign(y)
      }
    });
  }

  template <class Workspace>
  [[nodiscard]] static auto input_rows(const Workspace& w, std::size_t index, std::size_t tokens) {
    using input = typename Workspace::projection_input;
    if constexpr (input::is_float) {
      return activation_rows<typename input::op>{w.hidden.rows_from(0, tokens), w.input[0].k};
    } else {
      return w.input[Workspace::shares_input ? 0 : index].first(tokens);
    }
  }

  /// Copies the first token of each sentence: its residual and its encoded query input.
  template <class Workspace>
  static matrix_view<const float> gather_first(const Workspace& w, const token_batch& batch) {
    using input = typename Workspace::projection_input;
    for (std::size_t s = 0; s < batch.sentences; ++s) {
      const std::size_t t = batch.begin(s);
      std::memcpy(w.first_hidden.row(s), w.hidden.row(t), w.hidden.cols * sizeof(float));
      if constexpr (input::is_float) {
        std::memcpy(w.first_input.rows.row(s), w.hidden.row(t), w.hidden.cols * sizeof(float));
      } else {
        w.first_input.copy_row(s, w.input[0], t);
      }
    }
    return w.first_hidden;
  }

  template <class Out, executor Executor>
  static void project(const projection& layer, const output_thresholds& signs,
                      const activation_rows<typename projection::op>& x, const float* scales,
                      matrix_view<const float> floats, matrix_view<Out> out, Executor& executor) {
    if constexpr (!bit_projections) {
      run_linear(layer, x, scales, floats, store{out}, executor);
    } else {
      clear_pad_words(out.rows_from(0, floats.rows));
      if constexpr (projection::counts) {
        layer.run(x, make_to_bits<bit_marks::below>(out, layer.outputs(), signs.get()), executor);
      } else {
        layer.run(x, layer.to_output(scales) | sign_encoder{out, layer.outputs()}, executor);
      }
    }
  }

  template <class Workspace, executor Executor>
  void feed_forward(const Workspace& w, std::size_t rows, Executor& executor) const {
    using input = encoded_rows<typename formats::feed_forward_input>;
    const auto x = [&] {
      if constexpr (input::is_float) {
        return activation_rows<typename input::op>{w.attended.rows_from(0, rows), w.attended.cols};
      } else {
        return w.feed_forward.first(rows);
      }
    }();
    const activate<typename Policy::activation> activated;
    const float* scales = w.feed_forward.scales;
    if constexpr (!bit_middle) {
      const matrix_view<float> values = [&] {
        if constexpr (Workspace::encodes_middle) {
          return w.middle_values;
        } else {
          return w.middle.rows;
        }
      }();
      run_linear(feed_forward_input_, x, scales, w.attended.rows_from(0, rows),
                 activated | store{values}, executor);
      if constexpr (Workspace::encodes_middle) {
        encode_rows<Arch>(w.middle, values, rows, feed_forward_output_.input(), executor, w.marks);
      }
    } else if constexpr (feed_forward_layer::counts) {
      using encoded = encoded_rows<typename formats::feed_forward_output>;
      constexpr bit_marks marks = std::is_same_v<typename encoded::op, and_popcount>
                                      ? bit_marks::at_least
                                      : bit_marks::below;
      w.middle.clear_pad(rows);
      feed_forward_input_.run(
          x, make_to_bits<marks>(w.middle.rows, w.middle.k, middle_thresholds_.get()), executor);
      if constexpr (encoded::counted) {
        for (std::size_t r = 0; r < rows; ++r)
          w.middle.counts[r] = count_ones(w.middle.rows.row(r), w.middle.rows.cols);
      }
    } else {
      static_assert(std::is_same_v<typename formats::feed_forward_output::input, activation::sign>,
                    "lowbit: an elastic input of the second feed-forward layer needs a one-bit "
                    "first one");
      w.middle.clear_pad(rows);
      run_linear(feed_forward_input_, x, scales, w.attended.rows_from(0, rows),
                 activated | sign_encoder{w.middle.rows, w.middle.k}, executor);
    }
  }

  projection query_, key_, value_;
  output_thresholds query_signs_, key_signs_, value_signs_;  // one-bit projections only
  attention attention_;
  linear<typename formats::attention_output, Arch> attention_output_;
  layer_norm<Arch> attention_norm_;
  feed_forward_layer feed_forward_input_;
  output_thresholds middle_thresholds_;
  linear<typename formats::feed_forward_output, Arch> feed_forward_output_;
  layer_norm<Arch> output_norm_;
};

}  // namespace lowbit::inline LOWBIT_ISA
