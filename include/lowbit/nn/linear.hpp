// SPDX-License-Identifier: Apache-2.0
// Linear layers: weights loaded from canonical rows into the kernel layout, and the epilogue that
// turns an accumulator into the layer's float output or, if only a sign is needed, the integer
// thresholds that replace it.
#pragma once

#include "lowbit/gemm/gemm.hpp"
#include "lowbit/nn/layer_norm.hpp"
#include "lowbit/pack/group_panels.hpp"
#include "lowbit/policy/format.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Learned parameters of a layer's input encoding: x_hat = scale * code(x + shift). Defaults have
/// no effect.
struct input_encoding {
  float scale = 1.0F;
  vector_view<float> shift;  // (K) or empty

  /// Loads NAME.input.scale and NAME.input.shift if the encoding has them.
  /// Errors: not_found, shape_mismatch, malformed
  template <class Activation>
  constexpr status load(arena& memory, const weight_set& weights, const tensor_name& name,
                        std::size_t k) {
    constexpr bool elastic = std::is_same_v<Activation, activation::elastic_sign> ||
                             std::is_same_v<Activation, activation::elastic_bool>;
    if constexpr (elastic) {
      LOWBIT_TRY(load_vector(memory, weights, name(".input.shift").view(), k, shift));
    }
    if constexpr (elastic || std::is_same_v<Activation, activation::int8_static>) {
      if (memory.measuring()) return {};
      stored_tensor t;
      LOWBIT_TRY(weights.get(name(".input.scale").view(), element_type::f32, 1, 1, t));
      scale = t.at(0);
      if (!(scale > 0.0F)) {
        return status::error(errc::malformed, "tensor ", name(".input.scale").view(),
                             " is not above 0");
      }
    }
    return {};
  }
};

/// y = x w^T + b for one linear_format.
template <class Format, class Arch>
class linear {
 public:
  using format = Format;
  using op = typename Format::op;
  using codec = typename Format::weights;
  using reader = typename codec::reader;
  /// Popcount products, whose outputs can be compared as integers.
  static constexpr bool counts = std::is_base_of_v<counting_op, op>;
  static constexpr bool integer = !std::is_same_v<typename op::activation, float>;

  /// The codec, and hence the width of the kernel's codes, is named in the file.
  static constexpr bool runtime_bits = requires(const reader& r) { r.kernel_bits(); };
  /// The size of the kernel layout depends on the file.
  static constexpr bool measures_file = runtime_bits || requires(const reader& r) { r.outliers(); };

  /// name: of the part. Without `keeps_outputs`, scale and bias are valid only until the next
  /// take() from the arena: for layers whose outputs are replaced by thresholds.
  constexpr status load(arena& memory, const weight_set& weights, const tensor_name& name,
                        std::size_t n, std::size_t k, bool keeps_outputs = true) {
    LOWBIT_TRY(input_.template load<typename Format::input>(memory, weights, name, k));
    if (keeps_outputs) LOWBIT_TRY(load_outputs(memory, weights, name, n));
    reader stored;
    if (measures_file || memory.fills()) {
      LOWBIT_TRY(stored.open(weights, name(".weight"), n, k));
    }
    if constexpr (runtime_bits) {
      bits_ = stored.kernel_bits();
      group_ = stored.columns_per_scale();
    }
    status packing;
    with_op([&]<class Op>(std::type_identity<Op>) {
      auto* packed = memory.template take<typename Op::weight>(elements<Op>(stored, n, k));
      const std::size_t mark = memory.position();
      auto* scratch = memory.template take<row_value<Op>>(k);
      memory.rewind(mark);
      if (memory.measuring()) return;
      weights_ = {reinterpret_cast<const typename op::weight*>(packed), n, k, Op::units(k)};
      if (memory.fills()) packing = pack_rows<Op>(stored, packed, scratch);
    });
    if (!keeps_outputs) {
      const std::size_t mark = memory.position();
      LOWBIT_TRY(load_outputs(memory, weights, name, n));
      memory.rewind(mark);
    }
    if (!memory.fills()) return {};
    if constexpr (integer) {
      for (std::size_t o = 0; o < n; ++o)
        scale_[o] = (group_ == 0 ? stored.scale(o) : 1.0F) * input_.scale;
    }
    return packing.ok() ? packing : packing.in(name(".weight").view());
  }

  [[nodiscard]] std::size_t outputs() const { return weights_.n; }
  [[nodiscard]] constexpr const input_encoding& input() const { return input_; }

  /// The layer's float output as the first stages of an epilogue. row_scales: (M), of the encoded
  /// input, if its encoding has them.
  [[nodiscard]] auto to_output(const float* row_scales = nullptr) const {
    if constexpr (!integer) {
      return add_bias{bias_};
    } else if constexpr (has_row_scale<typename Format::input>) {
      return to_float{} | scale_rows{row_scales} | affine{scale_, bias_};
    } else {
      return to_float{} | affine{scale_, bias_};
    }
  }
  /// Like to_output, from a float sum: for callers that dequantize the input themselves.
  [[nodiscard]] affine scale_and_bias() const requires integer { return {scale_, bias_}; }
  /// The float output for accumulator n of output o, with the same arithmetic as to_output.
  [[nodiscard]] float output_of(std::int32_t n, std::size_t o) const requires counts {
    return fma(static_cast<float>(n), scale_[o], bias_[o]);
  }

  template <class Epilogue, executor Executor>
  void run(const activation_rows<op>& x, const Epilogue& epilogue, Executor& executor) const {
    with_op([&]<class Op>(std::type_identity<Op>) {
      packed_weights<Op, Arch> w{reinterpret_cast<const typename Op::weight*>(weights_.data),
                                 weights_.n, weights_.k, weights_.units};
      if constexpr (is_group_dot<Op>) w.panel_size = Op::panel_elements(w.k, w.nr, group_);
      gemm<Op, Arch>({x.units, x.k, x.row_counts}, w, epilogue, executor);
    });
  }

 private:
  /// Takes bias and scale; fills the bias.
  constexpr status load_outputs(arena& memory, const weight_set& weights, const tensor_name& name,
                                std::size_t n) {
    LOWBIT_TRY(load_vector(memory, weights, name(".bias").view(), n, bias_));
    if constexpr (integer) scale_ = memory.template take_vector<float>(n);
    return {};
  }

  /// Element type of a decoded row during packing.
  template <class Op>
  using row_value = std::conditional_t<
      std::is_same_v<Op, mul_add>, float,
      std::conditional_t<std::is_same_v<Op, decoded_mul_add> && (kernel_bits_of<codec> > 8),
                         std::uint16_t, std::uint8_t>>;

  /// Calls function(std::type_identity<Op>) for the op of these weights.
  template <class Function>
  constexpr void with_op(Function function) const {
    if constexpr (runtime_bits) {
      if constexpr (codec::template has_groups<4>) {
        if (group_ != 0 && bits_ == 4) return function(std::type_identity<group_dot<4>>{});
      }
      if constexpr (codec::template has_groups<8>) {
        if (group_ != 0) return function(std::type_identity<group_dot<8>>{});
      }
      if constexpr (integer) {
        if (bits_ == 4) return function(std::type_identity<code_dot<4>>{});
        if (bits_ == 1) return function(std::type_identity<code_dot<1>>{});
      } else {
        if (bits_ <= 16) return function(std::type_identity<decoded_mul_add>{});
      }
    }
    function(std::type_identity<op>{});
  }

  /// Number of elements in the kernel layout.
  template <class Op>
  [[nodiscard]] constexpr std::size_t elements([[maybe_unused]] const reader& stored, std::size_t n,
                                               std::size_t k) const {
    using packed = packed_weights<Op, Arch>;
    if constexpr (is_group_dot<Op>) {
      return ceil_div(n, packed::nr) * Op::panel_elements(k, packed::nr, group_);
    } else if constexpr (std::is_same_v<Op, decoded_mul_add>) {
      std::size_t outliers = 0;
      if constexpr (requires { stored.outliers(); }) outliers = stored.outliers();
      return packed::elements(n, k, bits_, outliers);
    } else {
      return packed::elements(n, k);
    }
  }

  template <class Op>
  status pack_rows(const reader& stored, typename Op::weight* packed,
                   row_value<Op>* scratch) const {
    const std::size_t n = weights_.n;
    const std::size_t k = weights_.k;
    if constexpr (counts) {
      const std::size_t row_bytes = bytes_for(k);
      pack<Op, Arch>(packed, n, k, [&](std::size_t row, std::size_t u) {
        return load_canonical_word(stored.canonical_row(row), row_bytes, u);
      });
    } else if constexpr (std::is_same_v<Op, mul_add>) {
      pack<Op, Arch>(packed, n, k, [&](std::size_t row, std::size_t u) {
        if (u == 0) stored.floats(row, scratch);
        return scratch[u];
      });
    } else if constexpr (std::is_same_v<Op, decoded_mul_add>) {
      pack_decoded<Arch>(packed, n, k, scratch, stored);
    } else if constexpr (is_group_dot<Op>) {
      return pack_groups<Op, Arch>(
          packed, n, k, group_, reinterpret_cast<std::int8_t*>(scratch),
          [&](std::size_t row, std::int8_t* out) { stored.integers(row, out); },
          [&](std::size_t row, std::size_t g) { return stored.scale(row, g); });
    } else {
      using value = std::conditional_t<integer, std::int8_t, float>;
      const auto codes_of = [&](std::size_t row, std::uint8_t* out) {
        if constexpr (Op::bits == 8) {
          stored.integers(row, reinterpret_cast<std::int8_t*>(out));
        } else {
          stored.codes(row, out);
        }
      };
      const auto table_of = [&](std::size_t, [[maybe_unused]] value(&values)[16]) {
        if constexpr (Op::bits != 8) stored.table(values);
      };
      pack_codes<Op, Arch, value>(packed, n, k, scratch, codes_of, table_of);
    }
    return {};
  }

  std::size_t bits_ = kernel_bits_of<codec>;  // bits per code in memory
  std::size_t group_ = group_of<codec>;       // columns per scale; 0: all
  input_encoding input_;
  vector_view<float> scale_;  // (N): weight scale (1 for grouped scales) x stored input scale
  vector_view<float> bias_;   // (N)
  packed_weights<op, Arch> weights_;
};

/// Integer thresholds equivalent to a predicate on a one-bit layer's float output: predicate(y, o)
/// must change from false to true at most once as the accumulator n of output o grows. Exact,
/// because the float expression itself is evaluated.
class output_thresholds {
 public:
  /// Loads a layer whose outputs nothing else reads, and replaces them.
  template <class Linear, class Predicate>
  constexpr status load(arena& memory, const weight_set& weights, const tensor_name& name,
                        Linear& layer, std::size_t n, std::size_t k, Predicate predicate) {
    values_ = memory.take_vector<std::int32_t>(n);
    LOWBIT_TRY(layer.load(memory, weights, name, n, k, false));
    if (!memory.fills()) return {};
    const auto bound = static_cast<std::int32_t>(k);
    for (std::size_t o = 0; o < n; ++o) {
      values_[o] = first_true(-bound, bound, [&](std::int32_t count) {
        return predicate(layer.output_of(count, o), o);
      });
    }
    return {};
  }
  [[nodiscard]] channel_threshold get() const { return {values_}; }

 private:
  vector_view<std::int32_t> values_;  // (N)
};

/// Zeroes the last word of every row, so that sinks writing 16-bit groups leave clear pad bits.
inline void clear_pad_words(matrix_view<word> rows) {
  for (std::size_t r = 0; r < rows.rows; ++r) rows.row(r)[rows.cols - 1] = 0;
}

}  // namespace lowbit::inline LOWBIT_ISA
