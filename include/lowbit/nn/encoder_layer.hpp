// SPDX-License-Identifier: Apache-2.0
// One transformer encoder layer: attention and its output layer, then two feed-forward layers, each
// half with a residual and a layer norm. The policy determines the product of each `run` and the
// output of each epilogue; the order of steps is always the same.
//
// A pre_norm layer (ModernBERT) is the same sequence of steps, if the norm before the next layer is
// taken for the last one of this: only the residuals are other rows, sums instead of normalised
// ones, and the first feed-forward layer has a gate beside it.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/nn/activate_rows.hpp"
#include "lowbit/nn/activation_site.hpp"
#include "lowbit/nn/layer_workspace.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Arch>
class encoder_layer {
 public:
  using formats = site_formats<Policy>;
  using stream = residual_stream;
  template <bool Observed>
  using workspace = layer_workspace<Policy, Arch, Observed>;
  using attention = typename workspace<false>::attention;
  static constexpr bool batch_range = workspace<false>::batch_range;
  /// Outputs reduced to their sign: integer thresholds if the product counts bits.
  static constexpr bool bit_projections = std::is_same_v<typename attention::projected, word>;
  static constexpr bool bit_middle = workspace<false>::bit_middle;
  /// check_attention() refuses pre_norm models under other policies.
  static constexpr bool may_pre_norm =
      std::is_same_v<typename Policy::attention, softmax_attention>;
  static_assert(!is_split<Policy> || (!bit_projections && !bit_middle),
                "lowbit: a split layer adds float halves, its output cannot be bits");

  LOWBIT_COLD constexpr status load(arena& memory, const weight_set& weights, std::size_t index,
                                    const model_shape& shape) {
    const auto name = [index](model_part part) { return part_name(part, index); };
    const std::size_t d = shape.hidden;
    const std::size_t inner = shape.inner();
    const std::size_t i = shape.intermediate;
    hidden_act_ = shape.hidden_act;
    pre_norm_ = shape.pre_norm();
    is_first_ = index == 0;
    const auto load_projection = [&](projection& layer, [[maybe_unused]] output_thresholds& signs,
                                     model_part part) {
      if constexpr (bit_projections && projection::counts) {
        return signs.load(memory, weights, name(part), layer, inner, d,
                          [](float y, std::size_t) { return y >= 0.0F; });
      } else {
        return layer.load(memory, weights, name(part), inner, d);
      }
    };
    LOWBIT_TRY(load_projection(query_, query_signs_, model_part::query));
    LOWBIT_TRY(load_projection(key_, key_signs_, model_part::key));
    LOWBIT_TRY(load_projection(value_, value_signs_, model_part::value));
    LOWBIT_TRY(attention_.load(memory, weights, index, shape));
    LOWBIT_TRY(
        attention_output_.load(memory, weights, name(model_part::attention_output), d, inner));
    LOWBIT_TRY(attention_norm_.load(memory, weights, name(model_part::attention_norm), d,
                                    shape.layer_norm_eps));
    // The thresholds of the first feed-forward layer depend on the input encoding of the second.
    LOWBIT_TRY(
        feed_forward_output_.load(memory, weights, name(model_part::feed_forward_output), d, i));
    if constexpr (bit_middle && feed_forward_layer::counts) {
      LOWBIT_TRY(
          load_middle_thresholds(memory, weights, name(model_part::feed_forward_input), i, d));
    } else {
      LOWBIT_TRY(
          feed_forward_input_.load(memory, weights, name(model_part::feed_forward_input), i, d));
    }
    if constexpr (may_pre_norm) {
      if (pre_norm_)
        LOWBIT_TRY(gate_.load(memory, weights, name(model_part::feed_forward_gate), i, d));
    }
    return output_norm_.load(memory, weights, output_norm_name(shape, index), d,
                             shape.layer_norm_eps);
  }

  /// The sink that encodes normalised hidden rows as this layer's input and also stores the float
  /// rows.
  template <class Workspace>
  [[nodiscard]] auto input_sink(const Workspace& w) const {
    if constexpr (Workspace::shares_input) {
      return w.input[0].template sink<Arch>(query_, w.marks);
    } else {
      const std::size_t d = w.hidden.cols;
      return fan_out{store{w.hidden}, sign_encoder{w.input[0].codes.rows, d, query_.input().shift},
                     sign_encoder{w.input[1].codes.rows, d, key_.input().shift},
                     sign_encoder{w.input[2].codes.rows, d, value_.input().shift}};
    }
  }

  /// Reads hidden rows and sends the new ones to `sink`. With blocks.first_token_only, which layers
  /// with batch ranges do not support, the output has one row per sentence.
  template <class Workspace, class Sink, executor Executor, class Observer>
  void run(Workspace& w, const query_blocks& blocks, const Sink& sink, Executor& executor,
           Observer& observer) const {
    run_to_sum(w, blocks, executor, observer);
    output_norm_.run(w.sum.rows_from(0, rows_of(blocks)), sink, executor, w.marks);
  }

 private:
  template <class Format>
  using layer_of = linear_layer<Policy, Format, Arch>;
  using projection = layer_of<typename formats::projection>;
  using feed_forward_layer = layer_of<typename formats::feed_forward_input>;

  static std::size_t rows_of(const query_blocks& blocks) {
    return blocks.first_token_only ? blocks.batch.sentences : blocks.batch.tokens();
  }

  /// Everything but the last layer norm, compiled once for all sinks.
  template <class Workspace, executor Executor, class Observer>
  LOWBIT_NOINLINE void run_to_sum(Workspace& w, const query_blocks& blocks, Executor& executor,
                                  Observer& observer) const {
    const std::size_t tokens = blocks.batch.tokens();
    const std::size_t rows = rows_of(blocks);
    for (auto& site : w.input) site.template find_range<Arch>(tokens, w.marks);
    auto& asking = asking_site(w, blocks);
    const matrix_view<const float> residual =
        pre_norm_ && !is_first_ ? previous_sums(w, blocks) : asking.floats;
    project(query_, query_signs_, asking, rows, w.q, executor);
    project(key_, key_signs_, w.input[Workspace::inputs / 2], tokens, w.k, executor);
    project(value_, value_signs_, w.input[Workspace::inputs - 1], tokens, w.v, executor);
    show_site(observer, activation_site::query, w.q, rows);
    show_site(observer, activation_site::key, w.k, tokens);
    show_site(observer, activation_site::value, w.v, tokens);

    if constexpr (may_pre_norm) attention_.turn(w.q, w.k, blocks, executor);
    attention_.prepare(w.heads, w.k, w.v, blocks.batch, executor);
    if constexpr (Workspace::float_context) {
      attention_.run(w.heads, w.q, blocks, w.context.floats, nullptr, executor, observer);
      show_site(observer, activation_site::context, w.context.floats, rows);
      w.context.template encode<Arch>(rows, attention_output_, executor, w.marks);
    } else {
      attention_.run(w.heads, w.q, blocks, w.context.codes.rows, w.context.codes.counts, executor,
                     observer);
    }

    const store sum{w.sum};
    run_linear(attention_output_, w.context, rows, add_residual{residual} | sum, executor, w.sum);
    show_site(observer, activation_site::attention_sum, w.sum, rows);
    w.attended.clear_pad(rows);
    attention_norm_.run(w.sum.rows_from(0, rows),
                        w.attended.template sink<Arch>(feed_forward_input_, w.marks), executor,
                        w.marks);
    w.attended.template find_range<Arch>(rows, w.marks);
    show_site(observer, activation_site::attended, w.attended.floats, rows);

    using functions = std::conditional_t<bit_middle, named_activations, fused_activations>;
    with_activation<typename Policy::hidden_act, functions>(
        hidden_act_, [&]<class Activation>(std::type_identity<Activation>) {
          feed_forward<Activation>(w, rows, executor);
        });
    if constexpr (!bit_middle) show_site(observer, activation_site::middle, w.middle.floats, rows);
    run_linear(feed_forward_output_, w.middle, rows,
               add_residual{pre_norm_ ? w.sum : w.attended.floats} | sum, executor, w.sum);
    show_site(observer, activation_site::output_sum, w.sum, rows);
  }

  constexpr status load_middle_thresholds(arena& memory, const weight_set& weights,
                                          const tensor_name& name, std::size_t i, std::size_t d) {
    using input = typename formats::feed_forward_output::input;
    const input_encoding& encoding = feed_forward_output_.input();
    return middle_thresholds_.load(
        memory, weights, name, feed_forward_input_, i, d, [&](float y, std::size_t o) {
          if constexpr (std::is_same_v<input, activation::elastic_bool>) {
            const float rectified = y > 0.0F ? y : 0.0F;
            return (rectified + encoding.shift[o]) / encoding.scale > 0.5F;
          } else {
            return y >= 0.0F;  // sign(GELU(y)) = sign(y)
          }
        });
  }

  /// The input of the query projection and the residual: the layer input, or the first token of
  /// each sentence.
  template <class Workspace>
  static auto& asking_site(Workspace& w, const query_blocks& blocks) {
    if constexpr (!batch_range) {
      if (blocks.first_token_only) {
        for (std::size_t s = 0; s < blocks.batch.sentences; ++s)
          w.first_input.copy_row(s, w.input[0], blocks.batch.begin(s));
        return w.first_input;
      }
    }
    return w.input[0];
  }

  /// The sums that the layer before left in w.sum: all, or those of first tokens, moved together.
  template <class Workspace>
  static matrix_view<const float> previous_sums(Workspace& w, const query_blocks& blocks) {
    if (blocks.first_token_only) {
      for (std::size_t s = 0; s < blocks.batch.sentences; ++s) {
        const std::size_t from = blocks.batch.begin(s);
        if (from != s) std::memcpy(w.sum.row(s), w.sum.row(from), w.sum.cols * sizeof(float));
      }
    }
    return w.sum;
  }

  template <class Site, class Out, executor Executor>
  static void project(const projection& layer, const output_thresholds& signs, Site& x,
                      std::size_t rows, matrix_view<Out> out, Executor& executor) {
    if constexpr (!bit_projections) {
      run_linear(layer, x, rows, store{out}, executor, out);
    } else {
      clear_pad_words(out.rows_from(0, rows));
      if constexpr (projection::counts) {
        layer.run(x.codes.first(rows),
                  make_to_bits<bit_marks::below>(out, layer.outputs(), signs.get()), executor);
      } else {
        run_linear(layer, x, rows, sign_encoder{out, layer.outputs()}, executor);
      }
    }
  }

  template <class Activation, class Workspace, executor Executor>
  void feed_forward(Workspace& w, std::size_t rows, Executor& executor) const {
    const activate<Activation> activated;
    auto& middle = w.middle;
    middle.clear_pad(rows);
    if constexpr (!bit_middle) {
      const store floats{middle.floats};
      if constexpr (std::is_same_v<Activation, activation_pass>) {
        run_linear(feed_forward_input_, w.attended, rows, floats, executor, middle.floats);
        activate_rows<Arch>(hidden_act_, middle.floats.rows_from(0, rows), executor);
      } else {
        run_linear(feed_forward_input_, w.attended, rows, activated | floats, executor,
                   middle.floats);
      }
      if constexpr (may_pre_norm) {
        if (pre_norm_) {
          run_linear(gate_, w.attended, rows, store{w.gate}, executor, w.gate);
          multiply_rows<Arch>(middle.floats.rows_from(0, rows), w.gate, executor);
        }
      }
      middle.template encode<Arch>(rows, feed_forward_output_, executor, w.marks);
    } else if constexpr (feed_forward_layer::counts) {
      using encoded = encoded_rows<typename formats::feed_forward_output>;
      using input = typename formats::feed_forward_output::input;
      constexpr bool rectified = std::is_same_v<input, activation::elastic_bool>;
      static_assert(std::is_same_v<Activation, std::conditional_t<rectified, relu, gelu_erf>>,
                    "lowbit: thresholds stand for gelu before activation::sign and for relu before "
                    "activation::elastic_bool; this policy has another hidden_act");
      constexpr bit_marks marks = std::is_same_v<typename encoded::op, and_popcount>
                                      ? bit_marks::at_least
                                      : bit_marks::below;
      const encoded& codes = middle.codes;
      feed_forward_input_.run(w.attended.codes.first(rows),
                              make_to_bits<marks>(codes.rows, codes.k, middle_thresholds_.get()),
                              executor);
      if constexpr (encoded::counted) {
        for (std::size_t r = 0; r < rows; ++r)
          codes.counts[r] = count_ones(codes.rows.row(r), codes.rows.cols);
      }
    } else {
      static_assert(std::is_same_v<typename formats::feed_forward_output::input, activation::sign>,
                    "lowbit: an elastic input of the second feed-forward layer needs a one-bit "
                    "first one");
      run_linear(feed_forward_input_, w.attended, rows,
                 activated | sign_encoder{middle.codes.rows, middle.codes.k}, executor);
    }
  }

  activation_function hidden_act_ = activation_function::gelu;
  bool pre_norm_ = false;
  bool is_first_ = false;
  projection query_, key_, value_;
  output_thresholds query_signs_, key_signs_, value_signs_;  // one-bit projections only
  attention attention_;
  layer_of<typename formats::attention_output> attention_output_;
  layer_norm<Arch> attention_norm_;
  feed_forward_layer feed_forward_input_;
  feed_forward_layer gate_;  // pre_norm only
  output_thresholds middle_thresholds_;
  layer_of<typename formats::feed_forward_output> feed_forward_output_;
  layer_norm<Arch> output_norm_;
};

}  // namespace lowbit::inline LOWBIT_ISA
