// SPDX-License-Identifier: Apache-2.0
// Sinks that turn an integer accumulator into bits. If only the sign of alpha * n + b is needed,
// the whole epilogue is one integer compare (docs/numerics.md#thresholds):
//   alpha * n + b >= 0   <=>   n >= t
// t is found at load time by evaluating the float expression itself, so the comparison is exact.
#pragma once

#include "lowbit/core/bits.hpp"
#include "lowbit/epilogue/stage.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// One threshold for all outputs.
struct constant_threshold {
  std::int32_t value;
  template <class Arch>
  LOWBIT_INLINE i32x16<Arch> lanes(std::size_t, std::size_t) const {
    return i32x16<Arch>::broadcast(value);
  }
};
/// One threshold per output channel (column).
struct channel_threshold {
  vector_view<const std::int32_t> values;  // (N)
  template <class Arch, class Column>
  LOWBIT_INLINE i32x16<Arch> lanes(std::size_t, Column col) const {
    return load_channels<Arch>(values, col);
  }
};
/// Which comparison sets the bit: a sign row marks n < t (the value -1), a {0,1} row marks n >= t
/// (the value 1).
enum class bit_marks { below, at_least };

/// Writes 16 or fewer bits at [begin, begin + count). Aligned 16-bit groups are overwritten; others
/// are ORed into a row, which must be zero there.
LOWBIT_INLINE void write_bits(word* row, std::size_t begin, std::size_t count, lane_mask mask) {
  if (begin % virtual_lanes == 0) {
    std::memcpy(reinterpret_cast<std::byte*>(row) + begin / 8, &mask, sizeof mask);
  } else {
    deposit_bits(row, begin, count, mask);
  }
}

/// Sink: bit (row, first_bit + col) = n below / at least the threshold, for col < cols.
/// Requires: cleared pad words in every row; fully cleared rows if first_bit is not a multiple of
/// 16
template <bit_marks Marks, class Threshold>
struct to_bits : epilogue_stage {
  matrix_view<word> out;  // (M, words)
  std::size_t cols;       // N, the outputs of this product
  std::size_t first_bit;
  Threshold threshold;
  constexpr to_bits(matrix_view<word> rows, std::size_t n, Threshold t, std::size_t first = 0)
      : out(rows), cols(n), first_bit(first), threshold(t) {}

  template <class Arch, class Column>
  LOWBIT_INLINE void operator()(i32x16<Arch> n, std::size_t row, Column col) const {
    const std::size_t count = lanes_at(col, cols);
    if (count == 0) return;
    lane_mask mask = less(n, threshold.template lanes<Arch>(row, col));
    if constexpr (Marks == bit_marks::at_least) mask = static_cast<lane_mask>(~mask);
    mask = static_cast<lane_mask>(mask & low_mask(count));
    write_bits(out.row(row), first_bit + col, count, mask);
  }
};
template <bit_marks Marks, class Threshold>
[[nodiscard]] constexpr to_bits<Marks, Threshold> make_to_bits(matrix_view<word> out,
                                                               std::size_t cols, Threshold t,
                                                               std::size_t first_bit = 0) {
  return {out, cols, t, first_bit};
}

/// Sink: the sign of n as {-1, 0, 1}, which keeps the zeros of torch.sign.
/// Requires: cleared rows
struct to_trits : epilogue_stage {
  matrix_view<trit_word> out;  // (M, words)
  std::size_t cols;
  std::size_t first_bit;
  constexpr to_trits(matrix_view<trit_word> rows, std::size_t n, std::size_t first)
      : out(rows), cols(n), first_bit(first) {}

  template <class Arch, class Column>
  LOWBIT_INLINE void operator()(i32x16<Arch> n, std::size_t row, Column col) const {
    const std::size_t count = lanes_at(col, cols);
    if (count == 0) return;
    const auto zero = i32x16<Arch>::broadcast(0);
    const word negative = less(n, zero) & low_mask(count);
    const word nonzero = negative | (less(zero, n) & low_mask(count));
    trit_word* at = out.row(row) + (first_bit + col) / word_bits;
    const std::size_t shift = (first_bit + col) % word_bits;
    at[0].sign |= negative << shift;
    at[0].nonzero |= nonzero << shift;
    if (shift + count > word_bits) {
      at[1].sign |= negative >> (word_bits - shift);
      at[1].nonzero |= nonzero >> (word_bits - shift);
    }
  }
};

/// The smallest n in [lo, hi] with predicate(n), or hi + 1; predicate must be monotonic, false then
/// true. Callers pass the float expression that the threshold replaces, so both agree exactly.
template <class Predicate>
[[nodiscard]] constexpr std::int32_t first_true(std::int32_t lo, std::int32_t hi,
                                                Predicate predicate) {
  while (lo <= hi) {
    const std::int32_t middle = lo + (hi - lo) / 2;
    if (predicate(middle)) {
      hi = middle - 1;
    } else {
      lo = middle + 1;
    }
  }
  return lo;
}

}  // namespace lowbit::inline LOWBIT_ISA
