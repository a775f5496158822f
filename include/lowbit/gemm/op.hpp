// SPDX-License-Identifier: Apache-2.0
// Ops: what a matrix product multiplies and sums, without saying how. A kernel counts (a popcount,
// a sum); term() and finish() turn the count into the dot product, so an epilogue always sees the
// true integer (docs/numerics.md#products).
#pragma once

#include "lowbit/arch/simd.hpp"
#include "lowbit/core/bits.hpp"
#include "lowbit/tensor/matrix_view.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// f32 x f32, accumulated over k in order with fma.
struct mul_add {
  using activation = float;
  using weight = float;
  using accumulator = float;
  static constexpr const char* name = "f32";
  static constexpr std::size_t units(std::size_t k) { return k; }
};

/// What the one-bit products share: K/64 words per row, a count per output, and n = term - 2 count.
struct counting_op {
  using weight = word;
  using accumulator = std::int32_t;
  static constexpr std::size_t units(std::size_t k) { return words_for(k); }
  template <class Lanes>
  static LOWBIT_INLINE Lanes finish(Lanes count, Lanes term) {
    return term - twice(count);
  }
};

/// {-1,1} x {-1,1}: n = K - 2 popcount(a ^ w). XNOR-Net, equation 4, with bit 1 for -1.
struct xor_popcount : counting_op {
  using activation = word;
  static constexpr const char* name = "b1s";
  static constexpr word combine(activation a, weight w) { return a ^ w; }
  static constexpr std::int32_t term(std::size_t k, std::int32_t) {
    return static_cast<std::int32_t>(k);
  }
};

/// {0,1} x {-1,1}, the bitwise-affine product of BiBERT's Bi-Attention: n = popcount(a) - 2
/// popcount(a & w).
struct and_popcount : counting_op {
  using activation = word;
  static constexpr const char* name = "b1u";
  static constexpr word combine(activation a, weight w) { return a & w; }
  static constexpr std::int32_t term(std::size_t, std::int32_t row_count) { return row_count; }
};

/// {-1,0,1} x {-1,1}: n = popcount(nonzero) - 2 popcount((sign ^ w) & nonzero).
struct ternary_popcount : counting_op {
  using activation = trit_word;
  static constexpr const char* name = "t2";
  static constexpr word combine(activation a, weight w) { return (a.sign ^ w) & a.nonzero; }
  static constexpr std::int32_t term(std::size_t, std::int32_t row_count) { return row_count; }
};

/// The left operand of a product: M rows of K encoded activations.
template <class Op>
struct activation_rows {
  matrix_view<const typename Op::activation> units;  // (M, Op::units(k))
  std::size_t k = 0;                                 // true K
  const std::int32_t* row_counts =
      nullptr;  // (M) ones or nonzeros, for the ops whose term needs it
};

[[nodiscard]] inline std::int32_t count_ones(const word* row, std::size_t words) {
  int count = 0;
  for (std::size_t u = 0; u < words; ++u) count += std::popcount(row[u]);
  return count;
}
[[nodiscard]] inline std::int32_t count_nonzeros(const trit_word* row, std::size_t words) {
  int count = 0;
  for (std::size_t u = 0; u < words; ++u) count += std::popcount(row[u].nonzero);
  return count;
}

}  // namespace lowbit::inline LOWBIT_ISA
