// SPDX-License-Identifier: Apache-2.0
// Ternary weights, two bits each: w = s * t, t in {-1, 0, 1} (TernaryBERT, BinaryBERT before its
// split). The template arguments after Scale only affect encoding; all stored matrices are read the
// same way.
#pragma once

#include "lowbit/codec/codec.hpp"
#include "lowbit/codec/encoded_matrix.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Clipping before encoding: TernaryBERT clips to +-2.5, BinaryBERT does not.
namespace weight_clip {
struct none {
  static constexpr float apply(float w) { return w; }
};
struct fixed {
  static constexpr float limit = 2.5F;
  static constexpr float apply(float w) { return w > limit ? limit : w < -limit ? -limit : w; }
};
}  // namespace weight_clip

/// How the scale and the zeros are chosen.
namespace ternary_fit {
struct twn;  ///< zero if |w| <= 0.7 mean |w|; scale = mean |w| of the rest
struct laq;  ///< loss-aware quantization: ten alternations of scale and rounding
}  // namespace ternary_fit

/// Codes 0 = 0, 1 = +1, 2 = -1; 3 is malformed. NAME.codes U8 (N, ceil(K / 4)), low bits first, pad
/// bits 0; NAME.scale F32 [1] or [N].
template <class Scale = scale::tensor, class Clip = weight_clip::none, class Fit = ternary_fit::twn>
struct ternary {
  using scale = Scale;
  static constexpr const char* name = "ternary";
  static constexpr double bits_per_weight = 2;
  static constexpr std::size_t kernel_bits = 4;
  static constexpr std::size_t row_bytes(std::size_t k) { return ceil_div(k, 4); }
  static constexpr std::size_t scales(std::size_t n, std::size_t k) { return Scale::count(n, k); }

  struct reader {
    static constexpr std::size_t group = Scale::columns;

    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      LOWBIT_TRY(codes_.open(weights, name, n, k, 0, 2));
      return scales_.open(weights, name, n, k);
    }
    void integers(std::size_t row, std::int8_t* out) const {  // (K)
      codes_.read(row, out, integer);
    }
    [[nodiscard]] float scale(std::size_t row, std::size_t group_index = 0) const {
      return scales_.at(row, group_index);
    }
    void floats(std::size_t row, float* out) const {  // (K)
      const std::byte* codes = codes_.row(row);
      scales_.multiply(
          row, [&](std::size_t j) { return integer(detail::read_code<2>(codes, j)); }, out);
    }
    void codes(std::size_t row, std::uint8_t* out) const {  // (K) 0..2
      codes_.read(row, out, [](unsigned code) { return static_cast<std::uint8_t>(code); });
    }
    void table(std::int8_t (&values)[16]) const {
      for (unsigned code = 0; code < 16; ++code) values[code] = integer(code);
    }

   private:
    static constexpr std::int8_t integer(unsigned code) {
      return static_cast<std::int8_t>(code == 1 ? 1 : code == 2 ? -1 : 0);
    }
    detail::packed_rows<2> codes_;
    detail::stored_scales<Scale> scales_;
  };
};

#if LOWBIT_HOSTED

namespace detail {

/// Sum and count of clipped magnitudes above `threshold`, in order.
struct magnitude_sum {
  double sum = 0;
  std::size_t count = 0;
  [[nodiscard]] double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};
template <class Clip>
[[nodiscard]] magnitude_sum magnitudes_above(matrix_view<const float> w, double threshold) {
  magnitude_sum m;
  for (std::size_t r = 0; r < w.rows; ++r) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      const double value = static_cast<double>(Clip::apply(w(r, j)));
      const double magnitude = value < 0 ? -value : value;
      if (!(magnitude > threshold)) continue;
      m.sum += magnitude;
      ++m.count;
    }
  }
  return m;
}

/// A weight is nonzero if its magnitude exceeds the threshold.
struct ternary_choice {
  double threshold = 0;
  float scale = 0;
};
template <class Clip, class Fit>
[[nodiscard]] ternary_choice choose_ternary(matrix_view<const float> w) {
  ternary_choice choice;
  if constexpr (std::is_same_v<Fit, ternary_fit::twn>) {
    // Zeros do not change the sum, but the mean is over all weights.
    const double sum = magnitudes_above<Clip>(w, 0).sum;
    choice.threshold = 0.7 * (sum / static_cast<double>(w.rows * w.cols));
    choice.scale = static_cast<float>(magnitudes_above<Clip>(w, choice.threshold).mean());
  } else {
    // w / scale| rounds to 1 above one half (exactly one half rounds to 0), so every step takes the
    // mean of the magnitudes above half the previous scale. The first step includes all nonzero
    // weights.
    for (int step = 0; step < 10; ++step) {
      const double mean = magnitudes_above<Clip>(w, choice.threshold).mean();
      choice = {mean / 2, static_cast<float>(mean)};
    }
  }
  return choice;
}

}  // namespace detail

/// Means are sums in double, in order. A block of zeros has scale 0.
///
/// Source: TWN as in TernaryBERT and BinaryBERT; LAQ with identity curvature
/// Errors: invalid_argument naming a non-finite weight
template <class Scale, class Clip, class Fit>
result<encoded_matrix> encode(ternary<Scale, Clip, Fit>, matrix_view<const float> w) {
  LOWBIT_TRY(detail::check_finite_weights(w));
  const std::size_t row_bytes = ternary<Scale>::row_bytes(w.cols);
  std::vector<std::byte> codes(w.rows * row_bytes);
  std::vector<float> scales(Scale::count(w.rows, w.cols));
  LOWBIT_TRY(detail::for_each_block<Scale>(w, [&](const detail::scale_block& block) -> status {
    const detail::ternary_choice choice = detail::choose_ternary<Clip, Fit>(block.weights);
    scales[block.index] = choice.scale;
    for (std::size_t r = 0; r < block.weights.rows; ++r) {
      std::byte* row = codes.data() + (block.row + r) * row_bytes;
      for (std::size_t j = 0; j < block.weights.cols; ++j) {
        const double value = static_cast<double>(Clip::apply(block.weights(r, j)));
        const unsigned code = value > choice.threshold ? 1U : value < -choice.threshold ? 2U : 0U;
        detail::write_code<2>(row, block.column + j, code);
      }
    }
    return {};
  }));
  encoded_matrix out;
  out.add(".codes", element_type::u8, {w.rows, row_bytes}, codes);
  out.add(".scale", element_type::f32, detail::scale_shape<Scale>(w.rows, w.cols), scales);
  return out;
}

#endif

}  // namespace lowbit::inline LOWBIT_ISA
