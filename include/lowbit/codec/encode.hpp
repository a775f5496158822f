// SPDX-License-Identifier: Apache-2.0
// Conversion between floats and the canonical codes of sign and f32; other codecs have theirs in
// their own headers. Canonical rows are stored in files: one row per output, bit j % 8 of byte j /
// 8, bit 1 for -1, pad bits 0; identical bytes on every machine. Means are sums in double in
// element order.
#pragma once

#include <cmath>

#include "lowbit/codec/codec.hpp"
#include "lowbit/codec/encoded_matrix.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

struct means {
  double value = 0;      // mean of w
  double magnitude = 0;  // mean of |w|
};
inline means means_of(matrix_view<const float> w) {
  means m;
  for (std::size_t r = 0; r < w.rows; ++r) {
    for (std::size_t k = 0; k < w.cols; ++k) {
      m.value += static_cast<double>(w(r, k));
      m.magnitude += std::abs(static_cast<double>(w(r, k)));
    }
  }
  const auto count = static_cast<double>(w.rows * w.cols);
  return {m.value / count, m.magnitude / count};
}

inline void encode_sign_row(const float* w, std::size_t k, float mean, std::byte* codes,
                            encode_report& report) {
  for (std::size_t byte = 0; byte < bytes_for(k); ++byte) codes[byte] = std::byte{0};
  for (std::size_t j = 0; j < k; ++j) {
    const float centered = w[j] - mean;
    if (centered < 0.0F) codes[j / 8] |= static_cast<std::byte>(1U << (j % 8));
    if (centered == 0.0F) ++report.ties;
  }
}

}  // namespace detail

/// Encodes w (N, K) into codes (N * bytes_for(K) bytes) and scales (N or 1).
///
/// Source: BiBERT section 3.1 (row mean, row scale); BiT section 3.1 (tensor mean and scale). The
/// scale is the mean magnitude of the weights before centering. In a constant row (or tensor)
/// torch.sign gives 0 for every weight; here its scale becomes 0.
template <class Scale, class Center>
encode_report encode(sign<Scale, Center>, matrix_view<const float> w, std::byte* codes,
                     float* scales) {
  encode_report report;
  const detail::means whole = detail::means_of(w);
  for (std::size_t r = 0; r < w.rows; ++r) {
    const detail::means row = detail::means_of({w.row(r), 1, w.cols, w.cols});
    float mean = 0.0F;
    if constexpr (std::is_same_v<Center, center::row>) mean = static_cast<float>(row.value);
    if constexpr (std::is_same_v<Center, center::tensor>) mean = static_cast<float>(whole.value);
    encode_report ties;
    detail::encode_sign_row(w.row(r), w.cols, mean, codes + r * bytes_for(w.cols), ties);
    if constexpr (std::is_same_v<Scale, scale::row>) {
      const bool constant = ties.ties == w.cols;
      scales[r] = constant ? 0.0F : static_cast<float>(row.magnitude);
      report.ties += constant ? 0 : ties.ties;
    } else {
      report.ties += ties.ties;
    }
  }
  if constexpr (std::is_same_v<Scale, scale::tensor>) {
    const bool constant = report.ties == w.rows * w.cols;
    scales[0] = constant ? 0.0F : static_cast<float>(whole.magnitude);
    if (constant) report.ties = 0;
  }
  return report;
}

/// Decodes one row into out (K): the values used in products.
inline void decode_sign_row(const std::byte* codes, float row_scale, std::size_t k, float* out) {
  for (std::size_t j = 0; j < k; ++j) {
    const bool negative = (codes[j / 8] & static_cast<std::byte>(1U << (j % 8))) != std::byte{0};
    out[j] = negative ? -row_scale : row_scale;
  }
}

#if LOWBIT_HOSTED

/// Encodes to .codes U8 (N, ceil(K / 8)) and .scale F32 [N] or [1].
///
/// Errors: invalid_argument naming a non-finite weight
template <class Scale, class Center>
result<encoded_matrix> encode(sign<Scale, Center> codec, matrix_view<const float> w) {
  LOWBIT_TRY(detail::check_finite_weights(w));
  using format = sign<Scale, Center>;
  std::vector<std::byte> codes(w.rows * format::row_bytes(w.cols));
  std::vector<float> scales(format::scales(w.rows, w.cols));
  encoded_matrix out;
  out.report = encode(codec, w, codes.data(), scales.data());
  out.add(".codes", element_type::u8, {w.rows, format::row_bytes(w.cols)}, codes);
  out.add(".scale", element_type::f32, {scales.size()}, scales);
  return out;
}

/// Copies the matrix, F32 (N, K).
///
/// Errors: invalid_argument naming a non-finite weight
inline result<encoded_matrix> encode(f32, matrix_view<const float> w) {
  LOWBIT_TRY(detail::check_finite_weights(w));
  std::vector<float> values;
  values.reserve(w.rows * w.cols);
  for (std::size_t r = 0; r < w.rows; ++r) values.insert(values.end(), w.row(r), w.row(r) + w.cols);
  encoded_matrix out;
  out.add("", element_type::f32, {w.rows, w.cols}, values);
  return out;
}

#endif

}  // namespace lowbit::inline LOWBIT_ISA
