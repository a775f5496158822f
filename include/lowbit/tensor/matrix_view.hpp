// SPDX-License-Identifier: Apache-2.0
// Borrowed matrices. A view is a pointer and three sizes; it never owns, and a row is always
// contiguous. Plain data outside the namespaces of instruction sets.
#pragma once

#include "lowbit/core/bits.hpp"
#include "lowbit/core/config.hpp"

namespace lowbit {

/// A (rows, cols) matrix of T whose rows start `stride` elements apart.
template <class T>
struct matrix_view {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;

  [[nodiscard]] LOWBIT_INLINE constexpr T* row(std::size_t m) const { return data + m * stride; }
  [[nodiscard]] LOWBIT_INLINE constexpr T& operator()(std::size_t m, std::size_t n) const {
    return row(m)[n];
  }
  /// Rows [begin, begin + count).
  [[nodiscard]] LOWBIT_INLINE constexpr matrix_view rows_from(std::size_t begin,
                                                              std::size_t count) const {
    return {row(begin), count, cols, stride};
  }
  [[nodiscard]] LOWBIT_INLINE constexpr operator matrix_view<const T>() const {
    return {data, rows, cols, stride};
  }
};

/// `count` values, one per output channel.
template <class T>
struct vector_view {
  T* data = nullptr;
  std::size_t count = 0;
  [[nodiscard]] LOWBIT_INLINE constexpr T& operator[](std::size_t n) const { return data[n]; }
  [[nodiscard]] LOWBIT_INLINE constexpr operator vector_view<const T>() const {
    return {data, count};
  }
};

inline namespace LOWBIT_ISA {

/// Elements between rows of a float matrix of `cols`: whole vectors, and never a multiple of 1 KiB,
/// so that the rows of one register tile do not all fall into the same cache set.
[[nodiscard]] constexpr std::size_t float_stride(std::size_t cols) {
  const std::size_t stride = round_up(cols, virtual_lanes);
  return stride % 256 == 0 ? stride + virtual_lanes : stride;
}

}  // namespace LOWBIT_ISA
}  // namespace lowbit
