// SPDX-License-Identifier: Apache-2.0
// AVX-512: sixteen lanes per register; masks are integers. Transpositions are inherited from AVX2.
// Intrinsics are used in their masked form with full masks, because gcc 12 warns about the
// undefined pass-through operand of the unmasked ones (bug 105593).
#pragma once

#include "lowbit/arch/avx2.hpp"

#if LOWBIT_AVX512

namespace lowbit::inline LOWBIT_ISA {

template <>
struct arch_ops<avx512> : arch_ops<avx2> {
  using f = xsimd::batch<float, xsimd::avx512f>;
  using i = __m512i;
  using mask = __mmask16;
  static constexpr std::size_t width = f::size;
  static constexpr __mmask16 all = 0xffff;
  static constexpr __mmask8 all_wide = 0xff;

  static f load(const float* p) { return f::load_unaligned(p); }
  static void store(float* p, f v) { v.store_unaligned(p); }
  static f broadcast(float v) { return f(v); }
  // xsimd 8.1 has no AVX-512 fma; its generic one rounds twice.
  static f fma(f a, f b, f c) { return f(_mm512_fmadd_ps(a, b, c)); }
  static f max(f a, f b) { return f(_mm512_maskz_max_ps(all, a, b)); }
  static f min(f a, f b) { return f(_mm512_maskz_min_ps(all, a, b)); }
  static f sqrt(f a) { return f(_mm512_maskz_sqrt_ps(all, a)); }
  static f to_float(i a) { return f(_mm512_maskz_cvtepi32_ps(all, a)); }
  static f as_float(i a) { return f(_mm512_castsi512_ps(a)); }
  static i as_int(f a) { return _mm512_castps_si512(a); }

  static i load(const std::int32_t* p) { return _mm512_loadu_si512(p); }
  static void store(std::int32_t* p, i v) { _mm512_storeu_si512(p, v); }
  static i broadcast(std::int32_t v) { return _mm512_set1_epi32(v); }
  static i add(i a, i b) { return _mm512_add_epi32(a, b); }
  static i subtract(i a, i b) { return _mm512_sub_epi32(a, b); }
  static i multiply(i a, i b) { return _mm512_maskz_mullo_epi32(all, a, b); }
  static i bit_and(i a, i b) { return _mm512_and_si512(a, b); }
  static i bit_or(i a, i b) { return _mm512_or_si512(a, b); }
  static i max(i a, i b) { return _mm512_maskz_max_epi32(all, a, b); }
  static i min(i a, i b) { return _mm512_maskz_min_epi32(all, a, b); }
  template <int Bits>
  static i shift_left(i a) {
    return _mm512_maskz_slli_epi32(all, a, Bits);
  }
  template <int Bits>
  static i shift_right(i a) {
    return _mm512_maskz_srai_epi32(all, a, Bits);
  }
  static i shift_right(i a, i count) { return _mm512_maskz_srav_epi32(all, a, count); }
  static i load_bytes(const std::int8_t* p) {
    return _mm512_maskz_cvtepi8_epi32(all, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static void store_low_bytes(std::int8_t* p, i a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_maskz_cvtepi32_epi8(all, a));
  }

  using wide = __m512i;
  static i multiply_shift(i a, i m, i shift) {
    const i low = _mm512_set1_epi64(0xFFFFFFFF);
    const i even = round_shift(multiply_even(a, m), _mm512_and_si512(shift, low));
    const i odd = round_shift(multiply_even(upper(a), upper(m)), upper(shift));
    return _mm512_mask_blend_epi32(0xAAAA, even, _mm512_maskz_slli_epi64(all_wide, odd, 32));
  }
  static wide wide_zero() { return _mm512_setzero_si512(); }
  static wide add_products(wide sum, i a, i b) {
    const wide products = _mm512_add_epi64(multiply_even(a, b), multiply_even(upper(a), upper(b)));
    return _mm512_add_epi64(sum, products);
  }
  static std::int64_t total(wide sum) {
    std::int64_t lane[8];
    _mm512_storeu_si512(lane, sum);
    std::int64_t all_lanes = 0;
    for (const std::int64_t l : lane) all_lanes += l;
    return all_lanes;
  }

  static mask less(f a, f b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static mask less(i a, i b) { return _mm512_cmplt_epi32_mask(a, b); }
  static f select(mask m, f a, f b) { return f(_mm512_mask_blend_ps(m, b, a)); }
  static std::uint32_t mask_bits(mask m) { return m; }
  static mask mask_of(std::uint32_t bits) { return static_cast<mask>(bits); }

  static LOWBIT_INLINE f gather(const float* base, const std::uint32_t* index) {
    const __m512 low = _mm512_castps256_ps512(arch_ops<avx2>::gather(base, index));
    return f(_mm512_maskz_insertf32x8(all, low, arch_ops<avx2>::gather(base, index + 8), 1));
  }
  static LOWBIT_INLINE i gather(const std::byte* base, const std::uint32_t* index) {
    const i low = _mm512_castsi256_si512(arch_ops<avx2>::gather(base, index));
    return _mm512_maskz_inserti32x8(all, low, arch_ops<avx2>::gather(base, index + 8), 1);
  }

  static constexpr std::int32_t quad_offset = 128;
  static i prepare_quads(i x) { return _mm512_xor_si512(x, _mm512_set1_epi8(-128)); }
  static i dot_quads(i sum, i x, i w) { return _mm512_dpbusd_epi32(sum, x, w); }

 private:
  static i multiply_even(i a, i b) { return _mm512_maskz_mul_epi32(all_wide, a, b); }
  static i upper(i a) { return _mm512_maskz_srli_epi64(all_wide, a, 32); }
  static i round_shift(i product, i shift) {
    const i one = _mm512_set1_epi64(1);
    const i half = _mm512_maskz_sllv_epi64(all_wide, one, _mm512_sub_epi64(shift, one));
    return _mm512_maskz_srav_epi64(all_wide, _mm512_add_epi64(product, half), shift);
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
