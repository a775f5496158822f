// SPDX-License-Identifier: Apache-2.0
// Comparers: an empty string means equal, otherwise it names the first difference. Exact comparers
// compare bits; bounded ones fail on !(diff <= bound), so a NaN on either side is a difference.
// tests/support/compare_test.cpp shows that each can fail.
#pragma once

#include <cmath>
#include <cstring>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "guarded.hpp"
#include "lowbit/tensor/matrix_view.hpp"

namespace lowbit_test {

using lowbit::matrix_view;

template <class T>
[[nodiscard]] bool same_bits(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return false;
  }
  return std::memcmp(&a, &b, sizeof a) == 0;
}

template <class T>
[[nodiscard]] std::string at_position(std::size_t m, std::size_t n, const T& actual,
                                      const T& expected) {
  std::ostringstream text;
  text.precision(9);
  text << '(' << m << ", " << n << "): ";
  if constexpr (std::is_arithmetic_v<T>) {
    text << +actual << ", expected " << +expected;
  } else {
    text << "other bits than expected";
  }
  return text.str();
}

/// The first element whose bits differ.
template <class T>
[[nodiscard]] std::string difference(matrix_view<const T> actual, matrix_view<const T> expected) {
  if (actual.rows != expected.rows || actual.cols != expected.cols) return "other extents";
  for (std::size_t m = 0; m < actual.rows; ++m) {
    for (std::size_t n = 0; n < actual.cols; ++n) {
      if (!same_bits(actual(m, n), expected(m, n))) {
        return at_position(m, n, actual(m, n), expected(m, n));
      }
    }
  }
  return {};
}
template <class T>
[[nodiscard]] std::string difference(const std::vector<T>& actual, const std::vector<T>& expected) {
  return difference<T>({actual.data(), 1, actual.size(), actual.size()},
                       {expected.data(), 1, expected.size(), expected.size()});
}

/// The first element further than `bound` from the expected value.
template <class T>
[[nodiscard]] std::string farther_than(double bound, matrix_view<const T> actual,
                                       matrix_view<const T> expected) {
  if (actual.rows != expected.rows || actual.cols != expected.cols) return "other extents";
  for (std::size_t m = 0; m < actual.rows; ++m) {
    for (std::size_t n = 0; n < actual.cols; ++n) {
      const double diff =
          std::abs(static_cast<double>(actual(m, n)) - static_cast<double>(expected(m, n)));
      if (!(diff <= bound)) return at_position(m, n, actual(m, n), expected(m, n));
    }
  }
  return {};
}
template <class T>
[[nodiscard]] std::string farther_than(double bound, const std::vector<T>& actual,
                                       const std::vector<T>& expected) {
  return farther_than<T>(bound, {actual.data(), 1, actual.size(), actual.size()},
                         {expected.data(), 1, expected.size(), expected.size()});
}

/// An output matrix with a canary row in front, canaries in the gap after each row and a guard page
/// right after the last row. Only the first `writable` columns of each row may change.
template <class T>
class canary_matrix {
 public:
  canary_matrix(std::size_t rows, std::size_t cols, std::size_t stride, std::size_t writable)
      : rows_(rows),
        cols_(cols),
        stride_(stride),
        writable_(writable),
        memory_(rows == 0 ? stride : rows * stride + writable, canary) {}
  canary_matrix(std::size_t rows, std::size_t cols, std::size_t stride)
      : canary_matrix(rows, cols, stride, cols) {}

  [[nodiscard]] matrix_view<T> view() const {
    return {memory_.data() + stride_, rows_, cols_, stride_};
  }
  void clear() const {
    for (std::size_t m = 0; m < rows_; ++m) {
      std::memset(static_cast<void*>(view().row(m)), 0, writable_ * sizeof(T));
    }
  }
  /// The first byte outside the writable columns that has changed.
  [[nodiscard]] std::string damage() const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(memory_.data());
    for (std::size_t i = 0; i < memory_.size() * sizeof(T); ++i) {
      const std::size_t element = i / sizeof(T);
      const bool writable = element >= stride_ && element % stride_ < writable_;
      if (!writable && bytes[i] != canary) {
        return "gap of row " + std::to_string(element / stride_) + " was written";
      }
    }
    return {};
  }

 private:
  static constexpr unsigned char canary = 0xA5;
  std::size_t rows_, cols_, stride_, writable_;
  guarded<T> memory_;
};

}  // namespace lowbit_test
