// SPDX-License-Identifier: Apache-2.0
// One post-LN transformer encoder layer without floats (I-BERT). Activations between its steps are
// int8 codes; the residual is the int8 input of each half, and the residual sum has 22 bits. Scales
// are read when the model is loaded and are folded into dyadic ratios.
//
//   h i8 -> q, k, v i8 -> context i8 -> + h, 22 bits -> LN -> a i8 -> GELU i8 -> + a, 22 bits -> LN
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/nn/integer/attention.hpp"
#include "lowbit/nn/integer/gelu.hpp"
#include "lowbit/nn/integer/layer_norm.hpp"
#include "lowbit/nn/integer/linear.hpp"
#include "lowbit/policy/ibert.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Memory shared by all layers of an integer encoder.
template <class Format>
struct integer_stream {
  static constexpr no_row_marks marks{};
  encoded_rows<Format> hidden;    // (T, D): input and residual of a layer
  matrix_view<std::int32_t> sum;  // (T, D): input of a layer norm
  matrix_view<float> floats;      // (T, D): decoded rows; shares the memory of sum

  constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits, bool) {
    const std::size_t d = shape.hidden;
    hidden.plan(memory, limits.tokens, d);
    const std::size_t mark = memory.position();
    sum = memory.take_matrix<std::int32_t>(limits.tokens, d, float_stride(d));
    memory.rewind(mark);
    floats = memory.take_matrix<float>(limits.tokens, d, float_stride(d));
  }
  [[nodiscard]] const encoded_rows<Format>& sink() const { return hidden; }
};

/// Memory shared by the layers of one policy.
template <class Policy, class Arch, bool Observed>
struct integer_workspace : integer_stream<typename site_formats<Policy>::projection> {
  using formats = site_formats<Policy>;
  using stream = integer_stream<typename formats::projection>;
  using rows = encoded_rows<typename formats::projection>;

  rows first_hidden;                 // (sentences, D): of first tokens
  rows context;                      // (T, D)
  rows attended;                     // (T, D): after the attention half
  rows middle;                       // (T, I)
  matrix_view<std::int8_t> q, k, v;  // (T, D)
  typename integer_attention_layer<Arch>::template workspace<Observed> heads;

  LOWBIT_NOINLINE constexpr void plan(arena& memory, const model_shape& shape,
                                      const batch_limits& limits, const stream& shared) {
    static_cast<stream&>(*this) = shared;
    const std::size_t t = limits.tokens;
    const std::size_t d = shape.hidden;
    const std::size_t stride = round_up(d, virtual_lanes);
    first_hidden.plan(memory, limits.sentences, d);
    context.plan(memory, t, d);
    attended.plan(memory, t, d);
    middle.plan(memory, t, shape.intermediate);
    for (auto* m : {&q, &k, &v}) *m = memory.take_matrix<std::int8_t>(t, stride, stride);
    heads.plan(memory, shape, limits);
  }
  static void clear(std::size_t) {}
};

/// The scale of the hidden rows that layer `index` reads, or of the encoder output if index ==
/// layers.
[[nodiscard]] LOWBIT_COLD inline status hidden_scale(const weight_set& weights,
                                                     const model_shape& shape, std::size_t index,
                                                     double& scale) {
  if (index == shape.layers)
    return read_scale(weights, part_name(model_part::encoder_output)(".scale"), scale);
  return read_scale(weights, part_name(model_part::query, index)(".input.scale"), scale);
}

/// Dequantizes codes to floats, for observers and float heads.
template <class Format>
matrix_view<const float> decode_rows(const encoded_rows<Format>& codes, std::size_t count,
                                     double scale, matrix_view<float> out) {
  const matrix_view<std::int8_t> bytes = code_bytes(codes);
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t c = 0; c < codes.k; ++c)
      out(r, c) = static_cast<float>(scale * static_cast<double>(bytes(r, c)));
  }
  return out.rows_from(0, count);
}

template <class Policy, class Arch>
class integer_layer {
 public:
  using formats = site_formats<Policy>;
  using stream = integer_stream<typename formats::projection>;
  template <bool Observed>
  using workspace = integer_workspace<Policy, Arch, Observed>;
  static constexpr bool batch_range = false;
  /// Those of check_integer_activation.
  using functions = activation_list<relu, gelu_erf>;
  template <class Activation>
  using middle_function =
      std::conditional_t<std::is_same_v<Activation, relu>, integer_relu, integer_gelu>;

  LOWBIT_COLD status load(arena& memory, const weight_set& weights, std::size_t index,
                          const model_shape& shape) {
    const auto name = [index](model_part part) { return part_name(part, index); };
    const std::size_t d = shape.hidden;
    const std::size_t i = shape.intermediate;
    LOWBIT_TRY(check_integer_activation(shape.hidden_act));
    site_scales s;
    double output_scale = 1;
    if (!memory.measuring()) {
      LOWBIT_TRY(s.read(weights, index));
      LOWBIT_TRY(hidden_scale(weights, shape, index + 1, output_scale));
    }
    LOWBIT_TRY(query_.load(memory, weights, name(model_part::query), d, d, s.input, s.heads.query));
    LOWBIT_TRY(key_.load(memory, weights, name(model_part::key), d, d, s.input, s.heads.key));
    LOWBIT_TRY(value_.load(memory, weights, name(model_part::value), d, d, s.input, s.heads.value));
    LOWBIT_TRY(attention_.load(name(model_part::attention), shape, s.heads));
    LOWBIT_TRY(attention_output_.load(memory, weights, name(model_part::attention_output), d, d,
                                      s.heads.context, s.attention_sum));
    LOWBIT_TRY(dyadic::from(s.input / s.attention_sum, name(model_part::attention_norm).view(),
                            attention_residual_));
    LOWBIT_TRY(attention_norm_.load(memory, weights, name(model_part::attention_norm), d,
                                    shape.layer_norm_eps, s.attention_sum, s.attended));
    hidden_act_ = shape.hidden_act;
    const auto [middle_input, middle_output] =
        with_activation<typename Policy::hidden_act, functions>(
            hidden_act_, []<class Activation>(std::type_identity<Activation>) {
              using function = middle_function<Activation>;
              return middle_scales{function::input_scale, function::output_scale};
            });
    LOWBIT_TRY(feed_forward_input_.load(memory, weights, name(model_part::feed_forward_input), i, d,
                                        s.attended, middle_input));
    LOWBIT_TRY(dyadic::from(middle_output / s.middle, name(model_part::feed_forward_output).view(),
                            to_middle_));
    LOWBIT_TRY(feed_forward_output_.load(memory, weights, name(model_part::feed_forward_output), d,
                                         i, s.middle, s.output_sum));
    LOWBIT_TRY(dyadic::from(s.attended / s.output_sum, name(model_part::output_norm).view(),
                            output_residual_));
    return output_norm_.load(memory, weights, name(model_part::output_norm), d,
                             shape.layer_norm_eps, s.output_sum, output_scale);
  }

  /// The hidden codes are used directly as this layer's input.
  template <class Workspace>
  [[nodiscard]] static const auto& input_sink(const Workspace& w) {
    return w.hidden;
  }

  /// Reads hidden codes and writes the new ones to `sink`. With blocks.first_token_only the output
  /// has one row per sentence.
  template <class Workspace, class Rows, executor Executor, class Observer>
  void run(Workspace& w, const query_blocks& blocks, const Rows& sink, Executor& executor,
           Observer& observer) const {
    const std::size_t tokens = blocks.batch.tokens();
    const std::size_t rows = blocks.first_token_only ? blocks.batch.sentences : tokens;
    if (blocks.first_token_only) {
      for (std::size_t s = 0; s < rows; ++s)
        w.first_hidden.copy_row(s, w.hidden, blocks.batch.begin(s));
    }
    const auto& residual = blocks.first_token_only ? w.first_hidden : w.hidden;
    query_.run(residual.first(rows), query_.to_output() | store_codes{w.q}, executor);
    key_.run(w.hidden.first(tokens), key_.to_output() | store_codes{w.k}, executor);
    value_.run(w.hidden.first(tokens), value_.to_output() | store_codes{w.v}, executor);

    attention_.prepare(w.heads, w.k, w.v, blocks.batch, executor);
    clear_last_group(w.context, rows);
    attention_.run(w.heads, w.q, blocks, code_bytes(w.context), executor, observer);
    count_codes<Arch>(w.context, rows, executor);

    const store_integers sum{w.sum};
    attention_output_.run(w.context.first(rows),
                          attention_output_.to_output() |
                              add_residual_codes{code_bytes(residual), attention_residual_} | sum,
                          executor);
    attention_norm_.run(w.sum.rows_from(0, rows), w.attended, executor);

    with_activation<typename Policy::hidden_act, functions>(
        hidden_act_, [&]<class Activation>(std::type_identity<Activation>) {
          feed_forward_input_.run(w.attended.first(rows),
                                  feed_forward_input_.to_output() |
                                      activate_integers<middle_function<Activation>>{} |
                                      requantize{to_middle_} | store_codes{code_bytes(w.middle)},
                                  executor);
        });
    count_codes<Arch>(w.middle, rows, executor);
    feed_forward_output_.run(w.middle.first(rows),
                             feed_forward_output_.to_output() |
                                 add_residual_codes{code_bytes(w.attended), output_residual_} | sum,
                             executor);
    output_norm_.run(w.sum.rows_from(0, rows), sink, executor);
  }

 private:
  struct middle_scales {
    double input, output;
  };
  /// Learned scales of the activations between steps; 1 while measuring.
  struct site_scales {
    double input = 1, attention_sum = 1, attended = 1, middle = 1, output_sum = 1;
    typename integer_attention_layer<Arch>::scales heads{1, 1, 1, 1};

    status read(const weight_set& weights, std::size_t layer) {
      const auto input_of = [layer](model_part part) {
        return part_name(part, layer)(".input.scale");
      };
      const auto output_of = [layer](model_part part) {
        return part_name(part, layer)(".output.scale");
      };
      LOWBIT_TRY(read_scale(weights, input_of(model_part::query), input));
      for (const model_part part : {model_part::key, model_part::value}) {
        double same = 0;
        LOWBIT_TRY(read_scale(weights, input_of(part), same));
        if (same != input) {
          return status::error(errc::malformed, "tensor ", input_of(part).view(), " differs from ",
                               input_of(model_part::query).view(), ", which reads the same codes");
        }
      }
      LOWBIT_TRY(read_scale(weights, output_of(model_part::query), heads.query));
      LOWBIT_TRY(read_scale(weights, output_of(model_part::key), heads.key));
      LOWBIT_TRY(read_scale(weights, output_of(model_part::value), heads.value));
      LOWBIT_TRY(read_scale(weights, input_of(model_part::attention_output), heads.context));
      LOWBIT_TRY(read_scale(weights, input_of(model_part::attention_norm), attention_sum));
      LOWBIT_TRY(read_scale(weights, input_of(model_part::feed_forward_input), attended));
      LOWBIT_TRY(read_scale(weights, input_of(model_part::feed_forward_output), middle));
      return read_scale(weights, input_of(model_part::output_norm), output_sum);
    }
  };

  /// Clears the pad codes: heads write only their own channels, but products read the padding too.
  template <class Rows>
  static void clear_last_group(const Rows& codes, std::size_t count) {
    const matrix_view<std::int8_t> bytes = code_bytes(codes);
    for (std::size_t r = 0; r < count; ++r)
      std::memset(bytes.row(r) + codes.k, 0, bytes.cols - codes.k);
  }

  using projection = integer_linear<typename formats::projection, Arch>;
  projection query_, key_, value_;
  integer_attention_layer<Arch> attention_;
  integer_linear<typename formats::attention_output, Arch> attention_output_;
  dyadic attention_residual_;
  integer_layer_norm<Arch> attention_norm_;
  integer_linear<typename formats::feed_forward_input, Arch> feed_forward_input_;
  activation_function hidden_act_ = activation_function::gelu;
  dyadic to_middle_;
  integer_linear<typename formats::feed_forward_output, Arch> feed_forward_output_;
  dyadic output_residual_;
  integer_layer_norm<Arch> output_norm_;
};

}  // namespace lowbit::inline LOWBIT_ISA
