// SPDX-License-Identifier: Apache-2.0
// Linear layers without floats: int8 codes x int8 codes, an int32 bias at the scale of the products
// (weight scale x input scale), and a dyadic ratio per output that requantizes to the next scale.
#pragma once

#include "lowbit/nn/integer/requantize.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// y = (x w^T + b) requantized, for a Format with int8 codes on both sides.
template <class Format, class Arch>
class integer_linear {
 public:
  using op = typename Format::op;
  static_assert(std::is_same_v<op, code_dot<8>>, "lowbit: an integer layer multiplies int8 codes");
  /// Products of this many inputs stay below 2^30, which leaves the same room for the bias.
  static constexpr std::size_t most_inputs = std::size_t{1} << 16;

  /// output_scale: of the layer's integer outputs.
  /// Errors: those of the codec; unsupported for too many inputs, a bias of 2^30 or more product
  /// steps, or scales too far apart
  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t n,
              std::size_t k, double input_scale, double output_scale) {
    if (k > most_inputs) {
      return status::error(errc::unsupported, name.view(), " has ", k,
                           " inputs, an integer layer takes at most ", most_inputs);
    }
    bias_ = memory.take_vector<std::int32_t>(round_up(n, virtual_lanes));
    ratio_.plan(memory, n);
    auto* packed = memory.take<std::byte>(packed_weights<op, Arch>::elements(n, k));
    const std::size_t mark = memory.position();
    auto* row = memory.take<std::uint8_t>(k);
    memory.rewind(mark);
    if (memory.measuring()) return {};
    typename Format::weights::reader stored;
    LOWBIT_TRY(stored.open(weights, name(".weight"), n, k));
    stored_tensor bias;
    LOWBIT_TRY(weights.get(name(".bias").view(), element_type::f32, 1, n, bias));
    LOWBIT_TRY(detail::check_floats(bias, n));
    for (std::size_t o = 0; o < bias_.count; ++o) bias_[o] = 0;
    for (std::size_t o = 0; o < n; ++o) {
      const double step = static_cast<double>(stored.scale(o)) * input_scale;
      LOWBIT_TRY(load_bias(name, o, static_cast<double>(bias.at(o)), step));
      dyadic d;
      LOWBIT_TRY(dyadic::from(step / output_scale, name.view(), d));
      ratio_.set(o, d);
    }
    weights_ = pack_codes<op, Arch, std::int8_t>(
        packed, n, k, row,
        [&](std::size_t r, std::uint8_t* out) {
          stored.integers(r, reinterpret_cast<std::int8_t*>(out));
        },
        [](std::size_t, std::int8_t(&)[16]) {});
    return {};
  }

  [[nodiscard]] std::size_t outputs() const { return weights_.n; }

  /// The first stages of an epilogue: the requantized integers, at most 2^29 + 1; 0 in lanes past
  /// the last output.
  [[nodiscard]] auto to_output() const { return add_integers{bias_} | requantize_channels{ratio_}; }
  template <class Epilogue, executor Executor>
  void run(const activation_rows<op>& x, const Epilogue& epilogue, Executor& executor) const {
    gemm<op, Arch>(x, weights_, epilogue, executor);
  }

 private:
  status load_bias(const tensor_name& name, std::size_t o, double value, double step) {
    if (value == 0.0) return {};
    if (!(value < step * 0x1p30 && value > step * -0x1p30)) {
      return status::error(errc::unsupported, "tensor ", name(".bias").view(), " element ", o,
                           " is 2^30 steps of its weights or more, expected a larger weight scale");
    }
    bias_[o] = nearest_integer(value / step, 0x1p30 - 1);
    return {};
  }

  vector_view<std::int32_t> bias_;  // (N rounded up to 16)
  channel_dyadics ratio_;
  packed_weights<op, Arch> weights_;
};

}  // namespace lowbit::inline LOWBIT_ISA
