// SPDX-License-Identifier: Apache-2.0
// Elements of a tensor inside a larger array of elements, as PyTorch describes them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "lowbit/core/bits.hpp"
#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Where a tensor's elements lie in a storage; all numbers count elements.
struct strided_elements {
  static constexpr std::size_t dimensions = 8;
  std::size_t first = 0;
  std::vector<std::size_t> shape;
  std::vector<std::size_t> strides;

  /// Extents of 1 may have any stride.
  [[nodiscard]] bool contiguous() const {
    std::size_t expected = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      if (shape[i] != 1 && strides[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }
  /// One more than the last element, or nullopt on overflow. No extent is 0.
  [[nodiscard]] std::optional<std::size_t> end() const {
    std::size_t last = first;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      std::size_t step = 0;
      if (!checked_multiply(shape[i] - 1, strides[i], step) ||
          __builtin_add_overflow(last, step, &last))
        return std::nullopt;
    }
    return last == SIZE_MAX ? std::nullopt : std::optional(last + 1);
  }
  /// Copies the elements in row-major order. No extent is 0.
  void copy(std::span<const std::byte> storage, std::size_t element,
            std::span<std::byte> out) const {
    std::array<std::size_t, dimensions> index{};
    std::size_t from = first;
    for (std::size_t at = 0; at < out.size(); at += element) {
      std::memcpy(out.data() + at, storage.data() + from * element, element);
      for (std::size_t i = shape.size(); i-- > 0;) {
        from += strides[i];
        if (++index[i] < shape[i]) break;
        from -= strides[i] * shape[i];
        index[i] = 0;
      }
    }
  }
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
