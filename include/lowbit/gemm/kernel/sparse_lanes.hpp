// SPDX-License-Identifier: Apache-2.0
// What sparse tiles need of an arch: 16 lanes of units (floats, or quads of int8 codes) loaded,
// spread or gathered, and sum += x w of each lane. Tiles, tails and layouts exist once, on top of
// it.
#pragma once

#include "lowbit/gemm/op.hpp"

#if LOWBIT_AVX2
#include <immintrin.h>
#endif

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// One register of quads. dot: sum + the four products of each lane; x as prepare() leaves it.
/// offset: what prepare() adds to an activation, so that it is unsigned; a sum then begins at
/// -offset times the output's weights.
template <class Arch>
struct quad_ops;

template <>
struct quad_ops<scalar> {
  using i = std::int32_t;
  static constexpr std::int32_t offset = 0;
  static i prepare(i x) { return x; }
  static i dot(i sum, i x, i w) {
    const auto a = std::bit_cast<quad>(x);
    const auto b = std::bit_cast<quad>(w);
    for (std::size_t n = 0; n < 4; ++n) sum += a.code[n] * b.code[n];
    return sum;
  }
  static i gather(const quad* base, const std::uint32_t* index) {
    return std::bit_cast<i>(base[*index]);
  }
};

#if LOWBIT_AVX2
template <>
struct quad_ops<avx2> {
  using i = __m256i;
  static constexpr std::int32_t offset = 0;
  static i prepare(i x) { return x; }
  /// |x| (w with x's sign): 2 x 128 x 127 < 2^15, nothing saturates.
  static i dot(i sum, i x, i w) {
    const i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(w, x));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static LOWBIT_INLINE i gather(const quad* base, const std::uint32_t* index) {
    const auto at = [&](std::size_t n) { return std::bit_cast<int>(base[index[n]]); };
    return _mm256_setr_epi32(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
  }
};
#endif

#if LOWBIT_AVX512
template <>
struct quad_ops<avx512> {
  using i = __m512i;
  static constexpr std::int32_t offset = 128;
  static i prepare(i x) { return _mm512_xor_si512(x, _mm512_set1_epi8(-128)); }
  static i dot(i sum, i x, i w) { return _mm512_dpbusd_epi32(sum, x, w); }
  static LOWBIT_INLINE i gather(const quad* base, const std::uint32_t* index) {
    const i low = _mm512_castsi256_si512(quad_ops<avx2>::gather(base, index));
    return _mm512_maskz_inserti32x8(0xffff, low, quad_ops<avx2>::gather(base, index + 8), 1);
  }
};
template <>
struct quad_ops<amx> : quad_ops<avx512> {};
#endif

/// One load per lane: on Zen 5 1.7 times as fast as the gather instructions (CSR x one row,
/// 768 x 768, November 2026).
[[nodiscard]] inline float gather_floats(scalar, const float* base, const std::uint32_t* index) {
  return base[*index];
}
#if LOWBIT_AVX2
[[nodiscard]] LOWBIT_INLINE __m256 gather_floats(avx2, const float* base, const std::uint32_t* i) {
  return _mm256_setr_ps(base[i[0]], base[i[1]], base[i[2]], base[i[3]], base[i[4]], base[i[5]],
                        base[i[6]], base[i[7]]);
}
#endif
#if LOWBIT_AVX512
[[nodiscard]] LOWBIT_INLINE __m512 gather_floats(avx512, const float* base,
                                                 const std::uint32_t* i) {
  const __m512 low = _mm512_castps256_ps512(gather_floats(avx2{}, base, i));
  return _mm512_maskz_insertf32x8(0xffff, low, gather_floats(avx2{}, base, i + 8), 1);
}
[[nodiscard]] LOWBIT_INLINE __m512 gather_floats(amx, const float* base, const std::uint32_t* i) {
  return gather_floats(avx512{}, base, i);
}
#endif

}  // namespace detail

/// Sixteen units and sixteen sums of Op.
template <class Op, class Arch>
struct sparse_lanes;

template <class Arch>
struct sparse_lanes<mul_add, Arch> {
  using unit = float;
  using lanes = f32x16<Arch>;
  static constexpr std::size_t depth = 1;
  static constexpr std::uint32_t flip = 0;  ///< xor of an activation that is stored prepared

  static LOWBIT_INLINE lanes load(const float* p) { return lanes::load(p); }
  static LOWBIT_INLINE lanes spread(float v) { return lanes::broadcast(v); }
  static LOWBIT_INLINE lanes prepare(lanes x) { return x; }
  static LOWBIT_INLINE lanes gather(const float* base, const std::uint32_t* index) {
    return lanes::each(
        [&](std::size_t p) {
          return typename lanes::ops::f(
              detail::gather_floats(Arch{}, base, index + p * lanes::ops::width));
        },
        typename lanes::sequence{});
  }
  static LOWBIT_INLINE lanes add_product(lanes sum, lanes x, lanes w) { return fma(x, w, sum); }
  static LOWBIT_INLINE lanes start(const std::int32_t*) { return lanes::broadcast(0.0F); }
  static LOWBIT_INLINE lanes start_of_one(std::int32_t) { return lanes::broadcast(0.0F); }
  /// Sets place i of a unit; the weight's share of the offset.
  static std::int32_t set(float& unit, std::size_t, float w) {
    unit = w;
    return 0;
  }
};

template <class Arch>
struct sparse_lanes<code_dot<8>, Arch> {
  using unit = quad;
  using lanes = i32x16<Arch>;
  using ops = detail::quad_ops<Arch>;
  static constexpr std::size_t depth = 4;
  static constexpr std::uint32_t flip = ops::offset == 0 ? 0 : 0x80808080U;

  static LOWBIT_INLINE lanes load(const quad* p) {
    if constexpr (lanes::parts == virtual_lanes) {
      return lanes::each([&](std::size_t n) { return std::bit_cast<std::int32_t>(p[n]); },
                         typename lanes::sequence{});
    } else {  // vector loads may alias anything
      return lanes::load(reinterpret_cast<const std::int32_t*>(p));
    }
  }
  static LOWBIT_INLINE lanes spread(quad v) {
    return lanes::broadcast(std::bit_cast<std::int32_t>(v));
  }
  static LOWBIT_INLINE lanes prepare(lanes x) {
    return lanes::each([&](std::size_t p) { return ops::prepare(x.part[p]); },
                       typename lanes::sequence{});
  }
  static LOWBIT_INLINE lanes gather(const quad* base, const std::uint32_t* index) {
    return lanes::each(
        [&](std::size_t p) { return ops::gather(base, index + p * lanes::ops::width); },
        typename lanes::sequence{});
  }
  static LOWBIT_INLINE lanes add_product(lanes sum, lanes x, lanes w) {
    return lanes::each([&](std::size_t p) { return ops::dot(sum.part[p], x.part[p], w.part[p]); },
                       typename lanes::sequence{});
  }
  static LOWBIT_INLINE lanes start(const std::int32_t* p) { return lanes::load(p); }
  static LOWBIT_INLINE lanes start_of_one(std::int32_t v) { return lanes::broadcast(v); }
  static std::int32_t set(quad& unit, std::size_t i, std::int8_t w) {
    unit.code[i] = w;
    return ops::offset * w;
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
