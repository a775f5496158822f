// SPDX-License-Identifier: Apache-2.0
// NEON register tiles. CNT counts the ones of each byte; byte counts are accumulated for up to 31
// words before they are widened, so a word of an output takes three instructions per row and pair
// of outputs: combine, count, add.
#pragma once

#include "lowbit/kernel/micro_kernel.hpp"

#if LOWBIT_NEON
#include <arm_neon.h>

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// No load moves past it: compilers otherwise load all weights of a unit before its first product,
/// and have no registers left for them.
LOWBIT_INLINE void keep_loads_here() { __asm__ volatile("" : : : "memory"); }

/// One activation unit of every output. In assembly, because gcc makes two instructions of the
/// intrinsic.
LOWBIT_INLINE uint64x2_t broadcast_neon(const word& a) {
  uint64x2_t copies;
  __asm__("ld1r {%0.2d}, %1" : "=w"(copies) : "Q"(a));
  return copies;
}
struct trits_neon {
  uint64x2_t sign;
  uint64x2_t nonzero;
};
LOWBIT_INLINE trits_neon broadcast_neon(const trit_word& a) {
  return {broadcast_neon(a.sign), broadcast_neon(a.nonzero)};
}

/// The one-bit tile of one-bit products and bit planes: sums (Rows, 16) of popcounts over `units`
/// words. activation(r, u) is a broadcast unit of row r.
struct bit_tile_neon {
  static constexpr std::size_t nr = 16;
  static constexpr std::size_t vectors = nr / 2;
  static constexpr std::size_t words_per_byte_sum = 31;  // 31 * 8 ones fit in a byte

  /// acc = the counts, or with Continue, acc += the counts.
  template <class Op, std::size_t Rows, bool Continue, class Activation>
  static LOWBIT_INLINE void run(Activation activation, const word* w, std::size_t units,
                                std::int32_t* acc) {
    bool first = !Continue;
    std::size_t begin = 0;
    do {
      const std::size_t left = units - begin;
      const std::size_t end = begin + (left < words_per_byte_sum ? left : words_per_byte_sum);
      uint8x16_t bytes[Rows][vectors];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
        for (std::size_t v = 0; v < vectors; ++v) bytes[r][v] = vdupq_n_u8(0);
      }
      for (std::size_t u = begin; u < end; ++u) add_unit<Op, Rows>(activation, w, u, bytes);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) widen(bytes[r], first, acc + r * nr);
      first = false;
      begin = end;
    } while (begin < units);
  }

 private:
  template <class Op, std::size_t Rows, class Activation>
  static LOWBIT_INLINE void add_unit(Activation activation, const word* w, std::size_t u,
                                     uint8x16_t (&bytes)[Rows][vectors]) {
    decltype(activation(0, u)) x[Rows];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; ++r) x[r] = activation(r, u);
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      const uint64x2_t weights = vld1q_u64(w + u * nr + v * 2);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        const uint8x16_t combined = vreinterpretq_u8_u64(Op::combine(x[r], weights));
        bytes[r][v] = vaddq_u8(bytes[r][v], vcntq_u8(combined));
      }
      if (v % 2 == 1) keep_loads_here();
    }
  }
  /// The counts of eight bytes each, 16 words: at most 31 * 64, so the sums fit in 16 bits.
  static LOWBIT_INLINE void widen(const uint8x16_t (&bytes)[vectors], bool first,
                                  std::int32_t* acc) {
    uint16x8_t pairs[vectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) pairs[v] = vpaddlq_u8(bytes[v]);
#pragma GCC unroll 2
    for (std::size_t h = 0; h < 2; ++h) {
      const uint16x8_t* p = pairs + h * 4;
      const uint16x8_t words = vpaddq_u16(vpaddq_u16(p[0], p[1]), vpaddq_u16(p[2], p[3]));
      auto* to = reinterpret_cast<std::uint32_t*>(acc + h * 8);
      if (first) {
        vst1q_u32(to, vmovl_u16(vget_low_u16(words)));
        vst1q_u32(to + 4, vmovl_high_u16(words));
      } else {
        vst1q_u32(to, vaddw_u16(vld1q_u32(to), vget_low_u16(words)));
        vst1q_u32(to + 4, vaddw_high_u16(vld1q_u32(to + 4), words));
      }
    }
  }
};

}  // namespace detail

template <class Op>
requires std::is_base_of_v<counting_op, Op>
struct micro_kernel<Op, neon> {
  using arch = neon;
  // 24 of the 32 registers hold counts; a unit of a ternary row takes two.
  static constexpr std::size_t mr = std::is_same_v<typename Op::activation, word> ? 3 : 2;
  static constexpr std::size_t nr = detail::bit_tile_neon::nr;

  template <std::size_t Rows>
  static void run(const typename Op::activation* a, std::size_t stride, const word* w,
                  std::size_t units, std::int32_t* acc) {
    const auto activation = [&](std::size_t r, std::size_t u) __attribute__((always_inline)) {
      return detail::broadcast_neon(a[r * stride + u]);
    };
    detail::bit_tile_neon::run<Op, Rows, false>(activation, w, units, acc);
  }
};

template <>
struct micro_kernel<mul_add, neon> {
  using arch = neon;
  static constexpr std::size_t mr = 6;
  static constexpr std::size_t nr = 16;

  template <std::size_t Rows>
  static void run(const float* a, std::size_t stride, const float* w, std::size_t units,
                  float* acc) {
    sum_up<Rows, false>(a, stride, w, units, acc);
  }
  /// Adds to the sums in acc.
  template <std::size_t Rows>
  static void add(const float* a, std::size_t stride, const float* w, std::size_t units,
                  float* acc) {
    sum_up<Rows, true>(a, stride, w, units, acc);
  }

 private:
  /// sum + w * lane Lane of x. In assembly, because gcc copies the lane to a register of its own.
  template <int Lane>
  static LOWBIT_INLINE float32x4_t add_product(float32x4_t sum, float32x4_t w, float32x4_t x) {
    __asm__("fmla %0.4s, %1.4s, %2.s[%c3]" : "+w"(sum) : "w"(w), "w"(x), "i"(Lane));
    return sum;
  }
  /// Adds one unit, of which row r has the activation in lane Lane of x[r].
  template <int Lane, std::size_t Rows>
  static LOWBIT_INLINE void add_unit(const float32x4_t (&x)[Rows], const float* w,
                                     float32x4_t (&sum)[Rows][4]) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < 4; ++v) {
      const float32x4_t weights = vld1q_f32(w + v * 4);
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r)
        sum[r][v] = add_product<Lane>(sum[r][v], weights, x[r]);
      detail::keep_loads_here();
    }
  }
  template <std::size_t Rows, bool Continue>
  static LOWBIT_INLINE void sum_up(const float* a, std::size_t stride, const float* w,
                                   std::size_t units, float* acc) {
    float32x4_t sum[Rows][4];
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v)
        sum[r][v] = Continue ? vld1q_f32(acc + r * nr + v * 4) : vdupq_n_f32(0.0F);
    }
    float32x4_t x[Rows];
    std::size_t u = 0;
    for (; u + 4 <= units; u += 4) {
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r) x[r] = vld1q_f32(a + r * stride + u);
      add_unit<0>(x, w + u * nr, sum);
      add_unit<1>(x, w + (u + 1) * nr, sum);
      add_unit<2>(x, w + (u + 2) * nr, sum);
      add_unit<3>(x, w + (u + 3) * nr, sum);
    }
    for (; u < units; ++u) {
#pragma GCC unroll 6
      for (std::size_t r = 0; r < Rows; ++r) x[r] = vdupq_n_f32(a[r * stride + u]);
      add_unit<0>(x, w + u * nr, sum);
    }
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < 4; ++v) vst1q_f32(acc + r * nr + v * 4, sum[r][v]);
    }
  }
};

template <>
struct sparse_tile<neon> {  // 32 registers of 4 lanes
  static constexpr std::size_t rows = 6;
  static constexpr std::size_t token_vectors = 2;
  static constexpr std::size_t outputs = 2;
  static constexpr std::size_t panels_in_flight = 4;
};

}  // namespace lowbit::inline LOWBIT_ISA
#endif
