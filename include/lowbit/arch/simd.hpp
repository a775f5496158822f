// SPDX-License-Identifier: Apache-2.0
// f32x16 and i32x16: the 16 virtual lanes in which all float arithmetic of this library is defined
// (docs/numerics.md#lanes). One AVX-512 register, two AVX2 registers or sixteen scalars hold the
// same lanes and compute the same bits: every operation is correctly rounded or exact, and a
// multiply that feeds an add is always an explicit fma, so a compiler has nothing to contract.
//
// The only include of xsimd. Intrinsics stand where xsimd 8.1 has no portable name (lane masks, bit
// casts of registers).
#pragma once

#include <cmath>
#include <cstring>
#include <utility>

#include "lowbit/arch/tags.hpp"

#if LOWBIT_AVX2
#include <immintrin.h>

#include <xsimd/xsimd.hpp>
#endif

namespace lowbit::inline LOWBIT_ISA {

using lane_mask = std::uint16_t;  ///< bit i: lane i

namespace detail {

/// The registers of one arch: f floats, i 32-bit integers, `width` lanes each.
template <class Arch>
struct lane_ops;

template <>
struct lane_ops<scalar> {
  using f = float;
  using i = std::int32_t;
  static constexpr std::size_t width = 1;
  static f load(const float* p) {  // stored floats need not be aligned
    f v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static void store(float* p, f v) { *p = v; }
  static f broadcast(float v) { return v; }
  static f fma(f a, f b, f c) { return std::fma(a, b, c); }
  static f max(f a, f b) { return a > b ? a : b; }
  static f min(f a, f b) { return a < b ? a : b; }
  static f sqrt(f a) { return std::sqrt(a); }
  static std::uint32_t less(f a, f b) { return a < b ? 1U : 0U; }
  static i load(const std::int32_t* p) { return *p; }
  static void store(std::int32_t* p, i v) { *p = v; }
  static i broadcast(std::int32_t v) { return v; }
  static i add(i a, i b) {
    return static_cast<i>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
  }
  static i subtract(i a, i b) {
    return static_cast<i>(static_cast<std::uint32_t>(a) - static_cast<std::uint32_t>(b));
  }
  static i bit_and(i a, i b) { return a & b; }
  static i bit_or(i a, i b) { return a | b; }
  template <int Bits>
  static i shift_left(i a) {
    return static_cast<i>(static_cast<std::uint32_t>(a) << Bits);
  }
  static f select(std::uint32_t mask, f a, f b) { return mask != 0 ? a : b; }
  static std::uint32_t less(i a, i b) { return a < b ? 1U : 0U; }
  static f to_float(i a) { return static_cast<float>(a); }
  static f as_float(i a) { return std::bit_cast<float>(a); }
  static i as_int(f a) { return std::bit_cast<std::int32_t>(a); }
  static void store_low_bytes(std::int8_t* p, i a) { *p = static_cast<std::int8_t>(a); }
};

#if LOWBIT_AVX2
/// What avx2 and avx512 share: float arithmetic through xsimd.
template <class Batch>
struct xsimd_ops {
  using f = Batch;
  static constexpr std::size_t width = f::size;
  static f load(const float* p) { return f::load_unaligned(p); }
  static void store(float* p, f v) { v.store_unaligned(p); }
  static f broadcast(float v) { return f(v); }
  static f fma(f a, f b, f c) { return xsimd::fma(a, b, c); }
  static f max(f a, f b) { return xsimd::max(a, b); }
  static f min(f a, f b) { return xsimd::min(a, b); }
  static f sqrt(f a) { return xsimd::sqrt(a); }
};

template <>
struct lane_ops<avx2> : xsimd_ops<xsimd::batch<float, xsimd::fma3<xsimd::avx2>>> {
  using i = __m256i;
  using xsimd_ops::broadcast;
  using xsimd_ops::load;
  using xsimd_ops::store;
  static std::uint32_t less(f a, f b) {
    return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ)));
  }
  static i load(const std::int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const i*>(p)); }
  static void store(std::int32_t* p, i v) { _mm256_storeu_si256(reinterpret_cast<i*>(p), v); }
  static i broadcast(std::int32_t v) { return _mm256_set1_epi32(v); }
  static i add(i a, i b) { return _mm256_add_epi32(a, b); }
  static i subtract(i a, i b) { return _mm256_sub_epi32(a, b); }
  static i bit_and(i a, i b) { return _mm256_and_si256(a, b); }
  static i bit_or(i a, i b) { return _mm256_or_si256(a, b); }
  static f select(std::uint32_t mask, f a, f b) {
    const i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const i chosen =
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(mask)), bit), bit);
    return f(_mm256_blendv_ps(b, a, _mm256_castsi256_ps(chosen)));
  }
  template <int Bits>
  static i shift_left(i a) {
    return _mm256_slli_epi32(a, Bits);
  }
  static std::uint32_t less(i a, i b) {
    return static_cast<std::uint32_t>(
        _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(b, a))));
  }
  static f to_float(i a) { return f(_mm256_cvtepi32_ps(a)); }
  static f as_float(i a) { return f(_mm256_castsi256_ps(a)); }
  static i as_int(f a) { return _mm256_castps_si256(a); }
  static void store_low_bytes(std::int8_t* p, i a) {
    const i low = _mm256_shuffle_epi8(
        a, _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8,
                            12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    const i both = _mm256_permutevar8x32_epi32(low, _mm256_setr_epi32(0, 4, 1, 1, 1, 1, 1, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(both));
  }
};
#endif

#if LOWBIT_AVX512
template <>
struct lane_ops<avx512> : xsimd_ops<xsimd::batch<float, xsimd::avx512f>> {
  using i = __m512i;
  // Full masks: gcc 12 warns of the undefined pass-through operand of the unmasked intrinsics (bug
  // 105593).
  static constexpr __mmask16 all = 0xffff;
  using xsimd_ops::broadcast;
  using xsimd_ops::load;
  using xsimd_ops::store;
  // xsimd 8.1 has no AVX-512 fma: its generic one rounds twice.
  static f fma(f a, f b, f c) { return f(_mm512_fmadd_ps(a, b, c)); }
  static f max(f a, f b) { return f(_mm512_maskz_max_ps(all, a, b)); }
  static f min(f a, f b) { return f(_mm512_maskz_min_ps(all, a, b)); }
  static f sqrt(f a) { return f(_mm512_maskz_sqrt_ps(all, a)); }
  static std::uint32_t less(f a, f b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static i load(const std::int32_t* p) { return _mm512_loadu_si512(p); }
  static void store(std::int32_t* p, i v) { _mm512_storeu_si512(p, v); }
  static i broadcast(std::int32_t v) { return _mm512_set1_epi32(v); }
  static i add(i a, i b) { return _mm512_add_epi32(a, b); }
  static i subtract(i a, i b) { return _mm512_sub_epi32(a, b); }
  static i bit_and(i a, i b) { return _mm512_and_si512(a, b); }
  static i bit_or(i a, i b) { return _mm512_or_si512(a, b); }
  static f select(std::uint32_t mask, f a, f b) {
    return f(_mm512_mask_blend_ps(static_cast<__mmask16>(mask), b, a));
  }
  template <int Bits>
  static i shift_left(i a) {
    return _mm512_maskz_slli_epi32(all, a, Bits);
  }
  static std::uint32_t less(i a, i b) { return _mm512_cmplt_epi32_mask(a, b); }
  static f to_float(i a) { return f(_mm512_maskz_cvtepi32_ps(all, a)); }
  static f as_float(i a) { return f(_mm512_castsi512_ps(a)); }
  static i as_int(f a) { return _mm512_castps_si512(a); }
  static void store_low_bytes(std::int8_t* p, i a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_maskz_cvtepi32_epi8(all, a));
  }
};
template <>
struct lane_ops<amx> : lane_ops<avx512> {};
#endif

}  // namespace detail

/// Sixteen 32-bit integers; the accumulators that an epilogue reads.
template <class Arch>
struct i32x16 {
  using ops = detail::lane_ops<Arch>;
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
  /// The first n lanes from p, 0 in the others; reads nothing past p[n - 1].
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
  /// The low byte of every lane.
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
  /// The low bits of an integer moved to the exponent field of a float.
  friend LOWBIT_INLINE i32x16 exponent_shift(i32x16 a) {
    return each([&](std::size_t n) { return ops::template shift_left<23>(a.part[n]); }, sequence{});
  }
  friend LOWBIT_INLINE i32x16 twice(i32x16 a) {
    return each([&](std::size_t n) { return ops::template shift_left<1>(a.part[n]); }, sequence{});
  }
  /// Lanes where a < b.
  friend LOWBIT_INLINE lane_mask less(i32x16 a, i32x16 b) {
    return [&]<std::size_t... P>(std::index_sequence<P...>) {
      return static_cast<lane_mask>(((ops::less(a.part[P], b.part[P]) << (P * ops::width)) | ...));
    }
    (sequence{});
  }
};

/// Sixteen floats.
template <class Arch>
struct f32x16 {
  using ops = detail::lane_ops<Arch>;
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
  /// The first n lanes from p, `fill` in the others; reads nothing past p[n - 1].
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
  friend LOWBIT_INLINE lane_mask less(f32x16 a, f32x16 b) {
    return [&]<std::size_t... P>(std::index_sequence<P...>) {
      return static_cast<lane_mask>(((ops::less(a.part[P], b.part[P]) << (P * ops::width)) | ...));
    }
    (sequence{});
  }
};

/// Lane i of a where bit i of the mask is set, of b elsewhere.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE f32x16<Arch> select(lane_mask mask, f32x16<Arch> a, f32x16<Arch> b) {
  using ops = detail::lane_ops<Arch>;
  return f32x16<Arch>::each(
      [&](std::size_t n) {
        const std::uint32_t bits =
            (static_cast<std::uint32_t>(mask) >> (n * ops::width)) & ((1U << ops::width) - 1U);
        return ops::select(bits, a.part[n], b.part[n]);
      },
      typename f32x16<Arch>::sequence{});
}

/// The nearest integers, half to even, of values below 2^22 in magnitude: x * scale is rounded
/// once.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> round_product(f32x16<Arch> x, f32x16<Arch> scale) {
  constexpr float shifter = 12582912.0F;  // 1.5 * 2^23: the sum's low bits are the integer
  constexpr std::int32_t bits = 0x4B400000;
  return bits_of(fma(x, scale, f32x16<Arch>::broadcast(shifter))) - i32x16<Arch>::broadcast(bits);
}

/// The fixed tree that ends every reduction: halves are folded 8, 4, 2, 1.
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
