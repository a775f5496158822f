// SPDX-License-Identifier: Apache-2.0
// The result of encode(), tensors and a report, and helpers shared by encoders. An encoder produces
// the same bytes on every machine: it uses integers and doubles in a fixed order, and no product
// that a compiler could fuse with an add to a different result.
#pragma once

#include "lowbit/codec/stored_rows.hpp"

#if LOWBIT_HOSTED
#include <charconv>
#include <string>
#include <vector>
#endif

namespace lowbit::inline LOWBIT_ISA {

/// Losses of encoding, for the quantization report.
struct encode_report {
  /// weights equal to their center: torch.sign gives 0, one bit stores them as +1
  std::size_t ties = 0;
  std::size_t outliers = 0;  ///< weights stored as floats beside the codes (GOBO)
};

#if LOWBIT_HOSTED

/// A tensor to be stored as NAME + suffix, where NAME is "....weight".
struct encoded_tensor {
  std::string suffix;
  element_type type = element_type::u8;
  std::vector<std::size_t> shape;
  std::vector<std::byte> bytes;
};

struct encoded_matrix {
  std::vector<encoded_tensor> tensors;
  encode_report report;

  template <class T>
  void add(std::string suffix, element_type type, std::vector<std::size_t> shape,
           const std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<std::byte> bytes(values.size() * sizeof(T));
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    tensors.push_back({std::move(suffix), type, std::move(shape), std::move(bytes)});
  }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = 0;
    for (const encoded_tensor& t : tensors) sum += t.bytes.size();
    return sum;
  }
};

namespace detail {

/// Rounds to the nearest integer, ties to even, for |x| < 2^51. x must not be an inexact product,
/// which a compiler could fuse with the add into an fma; a quotient or an exact product is fine.
[[nodiscard]] inline double round_half_even(double x) {
  constexpr double shift = 0x1.8p52;  // the sum has no fraction bits
  return (x + shift) - shift;
}
/// round_half_even(w / s) clamped to [-limit, limit]; 0 if s is 0.
[[nodiscard]] inline int round_to_step(float w, float s, int limit) {
  if (s == 0.0F) return 0;
  const double bound = limit;
  const double steps = static_cast<double>(w) / static_cast<double>(s);
  if (steps >= bound) return limit;
  return steps <= -bound ? -limit : static_cast<int>(round_half_even(steps));
}

/// The shortest decimal text that parses back to `value`.
[[nodiscard]] inline std::string float_text(float value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

inline status bad_weight(std::size_t row, std::size_t column, const std::string& what) {
  return status::error(errc::invalid_argument, "row ", row, " column ", column, " is ", what);
}

inline status check_finite_weights(matrix_view<const float> w) {
  for (std::size_t r = 0; r < w.rows; ++r) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      if (is_finite(w(r, j))) continue;
      return bad_weight(r, j, float_text(w(r, j)) + ", expected a finite number");
    }
  }
  return {};
}

/// The weights that share one scale.
struct scale_block {
  matrix_view<const float> weights;
  std::size_t row = 0;     // row of the first weight
  std::size_t column = 0;  // column of the first weight
  std::size_t index = 0;   // index of the scale
};

/// Calls visit(scale_block) -> status for every scale of w, in scale order.
template <class Scale, class Visit>
status for_each_block(matrix_view<const float> w, Visit visit) {
  std::size_t rows = 1;
  if constexpr (std::is_same_v<Scale, scale::tensor>) rows = w.rows;
  if constexpr (requires { Scale::rows; }) rows = Scale::rows;
  const std::size_t columns = Scale::columns == 0 ? w.cols : Scale::columns;
  std::size_t index = 0;
  for (std::size_t r = 0; r < w.rows; r += rows) {
    for (std::size_t c = 0; c < w.cols; c += columns) {
      const std::size_t tall = w.rows - r < rows ? w.rows - r : rows;
      const std::size_t wide = w.cols - c < columns ? w.cols - c : columns;
      LOWBIT_TRY(visit(scale_block{{w.row(r) + c, tall, wide, w.stride}, r, c, index++}));
    }
  }
  return {};
}

[[nodiscard]] inline float largest_magnitude(matrix_view<const float> w) {
  float largest = 0.0F;
  for (std::size_t r = 0; r < w.rows; ++r) {
    for (std::size_t j = 0; j < w.cols; ++j) {
      const float magnitude = w(r, j) < 0.0F ? -w(r, j) : w(r, j);
      if (magnitude > largest) largest = magnitude;
    }
  }
  return largest;
}

/// The shape of NAME.scale.
template <class Scale>
[[nodiscard]] std::vector<std::size_t> scale_shape(std::size_t n, std::size_t k) {
  if constexpr (Scale::columns == 0) return {Scale::count(n, k)};
  return {n, ceil_div(k, Scale::columns)};
}

}  // namespace detail

#endif

}  // namespace lowbit::inline LOWBIT_ISA
