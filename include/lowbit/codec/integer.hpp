// SPDX-License-Identifier: Apache-2.0
// Symmetric integers with a scale: int8 (Q8BERT, I-BERT) and int4; weight = scale * integer. The
// symmetric range excludes -128 and -8, so pairwise sums of products in a kernel cannot overflow.
#pragma once

#include "lowbit/codec/codec.hpp"
#include "lowbit/codec/encoded_matrix.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Integers in -127..127. NAME.codes I8 (N, K); NAME.scale F32 [1], [N] or [N, groups].
/// Q8BERT: int8<scale::tensor>. I-BERT: int8<scale::row>.
template <class Scale = scale::row>
struct int8 {
  using scale = Scale;
  static constexpr const char* name = "int8";
  static constexpr double bits_per_weight = 8;
  static constexpr std::size_t kernel_bits = 8;
  static constexpr std::size_t row_bytes(std::size_t k) { return k; }
  static constexpr std::size_t scales(std::size_t n, std::size_t k) { return Scale::count(n, k); }

  struct reader {
    static constexpr std::size_t group = Scale::columns;

    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      k_ = k;
      LOWBIT_TRY(weights.get(name(".codes").view(), element_type::i8, n, k, codes_));
      for (std::size_t i = 0; i < n * k; ++i) {
        if (codes_.read<std::int8_t>(i) == -128) {
          return status::error(errc::malformed, "tensor ", codes_.name, " row ", i / k, " column ",
                               i % k, " is -128, expected -127 to 127");
        }
      }
      return scales_.open(weights, name, n, k);
    }
    void integers(std::size_t row, std::int8_t* out) const {  // (K)
      if (k_ != 0) std::memcpy(out, codes_.data + row * k_, k_);
    }
    [[nodiscard]] float scale(std::size_t row, std::size_t group_index = 0) const {
      return scales_.at(row, group_index);
    }
    void floats(std::size_t row, float* out) const {  // (K)
      scales_.multiply(
          row, [&](std::size_t j) { return codes_.read<std::int8_t>(row * k_ + j); }, out);
    }

   private:
    stored_tensor codes_;
    detail::stored_scales<Scale> scales_;
    std::size_t k_ = 0;
  };
};

/// Integers in -7..7 stored as integer + 8, two per byte, low nibble first; if K is odd, the last
/// nibble is 8 (which is 0). NAME.codes U8 (N, ceil(K / 2)); NAME.scale F32 [1], [N] or [N,
/// groups].
template <class Scale = scale::row>
struct int4 {
  using scale = Scale;
  static constexpr const char* name = "int4";
  static constexpr double bits_per_weight = 4;
  static constexpr std::size_t kernel_bits = 4;
  static constexpr unsigned zero = 8;  // the code of 0
  static constexpr std::size_t row_bytes(std::size_t k) { return ceil_div(k, 2); }
  static constexpr std::size_t scales(std::size_t n, std::size_t k) { return Scale::count(n, k); }

  struct reader {
    static constexpr std::size_t group = Scale::columns;

    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      LOWBIT_TRY(codes_.open(weights, name, n, k, zero - 7, zero + 7, zero));
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
          row, [&](std::size_t j) { return integer(detail::read_code<4>(codes, j)); }, out);
    }
    void codes(std::size_t row, std::uint8_t* out) const {  // (K) 1..15
      codes_.read(row, out, [](unsigned code) { return static_cast<std::uint8_t>(code); });
    }
    void table(std::int8_t (&values)[16]) const {
      for (unsigned code = 0; code < 16; ++code) values[code] = integer(code);
    }

   private:
    static constexpr std::int8_t integer(unsigned code) {
      return static_cast<std::int8_t>(static_cast<int>(code) - static_cast<int>(zero));
    }
    detail::packed_rows<4> codes_;
    detail::stored_scales<Scale> scales_;
  };
};

#if LOWBIT_HOSTED

/// scale = max |w| / 127 of the block, integer = clamp(round_half_even(w / scale), -127, 127). A
/// block of zeros has scale 0.
///
/// Source: Q8BERT (tensor), I-BERT (row)
/// Errors: invalid_argument naming a non-finite weight
template <class Scale>
result<encoded_matrix> encode(int8<Scale>, matrix_view<const float> w) {
  LOWBIT_TRY(detail::check_finite_weights(w));
  std::vector<std::int8_t> codes(w.rows * w.cols);
  std::vector<float> scales(Scale::count(w.rows, w.cols));
  LOWBIT_TRY(detail::for_each_block<Scale>(w, [&](const detail::scale_block& block) -> status {
    const float s = detail::largest_magnitude(block.weights) / 127.0F;
    scales[block.index] = s;
    for (std::size_t r = 0; r < block.weights.rows; ++r) {
      std::int8_t* out = codes.data() + (block.row + r) * w.cols + block.column;
      for (std::size_t j = 0; j < block.weights.cols; ++j) {
        out[j] = static_cast<std::int8_t>(detail::round_to_step(block.weights(r, j), s, 127));
      }
    }
    return {};
  }));
  encoded_matrix out;
  out.add(".codes", element_type::i8, {w.rows, w.cols}, codes);
  out.add(".scale", element_type::f32, detail::scale_shape<Scale>(w.rows, w.cols), scales);
  return out;
}

namespace detail {

/// Sum of (w - s q)^2. s q is exact in double, and the difference is rounded to float so that its
/// square is exact too: fusing either into an add does not change the sum.
[[nodiscard]] inline double int4_error(matrix_view<const float> w, float s) {
  double sum = 0;
  for (std::size_t r = 0; r < w.rows; ++r) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      const double value = static_cast<double>(s) * round_to_step(w(r, j), s, 7);
      const auto lost =
          static_cast<double>(static_cast<float>(static_cast<double>(w(r, j)) - value));
      sum += lost * lost;
    }
  }
  return sum;
}

/// The scale of a block: max |w| / 7 times i / 32 for the i in 9..32 with the least squared error,
/// the largest i in case of ties. Normally distributed rows of a few hundred weights end up near 24
/// / 32: clipping a few weights costs less than coarser steps for all others.
[[nodiscard]] inline float int4_scale(matrix_view<const float> w) {
  const float whole = largest_magnitude(w) / 7.0F;
  float best = whole;
  double least = int4_error(w, whole);
  for (int i = 31; i > 8; --i) {
    const float candidate = whole * (static_cast<float>(i) / 32.0F);
    const double error = int4_error(w, candidate);
    if (error >= least) continue;
    least = error;
    best = candidate;
  }
  return best;
}

}  // namespace detail

/// integer = clamp(round_half_even(w / scale), -7, 7) with the scale of detail::int4_scale.
///
/// Errors: invalid_argument naming a non-finite weight
template <class Scale>
result<encoded_matrix> encode(int4<Scale>, matrix_view<const float> w) {
  LOWBIT_TRY(detail::check_finite_weights(w));
  using format = int4<Scale>;
  const std::size_t row_bytes = format::row_bytes(w.cols);
  std::vector<std::byte> codes(w.rows * row_bytes);
  std::vector<float> scales(Scale::count(w.rows, w.cols));
  LOWBIT_TRY(detail::for_each_block<Scale>(w, [&](const detail::scale_block& block) -> status {
    const float s = detail::int4_scale(block.weights);
    scales[block.index] = s;
    for (std::size_t r = 0; r < block.weights.rows; ++r) {
      std::byte* row = codes.data() + (block.row + r) * row_bytes;
      for (std::size_t j = 0; j < block.weights.cols; ++j) {
        const int integer = detail::round_to_step(block.weights(r, j), s, 7);
        detail::write_code<4>(row, block.column + j,
                              static_cast<unsigned>(integer + static_cast<int>(format::zero)));
      }
    }
    return {};
  }));
  if (w.cols % 2 != 0) {
    for (std::size_t r = 0; r < w.rows; ++r) {
      detail::write_code<4>(codes.data() + r * row_bytes, w.cols, format::zero);
    }
  }
  encoded_matrix out;
  out.add(".codes", element_type::u8, {w.rows, row_bytes}, codes);
  out.add(".scale", element_type::f32, detail::scale_shape<Scale>(w.rows, w.cols), scales);
  return out;
}

#endif

}  // namespace lowbit::inline LOWBIT_ISA
