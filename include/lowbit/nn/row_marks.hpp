// SPDX-License-Identifier: Apache-2.0
// Overflow at run time. Weights are finite (checked at load time), but their products can exceed
// float32. Steps that read a whole row anyway (layer norm, activation encoding) mark non-finite
// rows, the steps in between propagate NaN, and the encoder checks the marks after each layer. This
// costs one comparison per row and step, and no non-finite value reaches a result.
#pragma once

#include <cfloat>

#include "lowbit/arch/integer_lanes.hpp"
#include "lowbit/tensor/arena.hpp"

namespace lowbit::inline LOWBIT_ISA {

[[nodiscard]] LOWBIT_INLINE bool is_finite(float value) {
  return value >= -FLT_MAX && value <= FLT_MAX;
}

/// The largest magnitude over all lanes; infinity or NaN if any value is. Compared as integers,
/// which order magnitudes the same way and put NaN above infinity: a float maximum drops NaN.
template <class Arch>
class largest_magnitude {
 public:
  LOWBIT_INLINE void add(f32x16<Arch> v) {
    bits_ = max(bits_, bits_of(v) & i32x16<Arch>::broadcast(INT32_MAX));
  }
  [[nodiscard]] LOWBIT_INLINE float value() const {
    return std::bit_cast<float>(reduce_max(bits_));
  }
  [[nodiscard]] LOWBIT_INLINE bool finite() const {
    return reduce_max(bits_) < std::bit_cast<std::int32_t>(__builtin_inff());
  }

 private:
  i32x16<Arch> bits_ = i32x16<Arch>::broadcast(0);
};

/// One byte per row, set if a value of the row is not finite. Without memory, mark() does nothing,
/// for callers that check the values themselves.
class row_marks {
 public:
  constexpr void plan(arena& memory, std::size_t rows) { marks_ = memory.take<std::uint8_t>(rows); }
  void clear(std::size_t rows) const { std::memset(marks_, 0, rows); }
  [[nodiscard]] row_marks from(std::size_t row) const {
    row_marks rest;
    if (marks_ != nullptr) rest.marks_ = marks_ + row;
    return rest;
  }
  /// Thread-safe; several heads may mark the same row at once.
  void mark(std::size_t row) const {
    if (marks_ != nullptr) __atomic_store_n(marks_ + row, std::uint8_t{1}, __ATOMIC_RELAXED);
  }
  /// The first marked row, or `rows` if there is none.
  [[nodiscard]] std::size_t first(std::size_t rows) const {
    std::size_t r = 0;
    while (r < rows && marks_[r] == 0) ++r;
    return r;
  }

 private:
  std::uint8_t* marks_ = nullptr;  // (T)
};

/// Marks for steps without floats, which cannot overflow.
struct no_row_marks {
  static void clear(std::size_t) {}
  [[nodiscard]] static std::size_t first(std::size_t rows) { return rows; }
};

}  // namespace lowbit::inline LOWBIT_ISA
