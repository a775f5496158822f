// SPDX-License-Identifier: Apache-2.0
// Integer activations whose scale comes from the range of a whole tensor, over every token of a
// padded batch: x_hat = step * code + offset. Unsigned 8-bit codes are stored minus 128, so that
// they fit the signed bytes that kernels read.
#pragma once

#include "lowbit/nn/linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The minimum and maximum of a tensor; they do not depend on the order of evaluation.
struct value_range {
  float low = __builtin_inff();
  float high = -__builtin_inff();

  constexpr void add(const value_range& other) {
    low = other.low < low ? other.low : low;
    high = other.high > high ? other.high : high;
  }
};

/// The range of a row; sets `finite` to false if it contains a non-finite value.
template <class Arch>
[[nodiscard]] value_range range_of(const float* x, std::size_t count, bool& finite) {
  using f = f32x16<Arch>;
  value_range range;
  largest_magnitude<Arch> largest;
  f low = f::broadcast(range.low);
  f high = f::broadcast(range.high);
  for_each_column(count, [&](auto c) {
    const f v = load_row<Arch>(x, c, count, x[0]);
    largest.add(v);
    low = min(low, v);
    high = max(high, v);
  });
  float lows[virtual_lanes];
  float highs[virtual_lanes];
  low.store(lows);
  high.store(highs);
  for (std::size_t l = 0; l < virtual_lanes; ++l) range.add({lows[l], highs[l]});
  if (!largest.finite()) finite = false;
  return range;
}
/// The range of all rows; marks rows with non-finite values.
template <class Arch>
[[nodiscard]] value_range range_of(matrix_view<const float> x, const row_marks& marks) {
  value_range range;
  for (std::size_t r = 0; r < x.rows; ++r) {
    bool finite = true;
    range.add(range_of<Arch>(x.row(r), x.cols, finite));
    if (!finite) [[unlikely]]
      marks.mark(r);
  }
  return range;
}

/// Rounds to the nearest integer, half to even, for |v| < 2^22. v must not be a product, which a
/// compiler could contract with the addition.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> nearest_integers(f32x16<Arch> v) {
  constexpr float shifter = 12582912.0F;  // 1.5 * 2^23
  constexpr std::int32_t bits = 0x4B400000;
  return bits_of(v + f32x16<Arch>::broadcast(shifter)) - i32x16<Arch>::broadcast(bits);
}

/// Quantization of one tensor: code = round((clip(x) - origin) * factor / divisor), limited to
/// first .. last. The rounding steps match the code that trained the model.
template <class Activation>
struct code_map {
  static constexpr auto bits = static_cast<unsigned>(Activation::bits);
  static constexpr bool is_signed = Activation::signed_codes;
  static constexpr std::int32_t stored_zero = !is_signed && bits == 8 ? 128 : 0;

  float clip_low, clip_high;
  float origin, divisor, factor;
  float first, last;
  float step, offset;  // x_hat = step * stored code + offset

  bool operator==(const code_map&) const = default;

  /// The codes of x, in stored form.
  template <class Arch>
  [[nodiscard]] LOWBIT_INLINE i32x16<Arch> codes(f32x16<Arch> x) const {
    using f = f32x16<Arch>;
    const f clipped = max(min(x, f::broadcast(clip_high)), f::broadcast(clip_low));
    const f scaled = (clipped - f::broadcast(origin)) / f::broadcast(divisor);
    const f v = fma(scaled, f::broadcast(factor), f::broadcast(0.0F));  // rounded on its own
    const f limited = max(min(v, f::broadcast(last)), f::broadcast(first));
    return nearest_integers(limited) - i32x16<Arch>::broadcast(stored_zero);
  }
};

/// Learned parameters of the encoding at one site: the clip interval, or the step.
template <class Activation>
class range_encoding {
 public:
  static constexpr bool is_dynamic = Activation::dynamic_step;

  /// Loads NAME.clip, F32 [2], or NAME.scale, F32 [1].
  /// Errors: not_found, shape_mismatch, malformed
  status load(const weight_set& weights, const tensor_name& name) {
    stored_tensor t;
    if constexpr (is_dynamic) {
      LOWBIT_TRY(weights.get(name(".clip").view(), element_type::f32, 1, 2, t));
      LOWBIT_TRY(detail::check_floats(t, 2));
      low_ = t.at(0);
      high_ = t.at(1);
      if (!(low_ < high_)) {
        return status::error(errc::malformed, "tensor ", t.name,
                             " is not an interval, expected its lower end first");
      }
    } else {
      LOWBIT_TRY(weights.get(name(".scale").view(), element_type::f32, 1, 1, t));
      LOWBIT_TRY(detail::check_floats(t, 1));
      step_ = t.at(0);
      if (!(step_ > 0.0F)) {
        return status::error(errc::malformed, "tensor ", t.name, " is not above 0");
      }
    }
    return {};
  }

  /// The code_map for a tensor with this range. A tensor of zeros has step and codes 0.
  [[nodiscard]] code_map<Activation> over(value_range range) const {
    using map = code_map<Activation>;
    constexpr float infinity = __builtin_inff();
    constexpr float levels = static_cast<float>((1U << map::bits) - 1U);
    constexpr float half = static_cast<float>(1U << (map::bits - 1U));
    constexpr auto stored_zero = static_cast<float>(map::stored_zero);
    if constexpr (is_dynamic) {
      const float low = clip(range.low);
      const float high = clip(range.high);
      if constexpr (map::is_signed) {
        const float largest = -low > high ? -low : high;
        const float factor = largest > 0.0F ? (half - 1.0F) / largest : 0.0F;
        const float step = factor > 0.0F ? 1.0F / factor : 0.0F;
        return {low_, high_, 0.0F, 1.0F, factor, 1.0F - half, half - 1.0F, step, 0.0F};
      } else {
        const float span = (high - low) + 1e-8F;
        const float step = span / levels;
        return {low_, high_, low, span, levels, 0.0F, levels, step, fma(stored_zero, step, low)};
      }
    } else if constexpr (map::is_signed) {
      return {-infinity, infinity, 0.0F, step_, 1.0F, -half, half - 1.0F, step_, 0.0F};
    } else {
      return {-infinity, infinity, range.low,
              step_,     1.0F,     0.0F,
              levels,    step_,    fma(stored_zero, step_, range.low)};
    }
  }

 private:
  [[nodiscard]] float clip(float x) const {
    const float below = x < high_ ? x : high_;
    return below > low_ ? below : low_;
  }

  float low_ = 0.0F, high_ = 0.0F;
  float step_ = 0.0F;
};

/// Encodes x (K) as Op reads it, with code 0 past column K; returns the sum of the codes. Bytes are
/// stored in whole groups of 16.
template <class Op, class Arch, class Activation>
std::int32_t encode_codes(const code_map<Activation>& map, const float* x, std::size_t k,
                          typename Op::activation* out) {
  auto sum = i32x16<Arch>::broadcast(0);
  constexpr bool bytes = std::is_same_v<Op, code_dot<8>> || std::is_same_v<Op, code_dot<4>> ||
                         std::is_same_v<Op, code_dot<1>>;
  for_each_column(k, [&](auto column) {
    const std::size_t c = column;
    auto codes = map.codes(load_row<Arch>(x, column, k));
    const std::size_t count = lanes_at(column, k);
    if (count < virtual_lanes) {
      constexpr std::int32_t ones = -1;
      alignas(buffer_alignment) std::int32_t keep[virtual_lanes] = {};
      for (std::size_t l = 0; l < count; ++l) keep[l] = ones;
      codes = codes & i32x16<Arch>::load(keep);
    }
    sum = sum + codes;
    if constexpr (bytes) {
      codes.store_low_bytes(reinterpret_cast<std::int8_t*>(out) + c);
    } else {
      word(&planes)[Op::planes] = out[c / word_bits].plane;
      for (std::size_t p = 0; p < Op::planes; ++p) {
        const auto bit = i32x16<Arch>::broadcast(1 << p);
        const word mask = less(i32x16<Arch>::broadcast(0), codes & bit);
        const word before = c % word_bits == 0 ? 0 : planes[p];
        planes[p] = before | mask << (c % word_bits);
      }
    }
  });
  return reduce_add(sum);
}

/// Stage: converts the integer dot product n of stored codes to x_hat . w in float; `sums` holds
/// the sum of each output's weights.
struct take_back_range : epilogue_stage {
  float step;
  float offset;
  vector_view<const float> sums;  // (N)
  constexpr take_back_range(float scale, float shift, vector_view<const float> weight_sums)
      : step(scale), offset(shift), sums(weight_sums) {}
  template <class Arch, class Column>
  LOWBIT_INLINE f32x16<Arch> operator()(i32x16<Arch> n, std::size_t, Column col) const {
    using f = f32x16<Arch>;
    const f shift = f::broadcast(offset) * load_channels<Arch>(sums, col);
    return fma(f::from(n), f::broadcast(step), shift);
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
