// SPDX-License-Identifier: Apache-2.0
// Primitives of sparse tiles in sixteen lanes: load, broadcast or gather units (floats, or quads of
// int8 codes), and compute sum += x * w per lane. Tiles, tails and layouts are written once, on top
// of these.
#pragma once

#include "lowbit/kernel/op.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Operations on sixteen units and sixteen sums of Op.
template <class Op, class Arch>
struct sparse_lanes;

template <class Arch>
struct sparse_lanes<mul_add, Arch> {
  using unit = float;
  using lanes = f32x16<Arch>;
  static constexpr std::size_t depth = 1;
  static constexpr std::uint32_t flip = 0;  ///< xor mask that prepares a stored activation

  static LOWBIT_INLINE lanes load(const float* p) { return lanes::load(p); }
  static LOWBIT_INLINE lanes spread(float v) { return lanes::broadcast(v); }
  static LOWBIT_INLINE lanes prepare(lanes x) { return x; }
  static LOWBIT_INLINE lanes gather(const float* base, const std::uint32_t* index) {
    return lanes::each(
        [&](std::size_t p) { return lanes::ops::gather(base, index + p * lanes::ops::width); },
        typename lanes::sequence{});
  }
  static LOWBIT_INLINE lanes add_product(lanes sum, lanes x, lanes w) { return fma(x, w, sum); }
  static LOWBIT_INLINE lanes start(const std::int32_t*) { return lanes::broadcast(0.0F); }
  static LOWBIT_INLINE lanes start_of_one(std::int32_t) { return lanes::broadcast(0.0F); }
  /// Sets element i of a unit; returns the weight's contribution to the offset.
  static std::int32_t set(float& unit, std::size_t, float w) {
    unit = w;
    return 0;
  }
};

template <class Arch>
struct sparse_lanes<code_dot<8>, Arch> {
  using unit = quad;
  using lanes = i32x16<Arch>;
  using ops = arch_ops<Arch>;
  static constexpr std::size_t depth = 4;
  static constexpr std::uint32_t flip = ops::quad_offset == 0 ? 0 : 0x80808080U;

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
    return lanes::each([&](std::size_t p) { return ops::prepare_quads(x.part[p]); },
                       typename lanes::sequence{});
  }
  static LOWBIT_INLINE lanes gather(const quad* base, const std::uint32_t* index) {
    const auto* bytes = reinterpret_cast<const std::byte*>(base);
    return lanes::each([&](std::size_t p) { return ops::gather(bytes, index + p * ops::width); },
                       typename lanes::sequence{});
  }
  static LOWBIT_INLINE lanes add_product(lanes sum, lanes x, lanes w) {
    return lanes::each(
        [&](std::size_t p) { return ops::dot_quads(sum.part[p], x.part[p], w.part[p]); },
        typename lanes::sequence{});
  }
  static LOWBIT_INLINE lanes start(const std::int32_t* p) { return lanes::load(p); }
  static LOWBIT_INLINE lanes start_of_one(std::int32_t v) { return lanes::broadcast(v); }
  static std::int32_t set(quad& unit, std::size_t i, std::int8_t w) {
    unit.code[i] = w;
    return ops::quad_offset * w;
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
