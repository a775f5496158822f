// SPDX-License-Identifier: Apache-2.0
// The registers of each arch that f32x16 and i32x16 stand on (simd.hpp, the only reader). The only
// include of xsimd. Intrinsics stand where xsimd 8.1 has no portable name (lane masks, bit casts of
// registers).
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lowbit/arch/tags.hpp"

#if LOWBIT_AVX2
#include <immintrin.h>

#include <xsimd/xsimd.hpp>
#endif

namespace lowbit::inline LOWBIT_ISA::detail {

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

}  // namespace lowbit::inline LOWBIT_ISA::detail
