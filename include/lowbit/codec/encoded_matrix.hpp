// SPDX-License-Identifier: Apache-2.0
// What encode() returns: the tensors that store a matrix and a report, and what encoders share. An
// encoder gives the same bytes on every machine: integers and doubles in a fixed order, and no
// product that a compiler could fuse into an add with another result.
#pragma once

#include "lowbit/codec/stored_rows.hpp"

#if LOWBIT_HOSTED
#include <charconv>
#include <string>
#include <vector>
#endif

namespace lowbit::inline LOWBIT_ISA {

/// What encoding lost, for the report of a quantization.
struct encode_report {
  /// weights equal to their center: torch.sign gives 0, one bit stores them as +1
  std::size_t ties = 0;
  std::size_t outliers = 0;  ///< weights kept as floats beside the codes (GOBO)
};

#if LOWBIT_HOSTED

/// One tensor to store as NAME + suffix, where NAME is "....weight".
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

/// The nearest integer, halves to even, for |x| < 2^51. x must not be a product that an add could
/// absorb into an fma: a quotient, or a product that is exact.
[[nodiscard]] inline double round_half_even(double x) {
  constexpr double shift = 0x1.8p52;  // the sum has no fraction bits
  return (x + shift) - shift;
}
/// round_half_even(w / s) within -limit..limit; 0 where s is 0.
[[nodiscard]] inline int round_to_step(float w, float s, int limit) {
  if (s == 0.0F) return 0;
  const double bound = limit;
  const double steps = static_cast<double>(w) / static_cast<double>(s);
  if (steps >= bound) return limit;
  return steps <= -bound ? -limit : static_cast<int>(round_half_even(steps));
}

/// The shortest decimal text that reads back as `value`.
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
  std::size_t row = 0;     // of the first weight
  std::size_t column = 0;  // of the first weight
  std::size_t index = 0;   // of the scale
};

/// visit(scale_block) -> status for every scale of w, in the order of the scales.
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
