// SPDX-License-Identifier: Apache-2.0
// Ops define what a matrix product multiplies and sums, not how. A kernel computes a count (a
// popcount, a sum); term() and finish() turn it into the dot product, so an epilogue always sees
// the true integer (docs/numerics.md#products).
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
  static constexpr std::size_t panel_elements(std::size_t k, std::size_t nr) { return k * nr; }
};

/// f32 x 4-bit codes, each an index into a table of 16 floats, accumulated like mul_add. A panel
/// starts with its table.
struct lookup_mul_add {
  using activation = float;
  using weight = std::byte;
  using accumulator = float;
  static constexpr const char* name = "f32 x table";
  static constexpr std::size_t bits = 4;
  static constexpr std::size_t table_bytes = 16 * sizeof(float);
  static constexpr std::size_t depth = 1;  // k per unit
  static constexpr std::size_t units(std::size_t k) { return k; }
  static constexpr std::size_t panel_elements(std::size_t k, std::size_t nr) {
    return table_bytes + round_up(k * nr / 2, buffer_alignment);
  }
};

/// f32 x encoded floats: a block of a panel is decoded, including outliers, and multiplied like
/// mul_add. The encoding is chosen at run time (pack/decoded_panels.hpp).
struct decoded_mul_add {
  using activation = float;
  using weight = std::byte;
  using accumulator = float;
  static constexpr const char* name = "f32 x decoded";
  static constexpr std::size_t block_units = 64;  // units decoded at a time
  static constexpr std::size_t block_rows = 64;   // rows of activations per decoded block
  static constexpr std::size_t units(std::size_t k) { return k; }
};

/// Four int8 codes, k ascending: what one lane of a byte product reads from an activation row.
struct alignas(4) quad {
  std::int8_t code[4];
};

/// int8 x codes of `Bits` bits that decode to int8: n = sum a_k value(w_k), exact in 32 bits for K
/// < 2^17. Bits 8: the value itself; 4: an index into the table of 16 at the start of the panel; 1:
/// one of two values. A kernel may store value + offset to make it unsigned; the offset is
/// subtracted using the row's sum of codes.
template <std::size_t Bits>
struct code_dot {
  static_assert(Bits == 8 || Bits == 4 || Bits == 1);
  using activation = quad;
  using weight = std::byte;
  using accumulator = std::int32_t;
  static constexpr const char* name = Bits == 8   ? "int8"
                                      : Bits == 4 ? "int8 x 4-bit codes"
                                                  : "int8 x 1-bit codes";
  static constexpr std::size_t bits = Bits;
  static constexpr std::size_t table_bytes = Bits == 8 ? 0 : buffer_alignment;
  static constexpr std::size_t depth = 4;
  static constexpr std::size_t units(std::size_t k) { return ceil_div(k, depth); }
  static constexpr std::size_t panel_elements(std::size_t k, std::size_t nr) {
    return table_bytes + round_up(units(k) * nr * depth * Bits / 8, buffer_alignment);
  }
  template <class Lanes>
  static LOWBIT_INLINE Lanes finish(Lanes sum, Lanes term) {
    return sum + term;
  }
};

/// int8 x codes of `Bits` bits with one scale per output and group of columns. The dot product d_g
/// of a group is an exact integer; groups are summed in f32, in order:
///   acc = fma(float(d_g), scale_g, acc), from 0
/// Bits 8: the value itself; 4: the value + 8. A panel is one stream (pack/group_panels.hpp):
///   [units of a whole group] then per group [scale of each output] [correction of each] [codes]
/// A kernel may multiply by activation code + offset to make it unsigned; the correction, -offset x
/// the sum of the group's values, cancels this.
template <std::size_t Bits>
struct group_dot {
  static_assert(Bits == 8 || Bits == 4);
  using activation = quad;
  using weight = std::byte;
  using accumulator = float;
  static constexpr const char* name = Bits == 8 ? "int8, groups" : "int8 x 4-bit codes, groups";
  static constexpr std::size_t bits = Bits;
  static constexpr std::size_t depth = 4;
  static constexpr std::size_t header_bytes = buffer_alignment;
  static constexpr std::size_t longest_group = 1024;  // |d_g| < 2^24: float(d_g) is exact
  static constexpr std::int8_t least = Bits == 8 ? -127 : -8;
  static constexpr std::int8_t largest = Bits == 8 ? 127 : 7;
  static constexpr std::size_t units(std::size_t k) { return ceil_div(k, depth); }
  static constexpr std::size_t unit_bytes(std::size_t nr) { return nr * depth * Bits / 8; }
  static constexpr std::size_t scale_bytes(std::size_t nr) {  // scales and corrections of one group
    return nr * (sizeof(float) + sizeof(std::int32_t));
  }
  /// group: columns per group, a multiple of 4; 0: all.
  static constexpr std::size_t panel_elements(std::size_t k, std::size_t nr,
                                              std::size_t group = 0) {
    const std::size_t groups = group == 0 ? 1 : ceil_div(k, group);
    return header_bytes +
           round_up(groups * scale_bytes(nr) + units(k) * unit_bytes(nr), buffer_alignment);
  }
};

/// True if the scales are in the panels rather than the epilogue.
template <class Op>
inline constexpr bool is_group_dot = false;
template <std::size_t Bits>
inline constexpr bool is_group_dot<group_dot<Bits>> = true;

/// True if the weights of an op are codes that a kernel stores in its own bit order.
template <class Op>
inline constexpr bool has_coded_weights = std::is_same_v<typename Op::weight, std::byte>;

/// What the one-bit products share: K/64 words per row, a count per output, and n = term - 2 count.
/// An op gives combine(a, w), whose ones are counted, for words and for vectors of words alike.
struct counting_op {
  using weight = word;
  using accumulator = std::int32_t;
  static constexpr bool counts_row = false;  ///< whether term() reads the ones of the row
  static constexpr std::size_t units(std::size_t k) { return words_for(k); }
  static constexpr std::size_t panel_elements(std::size_t k, std::size_t nr) {
    return words_for(k) * nr;
  }
  template <class Lanes>
  static LOWBIT_INLINE Lanes finish(Lanes count, Lanes term) {
    return term - twice(count);
  }
};

/// {-1,1} x {-1,1}: n = K - 2 popcount(a ^ w). XNOR-Net, equation 4, with bit 1 for -1.
struct xor_popcount : counting_op {
  using activation = word;
  static constexpr const char* name = "b1s";
  template <class Words>
  static LOWBIT_INLINE constexpr Words combine(Words a, Words w) {
    return a ^ w;
  }
  static constexpr std::int32_t term(std::size_t k, std::int32_t) {
    return static_cast<std::int32_t>(k);
  }
};

/// {0,1} x {-1,1}, the bitwise-affine product of BiBERT's Bi-Attention: n = popcount(a) - 2
/// popcount(a & w).
struct and_popcount : counting_op {
  using activation = word;
  static constexpr const char* name = "b1u";
  static constexpr bool counts_row = true;
  template <class Words>
  static LOWBIT_INLINE constexpr Words combine(Words a, Words w) {
    return a & w;
  }
  static constexpr std::int32_t term(std::size_t, std::int32_t row_count) { return row_count; }
};

/// {-1,0,1} x {-1,1}: n = popcount(nonzero) - 2 popcount((sign ^ w) & nonzero).
struct ternary_popcount : counting_op {
  using activation = trit_word;
  static constexpr const char* name = "t2";
  static constexpr bool counts_row = true;
  template <class Trits, class Words>
  static LOWBIT_INLINE constexpr Words combine(const Trits& a, Words w) {
    return (a.sign ^ w) & a.nonzero;
  }
  static constexpr std::int32_t term(std::size_t, std::int32_t row_count) { return row_count; }
};

/// Bit planes of 64 codes of `Bits` bits: one word per plane; plane 0 has weight 1.
template <std::size_t Bits>
struct plane_words {
  word plane[Bits];
};

/// Codes of Bits bits x {-1,1}: a = sum_r c_r a_r, c_r = 2^r, except that the top plane of a signed
/// code (two's complement) has weight -2^(Bits - 1); n = sum a - 2 sum_r c_r popcount(a_r & w). The
/// count is summed from the top plane down and doubled between planes.
template <std::size_t Bits, bool Signed>
struct plane_popcount : counting_op {
  static_assert(Bits >= 2 && Bits <= 8);
  using activation = plane_words<Bits>;
  static constexpr const char* name = Signed ? "signed planes" : "unsigned planes";
  static constexpr std::size_t planes = Bits;
  static constexpr bool is_signed = Signed;
  static constexpr std::int32_t term(std::size_t, std::int32_t row_sum) { return row_sum; }
};

/// The left operand of a product: M rows of K encoded activations.
template <class Op>
struct activation_rows {
  matrix_view<const typename Op::activation> units;  // (M, Op::units(k))
  std::size_t k = 0;                                 // true K
  const std::int32_t* row_counts =
      nullptr;  // (M) number of ones or nonzeros, or sum of codes, for ops whose term needs it
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
