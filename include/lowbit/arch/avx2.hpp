// SPDX-License-Identifier: Apache-2.0
// AVX2 and FMA: eight lanes per register. Float arithmetic uses xsimd, whose batch type has the
// operators; intrinsics cover what xsimd 8.1 does not provide portably.
#pragma once

#include "lowbit/arch/scalar.hpp"

#if LOWBIT_AVX2
#include <immintrin.h>

#include <xsimd/xsimd.hpp>

namespace lowbit::inline LOWBIT_ISA {

template <>
struct arch_ops<avx2> : arch_ops<scalar> {
  using f = xsimd::batch<float, xsimd::fma3<xsimd::avx2>>;
  using i = __m256i;
  using mask = __m256i;  // each lane is all ones or all zeros
  static constexpr std::size_t width = f::size;

  static f load(const float* p) { return f::load_unaligned(p); }
  static void store(float* p, f v) { v.store_unaligned(p); }
  static f broadcast(float v) { return f(v); }
  static f fma(f a, f b, f c) { return xsimd::fma(a, b, c); }
  static f max(f a, f b) { return xsimd::max(a, b); }
  static f min(f a, f b) { return xsimd::min(a, b); }
  static f sqrt(f a) { return xsimd::sqrt(a); }
  static f to_float(i a) { return f(_mm256_cvtepi32_ps(a)); }
  static f as_float(i a) { return f(_mm256_castsi256_ps(a)); }
  static i as_int(f a) { return _mm256_castps_si256(a); }

  static i load(const std::int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const i*>(p)); }
  static void store(std::int32_t* p, i v) { _mm256_storeu_si256(reinterpret_cast<i*>(p), v); }
  static i broadcast(std::int32_t v) { return _mm256_set1_epi32(v); }
  static i add(i a, i b) { return _mm256_add_epi32(a, b); }
  static i subtract(i a, i b) { return _mm256_sub_epi32(a, b); }
  static i multiply(i a, i b) { return _mm256_mullo_epi32(a, b); }
  static i bit_and(i a, i b) { return _mm256_and_si256(a, b); }
  static i bit_or(i a, i b) { return _mm256_or_si256(a, b); }
  static i max(i a, i b) { return _mm256_max_epi32(a, b); }
  static i min(i a, i b) { return _mm256_min_epi32(a, b); }
  template <int Bits>
  static i shift_left(i a) {
    return _mm256_slli_epi32(a, Bits);
  }
  template <int Bits>
  static i shift_right(i a) {
    return _mm256_srai_epi32(a, Bits);
  }
  static i shift_right(i a, i count) { return _mm256_srav_epi32(a, count); }
  static i load_bytes(const std::int8_t* p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static void store_low_bytes(std::int8_t* p, i a) {
    const i low = _mm256_shuffle_epi8(
        a, _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8,
                            12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    const i both = _mm256_permutevar8x32_epi32(low, _mm256_setr_epi32(0, 4, 1, 1, 1, 1, 1, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(both));
  }

  using wide = __m256i;
  static i multiply_shift(i a, i m, i shift) {
    const i low = _mm256_set1_epi64x(0xFFFFFFFF);
    const i even = round_shift(_mm256_mul_epi32(a, m), _mm256_and_si256(shift, low));
    const i odd = round_shift(_mm256_mul_epi32(upper(a), upper(m)), upper(shift));
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  }
  static wide wide_zero() { return _mm256_setzero_si256(); }
  static wide add_products(wide sum, i a, i b) {
    const wide products =
        _mm256_add_epi64(_mm256_mul_epi32(a, b), _mm256_mul_epi32(upper(a), upper(b)));
    return _mm256_add_epi64(sum, products);
  }
  static std::int64_t total(wide sum) {
    std::int64_t lane[4];
    _mm256_storeu_si256(reinterpret_cast<wide*>(lane), sum);
    return lane[0] + lane[1] + lane[2] + lane[3];
  }

  static mask less(f a, f b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
  static mask less(i a, i b) { return _mm256_cmpgt_epi32(b, a); }
  static f select(mask m, f a, f b) { return f(_mm256_blendv_ps(b, a, _mm256_castsi256_ps(m))); }
  static std::uint32_t mask_bits(mask m) {
    return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(m)));
  }
  static mask mask_of(std::uint32_t bits) {
    const i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), bit),
                              bit);
  }

  static LOWBIT_INLINE f gather(const float* base, const std::uint32_t* index) {
    return f(_mm256_setr_ps(base[index[0]], base[index[1]], base[index[2]], base[index[3]],
                            base[index[4]], base[index[5]], base[index[6]], base[index[7]]));
  }
  static LOWBIT_INLINE i gather(const std::byte* base, const std::uint32_t* index) {
    const auto at = [&](std::size_t n) { return arch_ops<scalar>::gather(base, index + n); };
    return _mm256_setr_epi32(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
  }

  static i prepare_quads(i x) { return x; }
  /// x| * (w with the sign of x): 2 x 128 x 127 < 2^15, so nothing saturates.
  static i dot_quads(i sum, i x, i w) {
    const i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(w, x));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  /// Processes eight columns at a time.
  LOWBIT_NOINLINE static void transpose_16_rows(const std::byte* const* rows, std::size_t columns,
                                                std::byte* out, std::size_t out_stride,
                                                std::uint32_t flip) {
    std::size_t c = 0;
    const __m256i flips = _mm256_set1_epi32(static_cast<int>(flip));
    for (; c + 8 <= columns; c += 8) {
      transpose_8x8(rows, c, out + c * out_stride * 4, out_stride, flips);
      transpose_8x8(rows + 8, c, out + (c * out_stride + 8) * 4, out_stride, flips);
    }
    transpose_columns(rows, c, columns, out, out_stride, flip);
  }

 private:
  /// Moves the odd lanes to the even positions, which _mm256_mul_epi32 reads.
  static i upper(i a) { return _mm256_srli_epi64(a, 32); }
  /// AVX2 has only logical 64-bit shifts: add 2^63 first, then subtract it shifted.
  static i round_shift(i product, i shift) {
    const i top = _mm256_set1_epi64x(INT64_MIN);
    const i one = _mm256_set1_epi64x(1);
    const i half = _mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one));
    const i sum = _mm256_add_epi64(_mm256_add_epi64(product, half), top);
    return _mm256_sub_epi64(_mm256_srlv_epi64(sum, shift), _mm256_srlv_epi64(top, shift));
  }

  /// Transposes 8 x 8: out[c * out_stride + r] = rows[r][first + c] ^ flip.
  static LOWBIT_INLINE void transpose_8x8(const std::byte* const* rows, std::size_t first,
                                          std::byte* out, std::size_t out_stride, __m256i flip) {
    constexpr std::size_t size = 4;
    __m256 r[8];
#pragma GCC unroll 8
    for (std::size_t n = 0; n < 8; ++n) {
      r[n] = _mm256_loadu_ps(reinterpret_cast<const float*>(rows[n] + first * size));
    }
    __m256 pairs[8];
#pragma GCC unroll 4
    for (std::size_t n = 0; n < 8; n += 2) {
      pairs[n] = _mm256_unpacklo_ps(r[n], r[n + 1]);
      pairs[n + 1] = _mm256_unpackhi_ps(r[n], r[n + 1]);
    }
    __m256 fours[8];
#pragma GCC unroll 2
    for (std::size_t n = 0; n < 8; n += 4) {
      fours[n] = _mm256_shuffle_ps(pairs[n], pairs[n + 2], 0x44);
      fours[n + 1] = _mm256_shuffle_ps(pairs[n], pairs[n + 2], 0xEE);
      fours[n + 2] = _mm256_shuffle_ps(pairs[n + 1], pairs[n + 3], 0x44);
      fours[n + 3] = _mm256_shuffle_ps(pairs[n + 1], pairs[n + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (std::size_t c = 0; c < 4; ++c) {
      const i low = _mm256_castps_si256(_mm256_permute2f128_ps(fours[c], fours[c + 4], 0x20));
      const i high = _mm256_castps_si256(_mm256_permute2f128_ps(fours[c], fours[c + 4], 0x31));
      _mm256_storeu_si256(reinterpret_cast<i*>(out + c * out_stride * size),
                          _mm256_xor_si256(low, flip));
      _mm256_storeu_si256(reinterpret_cast<i*>(out + (c + 4) * out_stride * size),
                          _mm256_xor_si256(high, flip));
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
