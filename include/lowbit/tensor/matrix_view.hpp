// SPDX-License-Identifier: Apache-2.0
// Non-owning matrix and vector views. Rows are always contiguous. Plain data, outside the per-ISA
// namespaces.
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

/// A vector of `count` values, one per output channel.
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

/// Row stride in elements of a float matrix with `cols` columns: a multiple of the vector width,
/// but never of 1 KiB, so that the rows of a register tile do not all map to the same cache set.
[[nodiscard]] constexpr std::size_t float_stride(std::size_t cols) {
  const std::size_t stride = round_up(cols, virtual_lanes);
  return stride % 256 == 0 ? stride + virtual_lanes : stride;
}

}  // namespace LOWBIT_ISA
}  // namespace lowbit
