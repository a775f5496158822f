// SPDX-License-Identifier: Apache-2.0
// What integer-only layers compute on i32x16 beyond sums and masks: products, shifts, limits, bytes
// to lanes, and the 64-bit product that a requantisation needs. The scalar functions are the
// definition; integers leave the vector ones nothing to differ in.
#pragma once

#include "lowbit/arch/simd.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// wide: 64-bit sums, of one lane or of pairs of lanes.
template <class Arch>
struct integer_ops;

template <>
struct integer_ops<scalar> {
  using i = std::int32_t;
  using wide = std::int64_t;
  static i multiply(i a, i b) {
    return static_cast<i>(static_cast<std::uint32_t>(a) * static_cast<std::uint32_t>(b));
  }
  static i max(i a, i b) { return a > b ? a : b; }
  static i min(i a, i b) { return a < b ? a : b; }
  template <int Bits>
  static i shift_right(i a) {
    return a >> Bits;
  }
  static i shift_right(i a, i count) { return a >> count; }
  static i load_bytes(const std::int8_t* p) { return *p; }
  static i multiply_shift(i a, i m, i shift) {
    const std::int64_t product = static_cast<std::int64_t>(a) * m;
    return static_cast<i>((product + (std::int64_t{1} << (shift - 1))) >> shift);
  }
  static wide zero() { return 0; }
  static wide add_products(wide sum, i a, i b) { return sum + static_cast<std::int64_t>(a) * b; }
  static std::int64_t total(wide sum) { return sum; }
};

#if LOWBIT_AVX2
template <>
struct integer_ops<avx2> {
  using i = __m256i;
  using wide = __m256i;
  static i multiply(i a, i b) { return _mm256_mullo_epi32(a, b); }
  static i max(i a, i b) { return _mm256_max_epi32(a, b); }
  static i min(i a, i b) { return _mm256_min_epi32(a, b); }
  template <int Bits>
  static i shift_right(i a) {
    return _mm256_srai_epi32(a, Bits);
  }
  static i shift_right(i a, i count) { return _mm256_srav_epi32(a, count); }
  static i load_bytes(const std::int8_t* p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static i multiply_shift(i a, i m, i shift) {
    const i low = _mm256_set1_epi64x(0xFFFFFFFF);
    const i even = round_shift(_mm256_mul_epi32(a, m), _mm256_and_si256(shift, low));
    const i odd = round_shift(_mm256_mul_epi32(upper(a), upper(m)), upper(shift));
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  }
  static wide zero() { return _mm256_setzero_si256(); }
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

 private:
  /// The odd lanes, where products read.
  static i upper(i a) { return _mm256_srli_epi64(a, 32); }
  /// AVX2 shifts 64-bit lanes as unsigned only: 2^63 is added before and taken back shifted.
  static i round_shift(i product, i shift) {
    const i top = _mm256_set1_epi64x(INT64_MIN);
    const i one = _mm256_set1_epi64x(1);
    const i half = _mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one));
    const i sum = _mm256_add_epi64(_mm256_add_epi64(product, half), top);
    return _mm256_sub_epi64(_mm256_srlv_epi64(sum, shift), _mm256_srlv_epi64(top, shift));
  }
};
#endif

#if LOWBIT_AVX512
template <>
struct integer_ops<avx512> {
  using i = __m512i;
  using wide = __m512i;
  // Full masks: gcc 12 bug 105593, see arch/lane_ops.hpp.
  static constexpr __mmask16 all = 0xffff;
  static constexpr __mmask8 all_wide = 0xff;
  static i multiply(i a, i b) { return _mm512_maskz_mullo_epi32(all, a, b); }
  static i max(i a, i b) { return _mm512_maskz_max_epi32(all, a, b); }
  static i min(i a, i b) { return _mm512_maskz_min_epi32(all, a, b); }
  template <int Bits>
  static i shift_right(i a) {
    return _mm512_maskz_srai_epi32(all, a, Bits);
  }
  static i shift_right(i a, i count) { return _mm512_maskz_srav_epi32(all, a, count); }
  static i load_bytes(const std::int8_t* p) {
    return _mm512_maskz_cvtepi8_epi32(all, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static i multiply_shift(i a, i m, i shift) {
    const i low = _mm512_set1_epi64(0xFFFFFFFF);
    const i even = round_shift(multiply_even(a, m), _mm512_and_si512(shift, low));
    const i odd = round_shift(multiply_even(upper(a), upper(m)), upper(shift));
    return _mm512_mask_blend_epi32(0xAAAA, even, _mm512_maskz_slli_epi64(all_wide, odd, 32));
  }
  static wide zero() { return _mm512_setzero_si512(); }
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

 private:
  static i multiply_even(i a, i b) { return _mm512_maskz_mul_epi32(all_wide, a, b); }
  static i upper(i a) { return _mm512_maskz_srli_epi64(all_wide, a, 32); }
  static i round_shift(i product, i shift) {
    const i one = _mm512_set1_epi64(1);
    const i half = _mm512_maskz_sllv_epi64(all_wide, one, _mm512_sub_epi64(shift, one));
    return _mm512_maskz_srav_epi64(all_wide, _mm512_add_epi64(product, half), shift);
  }
};
template <>
struct integer_ops<amx> : integer_ops<avx512> {};
#endif

/// op(a, b) on every register of the lanes.
template <class Arch, class Op>
LOWBIT_INLINE i32x16<Arch> each_part(Op op) {
  return i32x16<Arch>::each(op, typename i32x16<Arch>::sequence{});
}

}  // namespace detail

/// f(lane) for every lane of scalars, as a loop that stays one: unrolled 16 times, the formulas of
/// integer layers would make a scalar program five times as large.
template <class F>
[[nodiscard]] LOWBIT_INLINE i32x16<scalar> each_scalar(i32x16<scalar> v, F f) {
#pragma GCC unroll 1
  for (std::size_t n = 0; n < virtual_lanes; ++n) v.part[n] = f(v.part[n], n);
  return v;
}

/// The low 32 bits of the products.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> multiply(i32x16<Arch> a, i32x16<Arch> b) {
  using ops = detail::integer_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::multiply(a.part[n], b.part[n]); });
}
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> max(i32x16<Arch> a, i32x16<Arch> b) {
  using ops = detail::integer_ops<Arch>;
  return detail::each_part<Arch>([&](std::size_t n) { return ops::max(a.part[n], b.part[n]); });
}
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> min(i32x16<Arch> a, i32x16<Arch> b) {
  using ops = detail::integer_ops<Arch>;
  return detail::each_part<Arch>([&](std::size_t n) { return ops::min(a.part[n], b.part[n]); });
}
/// v within -limit .. limit.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> clamp(i32x16<Arch> v, i32x16<Arch> limit) {
  return max(min(v, limit), i32x16<Arch>::broadcast(0) - limit);
}
/// floor(a / 2^Bits)
template <int Bits, class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> shift_right(i32x16<Arch> a) {
  using ops = detail::integer_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::template shift_right<Bits>(a.part[n]); });
}
/// floor(a / 2^count), count in 0..31 of each lane.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> shift_right(i32x16<Arch> a, i32x16<Arch> count) {
  using ops = detail::integer_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::shift_right(a.part[n], count.part[n]); });
}
/// The nearest integers to a m / 2^shift, ties up: the low 32 bits of (a m + 2^(shift-1)) >> shift
/// in 64 bits. shift in 1..62; the sum must fit 63 bits.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> multiply_shift(i32x16<Arch> a, i32x16<Arch> m,
                                                        i32x16<Arch> shift) {
  using ops = detail::integer_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::multiply_shift(a.part[n], m.part[n], shift.part[n]); });
}

/// Sixteen signed bytes.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> load_bytes(const std::int8_t* p) {
  using ops = detail::integer_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::load_bytes(p + n * detail::lane_ops<Arch>::width); });
}
/// The first `count` bytes from p, 0 in the other lanes; reads nothing past them.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> load_bytes(const std::int8_t* p, std::size_t count) {
  if (count == virtual_lanes) return load_bytes<Arch>(p);
  std::int8_t bytes[virtual_lanes] = {};
  std::memcpy(bytes, p, count);
  return load_bytes<Arch>(bytes);
}

template <class Arch>
[[nodiscard]] LOWBIT_INLINE std::int32_t reduce_max(i32x16<Arch> v) {
  std::int32_t lane[virtual_lanes];
  v.store(lane);
  std::int32_t largest = lane[0];
  for (const std::int32_t l : lane) largest = l > largest ? l : largest;
  return largest;
}

/// Sums of products in 64 bits.
template <class Arch>
class wide_sum {
 public:
  LOWBIT_INLINE wide_sum() {
    for (auto& s : sums_) s = ops::zero();
  }
  LOWBIT_INLINE void add_products(i32x16<Arch> a, i32x16<Arch> b) {
    for (std::size_t n = 0; n < i32x16<Arch>::parts; ++n)
      sums_[n] = ops::add_products(sums_[n], a.part[n], b.part[n]);
  }
  [[nodiscard]] LOWBIT_INLINE std::int64_t total() const {
    std::int64_t sum = 0;
    for (const auto& s : sums_) sum += ops::total(s);
    return sum;
  }

 private:
  using ops = detail::integer_ops<Arch>;
  typename ops::wide sums_[i32x16<Arch>::parts];
};

}  // namespace lowbit::inline LOWBIT_ISA
