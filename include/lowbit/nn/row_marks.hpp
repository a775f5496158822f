// SPDX-License-Identifier: Apache-2.0
// Overflow at run time. Weights are finite (checked when they are loaded), but their products can
// leave float32. Steps that read a whole row anyway (layer norm, encoding of activations) mark such
// a row, everything between them passes NaN on, and the encoder looks at the marks after each
// layer: one comparison per row and step, and no value that is not finite becomes an answer.
#pragma once

#include <cfloat>

#include "lowbit/arch/integer_lanes.hpp"
#include "lowbit/tensor/arena.hpp"

namespace lowbit::inline LOWBIT_ISA {

[[nodiscard]] LOWBIT_INLINE bool is_finite(float value) {
  return value >= -FLT_MAX && value <= FLT_MAX;
}

/// The largest magnitude of all lanes seen; infinity or NaN if one of them was. Compared as
/// integers, where magnitudes keep their order and NaN is above infinity: a maximum of floats drops
/// NaN.
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

/// One byte per row of a step, set when a value of the row is not finite. Without memory it marks
/// nothing, for callers that check the values themselves.
class row_marks {
 public:
  constexpr void plan(arena& memory, std::size_t rows) { marks_ = memory.take<std::uint8_t>(rows); }
  void clear(std::size_t rows) const { std::memset(marks_, 0, rows); }
  [[nodiscard]] row_marks from(std::size_t row) const {
    row_marks rest;
    if (marks_ != nullptr) rest.marks_ = marks_ + row;
    return rest;
  }
  /// From any thread; several heads may mark the same row at once.
  void mark(std::size_t row) const {
    if (marks_ != nullptr) __atomic_store_n(marks_ + row, std::uint8_t{1}, __ATOMIC_RELAXED);
  }
  /// The first marked row, else `rows`.
  [[nodiscard]] std::size_t first(std::size_t rows) const {
    std::size_t r = 0;
    while (r < rows && marks_[r] == 0) ++r;
    return r;
  }

 private:
  std::uint8_t* marks_ = nullptr;  // (T)
};

/// The marks of steps without floats, which do not overflow.
struct no_row_marks {
  static void clear(std::size_t) {}
  [[nodiscard]] static std::size_t first(std::size_t rows) { return rows; }
};

}  // namespace lowbit::inline LOWBIT_ISA
