// SPDX-License-Identifier: Apache-2.0
// The scalar arch: one lane per register, plain C++.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>

#include "lowbit/arch/arch_ops.hpp"
#include "lowbit/core/fma.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <>
struct arch_ops<scalar> {
  using f = float;
  using i = std::int32_t;
  using mask = bool;
  static constexpr std::size_t width = 1;

  // Floats.
  static f load(const float* p) {  // stored floats need not be aligned
    f v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static void store(float* p, f v) { *p = v; }
  static f broadcast(float v) { return v; }
  static f fma(f a, f b, f c) { return detail::fma_of_lane(a, b, c); }
  /// Returns b if a or b is NaN or both are zero; min likewise.
  static f max(f a, f b) { return a > b ? a : b; }
  static f min(f a, f b) { return a < b ? a : b; }
  static f sqrt(f a) { return std::sqrt(a); }
  static f to_float(i a) { return static_cast<float>(a); }
  static f as_float(i a) { return std::bit_cast<float>(a); }
  static i as_int(f a) { return std::bit_cast<std::int32_t>(a); }

  // Integers; sums and products wrap around.
  static i load(const std::int32_t* p) { return *p; }
  static void store(std::int32_t* p, i v) { *p = v; }
  static i broadcast(std::int32_t v) { return v; }
  static i add(i a, i b) {
    return static_cast<i>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
  }
  static i subtract(i a, i b) {
    return static_cast<i>(static_cast<std::uint32_t>(a) - static_cast<std::uint32_t>(b));
  }
  static i multiply(i a, i b) {
    return static_cast<i>(static_cast<std::uint32_t>(a) * static_cast<std::uint32_t>(b));
  }
  static i bit_and(i a, i b) { return a & b; }
  static i bit_or(i a, i b) { return a | b; }
  static i max(i a, i b) { return a > b ? a : b; }
  static i min(i a, i b) { return a < b ? a : b; }
  template <int Bits>
  static i shift_left(i a) {
    return static_cast<i>(static_cast<std::uint32_t>(a) << Bits);
  }
  template <int Bits>
  static i shift_right(i a) {
    return a >> Bits;
  }
  static i shift_right(i a, i count) { return a >> count; }
  /// Sign-extend bytes to lanes; store the low byte of each lane.
  static i load_bytes(const std::int8_t* p) { return *p; }
  static void store_low_bytes(std::int8_t* p, i a) { *p = static_cast<std::int8_t>(a); }

  // 64-bit products. wide: partial sums, each over one lane or a pair of lanes.
  using wide = std::int64_t;
  /// The low 32 bits of (a m + 2^(shift - 1)) >> shift, computed in 64 bits.
  static i multiply_shift(i a, i m, i shift) {
    const std::int64_t product = static_cast<std::int64_t>(a) * m;
    return static_cast<i>((product + (std::int64_t{1} << (shift - 1))) >> shift);
  }
  static wide wide_zero() { return 0; }
  static wide add_products(wide sum, i a, i b) { return sum + static_cast<std::int64_t>(a) * b; }
  static std::int64_t total(wide sum) { return sum; }

  // Masks.
  static mask less(f a, f b) { return a < b; }
  static mask less(i a, i b) { return a < b; }
  static f select(mask m, f a, f b) { return m ? a : b; }
  /// Bit n is lane n.
  static std::uint32_t mask_bits(mask m) { return m ? 1U : 0U; }
  static mask mask_of(std::uint32_t bits) { return bits != 0; }

  // Gathers: one load per lane. On Zen 5 this is 1.7 times as fast as the gather instructions (CSR
  // x one row, 768 x 768, November 2026).
  static f gather(const float* base, const std::uint32_t* index) { return base[*index]; }
  /// Four-byte elements of any type.
  static i gather(const std::byte* base, const std::uint32_t* index) {
    i element;
    std::memcpy(&element, base + std::size_t{*index} * sizeof element, sizeof element);
    return element;
  }

  // Quads. prepare_quads() adds quad_offset to activations to make them unsigned; a sum therefore
  // starts at -quad_offset times the sum of the output's weights.
  static constexpr std::int32_t quad_offset = 0;
  static i prepare_quads(i x) { return x; }
  /// sum + the four products of each lane; x comes from prepare_quads().
  static i dot_quads(i sum, i x, i w) {
    struct codes {
      std::int8_t code[4];
    };
    const auto a = std::bit_cast<codes>(x);
    const auto b = std::bit_cast<codes>(w);
    for (std::size_t n = 0; n < 4; ++n) sum += a.code[n] * b.code[n];
    return sum;
  }

  /// out[c * out_stride + r] = rows[r][c] ^ flip for 16 rows of `columns` 32-bit elements, which
  /// may be unaligned. Never reads or writes past the last column.
  LOWBIT_NOINLINE static void transpose_16_rows(const std::byte* const* rows, std::size_t columns,
                                                std::byte* out, std::size_t out_stride,
                                                std::uint32_t flip) {
    transpose_columns(rows, 0, columns, out, out_stride, flip);
  }

 protected:
  /// The scalar loop over columns from c on.
  static LOWBIT_INLINE void transpose_columns(const std::byte* const* rows, std::size_t c,
                                              std::size_t columns, std::byte* out,
                                              std::size_t out_stride, std::uint32_t flip) {
    for (std::size_t left = columns - c; left != 0; --left, ++c) {
      for (std::size_t r = 0; r < 16; ++r) {
        std::uint32_t bits;
        std::memcpy(&bits, rows[r] + c * 4, sizeof bits);
        bits ^= flip;
        std::memcpy(out + (c * out_stride + r) * 4, &bits, sizeof bits);
      }
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
