// SPDX-License-Identifier: Apache-2.0
// Linear layers: weights loaded from canonical rows into the kernel layout, and the epilogue that
// turns an accumulator into the layer's float output or, where only a sign survives, the integer
// thresholds that replace it.
#pragma once

#include "lowbit/gemm/gemm.hpp"
#include "lowbit/nn/layer_norm.hpp"
#include "lowbit/policy/format.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// What an elastic input encoding learned (BiT): x_hat = scale * code(x + shift). Neutral for the
/// other encodings.
struct input_encoding {
  float scale = 1.0F;
  vector_view<float> shift;  // (K) or empty

  /// Reads NAME.input.scale and NAME.input.shift where the encoding has them.
  template <class Activation>
  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t k) {
    if constexpr (std::is_same_v<Activation, activation::elastic_sign> ||
                  std::is_same_v<Activation, activation::elastic_bool>) {
      LOWBIT_TRY(load_vector(memory, weights, name(".input.shift").view(), k, shift));
      if (memory.measuring()) return {};
      stored_tensor t;
      LOWBIT_TRY(weights.get(name(".input.scale").view(), stored_type::f32, 1, 1, t));
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
  static constexpr bool one_bit = is_sign<typename Format::weights>;

  /// name: the Hugging Face prefix, as in bert.pooler.dense
  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t n,
              std::size_t k) {
    LOWBIT_TRY(input_.template load<typename Format::input>(memory, weights, name, k));
    LOWBIT_TRY(load_vector(memory, weights, name(".bias").view(), n, bias_));
    auto* packed =
        memory.template take<typename op::weight>(packed_weights<op, Arch>::elements(n, k));
    if constexpr (one_bit) {
      scale_ = memory.template take_vector<float>(n);
      if (memory.measuring()) return {};
      stored_tensor codes;
      stored_tensor scales;
      const std::size_t row_bytes = bytes_for(k);
      const std::size_t count = Format::weights::scales(n);
      LOWBIT_TRY(weights.get(name(".weight.codes").view(), stored_type::u8, n, row_bytes, codes));
      LOWBIT_TRY(weights.get(name(".weight.scale").view(), stored_type::f32, 1, count, scales));
      for (std::size_t i = 0; i < count; ++i) {  // thresholds need an output that rises with n
        if (!(scales.at(i) >= 0.0F)) {
          return status::error(errc::malformed, "tensor ", name(".weight.scale").view(),
                               " element ", i, " is below 0");
        }
      }
      for (std::size_t o = 0; o < n; ++o) scale_[o] = scales.at(count == 1 ? 0 : o) * input_.scale;
      LOWBIT_TRY(check_pad_bits(codes, n, k, name));
      weights_ = pack<op, Arch>(packed, n, k, [&](std::size_t row, std::size_t u) {
        return load_canonical_word(codes.data + row * row_bytes, row_bytes, u);
      });
    } else {
      if (memory.measuring()) return {};
      stored_tensor w;
      LOWBIT_TRY(weights.get(name(".weight").view(), stored_type::f32, n, k, w));
      weights_ = pack<op, Arch>(packed, n, k,
                                [&](std::size_t row, std::size_t u) { return w.at(row * k + u); });
    }
    return {};
  }

  [[nodiscard]] std::size_t outputs() const { return weights_.n; }
  [[nodiscard]] const input_encoding& input() const { return input_; }

  /// The layer's float output as the first stages of an epilogue.
  [[nodiscard]] auto to_output() const {
    if constexpr (one_bit) {
      return to_float{} | affine{scale_, bias_};
    } else {
      return add_bias{bias_};
    }
  }
  /// The float output for accumulator n of output o: the same arithmetic as to_output, one value.
  [[nodiscard]] float output_of(std::int32_t n, std::size_t o) const requires one_bit {
    return __builtin_fmaf(static_cast<float>(n), scale_[o], bias_[o]);
  }

  template <class Epilogue, executor Executor>
  void run(const activation_rows<op>& x, const Epilogue& epilogue, Executor& executor) const {
    gemm<op, Arch>(x, weights_, epilogue, executor);
  }

 private:
  /// A set pad bit would count as a weight.
  static status check_pad_bits(const stored_tensor& codes, std::size_t n, std::size_t k,
                               const tensor_name& name) {
    const std::size_t row_bytes = bytes_for(k);
    if (k % 8 == 0) return {};
    for (std::size_t row = 0; row < n; ++row) {
      if ((std::to_integer<unsigned>(codes.data[(row + 1) * row_bytes - 1]) >> (k % 8)) != 0) {
        return status::error(errc::malformed, "tensor ", name(".weight.codes").view(), " row ", row,
                             " has bits set past column ", k);
      }
    }
    return {};
  }

  input_encoding input_;
  vector_view<float> scale_;  // (N): weight scale x input scale
  vector_view<float> bias_;   // (N)
  packed_weights<op, Arch> weights_;
};

/// Integer thresholds that stand for a predicate of a one-bit layer's float output: predicate(y, o)
/// must turn from false to true once as the accumulator n of output o grows. Exact, because the
/// float expression itself is evaluated (SPEC fusions F3 and F6).
class output_thresholds {
 public:
  template <class Linear, class Predicate>
  void load(arena& memory, const Linear& layer, std::size_t n, std::size_t k, Predicate predicate) {
    values_ = memory.take_vector<std::int32_t>(n);
    if (memory.measuring()) return;
    const auto bound = static_cast<std::int32_t>(k);
    for (std::size_t o = 0; o < n; ++o) {
      values_[o] = first_true(-bound, bound, [&](std::int32_t count) {
        return predicate(layer.output_of(count, o), o);
      });
    }
  }
  [[nodiscard]] channel_threshold get() const { return {values_}; }

 private:
  vector_view<std::int32_t> values_;  // (N)
};

/// Zeroes the last word of every row, so that sinks that write 16-bit groups leave clear pad bits.
inline void clear_pad_words(matrix_view<word> rows) {
  for (std::size_t r = 0; r < rows.rows; ++r) rows.row(r)[rows.cols - 1] = 0;
}

}  // namespace lowbit::inline LOWBIT_ISA
