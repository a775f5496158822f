// SPDX-License-Identifier: Apache-2.0
// f32x16 and i32x16: the 16 virtual lanes in which all float arithmetic of this library is defined
// (docs/numerics.md#lanes). One AVX-512 register, two AVX2 registers, four NEON registers or
// sixteen scalars hold the same lanes and compute the same bits: every operation is correctly
// rounded or exact, and a multiply that feeds an add is always an explicit fma, so a compiler has
// nothing to contract.
#pragma once

#include <cstring>
#include <utility>

// The operations of every arch that has its own file (arch_ops.hpp).
#include "lowbit/arch/avx2.hpp"
#include "lowbit/arch/avx512.hpp"
#include "lowbit/arch/neon.hpp"
#include "lowbit/arch/scalar.hpp"

namespace lowbit::inline LOWBIT_ISA {

using lane_mask = std::uint16_t;  ///< bit i: lane i

/// A mask of sixteen lanes in the arch's own format, so that select() can use a comparison result
/// directly. It is converted to bits only where it is stored.
template <class Arch>
struct mask16 {
  using ops = arch_ops<Arch>;
  static constexpr std::size_t parts = virtual_lanes / ops::width;
  using sequence = std::make_index_sequence<parts>;
  typename ops::mask part[parts];

  template <class F, std::size_t... P>
  static LOWBIT_INLINE mask16 each(F f, std::index_sequence<P...>) {
    return {{f(P)...}};
  }
  static LOWBIT_INLINE mask16 from_bits(lane_mask bits) {
    return each(
        [&](std::size_t n) {
          return ops::mask_of((std::uint32_t{bits} >> (n * ops::width)) &
                              ((1U << ops::width) - 1U));
        },
        sequence{});
  }
  LOWBIT_INLINE operator lane_mask() const {
    return [&]<std::size_t... P>(std::index_sequence<P...>) {
      return static_cast<lane_mask>(((ops::mask_bits(part[P]) << (P * ops::width)) | ...));
    }
    (sequence{});
  }
};

/// Sixteen 32-bit integers, such as the accumulators that an epilogue reads.
template <class Arch>
struct i32x16 {
  using ops = arch_ops<Arch>;
  static constexpr std::size_t parts = virtual_lanes / ops::width;
  using sequence = std::make_index_sequence<parts>;
  typename ops::i part[parts];

  template <class F, std::size_t... P>
  static LOWBIT_INLINE i32x16 each(F f, std::index_sequence<P...>) {
    return {{f(P)...}};
  }
  static LOWBIT_INLINE i32x16 load(const std::int32_t* p) {
    return each([&](std::size_t n) { return ops::load(p + n * ops::width); }, sequence{});
  }
  static LOWBIT_INLINE i32x16 broadcast(std::int32_t v) {
    return each([&](std::size_t) { return ops::broadcast(v); }, sequence{});
  }
  /// Loads the first n lanes from p and zeros the others; never reads past p[n - 1].
  static LOWBIT_INLINE i32x16 load_first(const std::int32_t* p, std::size_t n) {
    std::int32_t lanes[virtual_lanes] = {};
    std::memcpy(lanes, p, n * sizeof *p);
    return load(lanes);
  }
  LOWBIT_INLINE void store(std::int32_t* p) const {
    [&]<std::size_t... P>(std::index_sequence<P...>) {
      (ops::store(p + P * ops::width, part[P]), ...);
    }
    (sequence{});
  }
  /// Stores the low byte of every lane.
  LOWBIT_INLINE void store_low_bytes(std::int8_t* p) const {
    [&]<std::size_t... P>(std::index_sequence<P...>) {
      (ops::store_low_bytes(p + P * ops::width, part[P]), ...);
    }
    (sequence{});
  }
  friend LOWBIT_INLINE i32x16 operator+(i32x16 a, i32x16 b) {
    return each([&](std::size_t n) { return ops::add(a.part[n], b.part[n]); }, sequence{});
  }
  friend LOWBIT_INLINE i32x16 operator-(i32x16 a, i32x16 b) {
    return each([&](std::size_t n) { return ops::subtract(a.part[n], b.part[n]); }, sequence{});
  }
  friend LOWBIT_INLINE i32x16 operator&(i32x16 a, i32x16 b) {
    return each([&](std::size_t n) { return ops::bit_and(a.part[n], b.part[n]); }, sequence{});
  }
  friend LOWBIT_INLINE i32x16 operator|(i32x16 a, i32x16 b) {
    return each([&](std::size_t n) { return ops::bit_or(a.part[n], b.part[n]); }, sequence{});
  }
  /// Moves the low bits of an integer into the exponent field of a float.
  friend LOWBIT_INLINE i32x16 exponent_shift(i32x16 a) {
    return each([&](std::size_t n) { return ops::template shift_left<23>(a.part[n]); }, sequence{});
  }
  friend LOWBIT_INLINE i32x16 twice(i32x16 a) {
    return each([&](std::size_t n) { return ops::template shift_left<1>(a.part[n]); }, sequence{});
  }
  /// Lanes where a < b.
  friend LOWBIT_INLINE mask16<Arch> less(i32x16 a, i32x16 b) {
    return mask16<Arch>::each([&](std::size_t n) { return ops::less(a.part[n], b.part[n]); },
                              sequence{});
  }
};

/// Sixteen floats.
template <class Arch>
struct f32x16 {
  using ops = arch_ops<Arch>;
  using arch = Arch;
  static constexpr std::size_t parts = virtual_lanes / ops::width;
  using sequence = std::make_index_sequence<parts>;
  typename ops::f part[parts];

  template <class F, std::size_t... P>
  static LOWBIT_INLINE f32x16 each(F f, std::index_sequence<P...>) {
    return {{f(P)...}};
  }
  static LOWBIT_INLINE f32x16 load(const float* p) {
    return each([&](std::size_t n) { return ops::load(p + n * ops::width); }, sequence{});
  }
  static LOWBIT_INLINE f32x16 broadcast(float v) {
    return each([&](std::size_t) { return ops::broadcast(v); }, sequence{});
  }
  /// Loads the first n lanes from p and sets the others to `fill`; never reads past p[n - 1].
  static LOWBIT_INLINE f32x16 load_first(const float* p, std::size_t n, float fill = 0.0F) {
    float lanes[virtual_lanes];
    for (float& lane : lanes) lane = fill;
    std::memcpy(lanes, p, n * sizeof *p);
    return load(lanes);
  }
  LOWBIT_INLINE void store(float* p) const {
    [&]<std::size_t... P>(std::index_sequence<P...>) {
      (ops::store(p + P * ops::width, part[P]), ...);
    }
    (sequence{});
  }
  LOWBIT_INLINE void store_first(float* p, std::size_t n) const {
    float lanes[virtual_lanes];
    store(lanes);
    std::memcpy(p, lanes, n * sizeof *p);
  }
  static LOWBIT_INLINE f32x16 from(i32x16<Arch> v) {
    return each([&](std::size_t n) { return ops::to_float(v.part[n]); }, sequence{});
  }
  static LOWBIT_INLINE f32x16 from_bits(i32x16<Arch> v) {
    return each([&](std::size_t n) { return ops::as_float(v.part[n]); }, sequence{});
  }
  friend LOWBIT_INLINE i32x16<Arch> bits_of(f32x16 v) {
    return i32x16<Arch>::each([&](std::size_t n) { return ops::as_int(v.part[n]); }, sequence{});
  }
  friend LOWBIT_INLINE f32x16 operator+(f32x16 a, f32x16 b) {
    return each([&](std::size_t n) { return a.part[n] + b.part[n]; }, sequence{});
  }
  friend LOWBIT_INLINE f32x16 operator-(f32x16 a, f32x16 b) {
    return each([&](std::size_t n) { return a.part[n] - b.part[n]; }, sequence{});
  }
  friend LOWBIT_INLINE f32x16 operator*(f32x16 a, f32x16 b) {
    return each([&](std::size_t n) { return a.part[n] * b.part[n]; }, sequence{});
  }
  friend LOWBIT_INLINE f32x16 operator/(f32x16 a, f32x16 b) {
    return each([&](std::size_t n) { return a.part[n] / b.part[n]; }, sequence{});
  }
  /// a * b + c with one rounding.
  friend LOWBIT_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
    return each([&](std::size_t n) { return ops::fma(a.part[n], b.part[n], c.part[n]); },
                sequence{});
  }
  /// Returns b if a or b is NaN or both are zero; min likewise.
  friend LOWBIT_INLINE f32x16 max(f32x16 a, f32x16 b) {
    return each([&](std::size_t n) { return ops::max(a.part[n], b.part[n]); }, sequence{});
  }
  friend LOWBIT_INLINE f32x16 min(f32x16 a, f32x16 b) {
    return each([&](std::size_t n) { return ops::min(a.part[n], b.part[n]); }, sequence{});
  }
  friend LOWBIT_INLINE f32x16 sqrt(f32x16 a) {
    return each([&](std::size_t n) { return ops::sqrt(a.part[n]); }, sequence{});
  }
  /// Lanes where a < b; false for NaN.
  friend LOWBIT_INLINE mask16<Arch> less(f32x16 a, f32x16 b) {
    return mask16<Arch>::each([&](std::size_t n) { return ops::less(a.part[n], b.part[n]); },
                              sequence{});
  }
};

/// True if a register holds one lane. Formulas of layers then run lane by lane in a real loop;
/// unrolling it 16 times would make a scalar program five times as large.
template <class Arch>
inline constexpr bool is_lane_by_lane = arch_ops<Arch>::width == 1;

/// An arch whose f32x16 holds one lane of sixteen: for functions that compute each lane alone, in a
/// loop over lanes.
struct single_lane {
  using fallback = scalar;
  static constexpr bool compiled = true;
  static constexpr const char* name = "scalar";
};
template <>
struct arch_ops<single_lane> : arch_ops<scalar> {
  static constexpr std::size_t width = virtual_lanes;
};

/// Lane i of a if lane i of the mask is set, otherwise lane i of b.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE f32x16<Arch> select(mask16<Arch> mask, f32x16<Arch> a, f32x16<Arch> b) {
  return f32x16<Arch>::each(
      [&](std::size_t n) { return arch_ops<Arch>::select(mask.part[n], a.part[n], b.part[n]); },
      typename f32x16<Arch>::sequence{});
}
template <class Arch>
[[nodiscard]] LOWBIT_INLINE f32x16<Arch> select(lane_mask bits, f32x16<Arch> a, f32x16<Arch> b) {
  return select(mask16<Arch>::from_bits(bits), a, b);
}

/// x * scale rounded once to the nearest integer, half to even; requires |x * scale| < 2^22.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> round_product(f32x16<Arch> x, f32x16<Arch> scale) {
  constexpr float shifter = 12582912.0F;  // 1.5 * 2^23: the low bits of the sum are the integer
  constexpr std::int32_t bits = 0x4B400000;
  return bits_of(fma(x, scale, f32x16<Arch>::broadcast(shifter))) - i32x16<Arch>::broadcast(bits);
}

/// Every reduction ends with this fixed tree: fold halves of 8, 4, 2, 1 lanes.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE float reduce_add(f32x16<Arch> v) {
  float lane[virtual_lanes];
  v.store(lane);
  for (std::size_t half = virtual_lanes / 2; half != 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) lane[j] += lane[j + half];
  }
  return lane[0];
}
template <class Arch>
[[nodiscard]] LOWBIT_INLINE std::int32_t reduce_add(i32x16<Arch> v) {
  std::int32_t lane[virtual_lanes];
  v.store(lane);
  std::int32_t sum = 0;
  for (const std::int32_t l : lane) sum += l;
  return sum;
}
template <class Arch>
[[nodiscard]] LOWBIT_INLINE float reduce_max(f32x16<Arch> v) {
  float lane[virtual_lanes];
  v.store(lane);
  for (std::size_t half = virtual_lanes / 2; half != 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j)
      lane[j] = lane[j] > lane[j + half] ? lane[j] : lane[j + half];
  }
  return lane[0];
}

}  // namespace lowbit::inline LOWBIT_ISA
