// SPDX-License-Identifier: Apache-2.0
// Operations on i32x16 that integer-only layers need beyond sums and masks: products, shifts,
// clamps, byte loads, and the 64-bit product used in requantization. The scalar functions are the
// definition; integer arithmetic is exact, so the vector versions cannot differ.
#pragma once

#include "lowbit/arch/simd.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Applies op(n) to every register n.
template <class Arch, class Op>
LOWBIT_INLINE i32x16<Arch> each_part(Op op) {
  return i32x16<Arch>::each(op, typename i32x16<Arch>::sequence{});
}

}  // namespace detail

/// Applies f(value, lane index) to every lane in that loop.
template <class Arch, class F>
requires is_lane_by_lane<Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> each_lane(i32x16<Arch> v, F f) {
#pragma GCC unroll 1
  for (std::size_t n = 0; n < virtual_lanes; ++n) v.part[n] = f(v.part[n], n);
  return v;
}

/// The low 32 bits of the products.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> multiply(i32x16<Arch> a, i32x16<Arch> b) {
  using ops = arch_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::multiply(a.part[n], b.part[n]); });
}
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> max(i32x16<Arch> a, i32x16<Arch> b) {
  using ops = arch_ops<Arch>;
  return detail::each_part<Arch>([&](std::size_t n) { return ops::max(a.part[n], b.part[n]); });
}
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> min(i32x16<Arch> a, i32x16<Arch> b) {
  using ops = arch_ops<Arch>;
  return detail::each_part<Arch>([&](std::size_t n) { return ops::min(a.part[n], b.part[n]); });
}
/// Clamps v to [-limit, limit].
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> clamp(i32x16<Arch> v, i32x16<Arch> limit) {
  return max(min(v, limit), i32x16<Arch>::broadcast(0) - limit);
}
/// floor(a / 2^Bits)
template <int Bits, class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> shift_right(i32x16<Arch> a) {
  using ops = arch_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::template shift_right<Bits>(a.part[n]); });
}
/// floor(a / 2^count) with a count in 0..31 per lane.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> shift_right(i32x16<Arch> a, i32x16<Arch> count) {
  using ops = arch_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::shift_right(a.part[n], count.part[n]); });
}
/// a * m / 2^shift rounded to nearest, ties up: the low 32 bits of (a m + 2^(shift-1)) >> shift in
/// 64 bits. shift in 1..62; the sum must fit in 63 bits.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> multiply_shift(i32x16<Arch> a, i32x16<Arch> m,
                                                        i32x16<Arch> shift) {
  using ops = arch_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::multiply_shift(a.part[n], m.part[n], shift.part[n]); });
}

/// Loads sixteen signed bytes.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> load_bytes(const std::int8_t* p) {
  using ops = arch_ops<Arch>;
  return detail::each_part<Arch>(
      [&](std::size_t n) { return ops::load_bytes(p + n * arch_ops<Arch>::width); });
}
/// Loads the first `count` bytes at p and zeros the other lanes; never reads past them.
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
    for (auto& s : sums_) s = ops::wide_zero();
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
  using ops = arch_ops<Arch>;
  typename ops::wide sums_[i32x16<Arch>::parts];
};

}  // namespace lowbit::inline LOWBIT_ISA
