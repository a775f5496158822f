// SPDX-License-Identifier: Apache-2.0
// Register tiles for weights with a scale per group of columns, in plain C++.
#pragma once

#include "lowbit/kernel/micro_kernel.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Iterates over the groups of a panel; units() is the number of units of the current group.
template <class Op, std::size_t Nr>
struct group_walk {
  std::size_t whole;  // units of a group
  std::size_t left;   // units from `scales` on
  const std::byte* scales;

  group_walk(const std::byte* panel, std::size_t units)
      : left(units), scales(panel + Op::header_bytes) {
    std::uint32_t stored;
    std::memcpy(&stored, panel, sizeof stored);
    whole = stored;
  }
  [[nodiscard]] LOWBIT_INLINE std::size_t units() const { return left < whole ? left : whole; }
  [[nodiscard]] LOWBIT_INLINE const std::byte* corrections() const {
    return scales + Nr * sizeof(float);
  }
  [[nodiscard]] LOWBIT_INLINE const std::byte* codes() const {
    return scales + Op::scale_bytes(Nr);
  }
  LOWBIT_INLINE void advance() {
    const std::size_t done = units();
    scales = codes() + done * Op::unit_bytes(Nr);
    left -= done;
  }
};

/// The values of 4-bit codes.
inline constexpr std::int8_t group_values[16] = {-8, -7, -6, -5, -4, -3, -2, -1,
                                                 0,  1,  2,  3,  4,  5,  6,  7};

}  // namespace detail

template <std::size_t Bits>
struct micro_kernel<group_dot<Bits>, scalar> {
  using arch = scalar;
  using op = group_dot<Bits>;
  static constexpr std::size_t mr = 1;
  static constexpr std::size_t nr = 16;
  static constexpr std::int32_t offset = 0;

  static constexpr std::size_t place(std::size_t j, std::size_t k) { return (j * 4 + k) * Bits; }

  template <std::size_t Rows>
  static void run(const quad* a, std::size_t, const std::byte* panel, std::size_t units,
                  float* acc) {
    static_assert(Rows == 1);
    for (std::size_t j = 0; j < nr; ++j) acc[j] = 0.0F;
    for (detail::group_walk<op, nr> group(panel, units); group.left != 0; group.advance()) {
      const std::byte* w = group.codes();
      const std::size_t count = group.units();
      for (std::size_t j = 0; j < nr; ++j) {
        std::int32_t sum = 0;
        for (std::size_t u = 0; u < count; ++u) {
          for (std::size_t k = 0; k < 4; ++k) {
            const std::size_t bit = place(j, k);
            const unsigned code =
                std::to_integer<unsigned>(w[u * op::unit_bytes(nr) + bit / 8]) >> (bit % 8);
            sum += a[u].code[k] *
                   (Bits == 8 ? static_cast<std::int8_t>(code) : detail::group_values[code & 15U]);
          }
        }
        float scale;
        std::memcpy(&scale, group.scales + j * sizeof scale, sizeof scale);
        acc[j] = fma(static_cast<float>(sum), scale, acc[j]);
      }
      a += count;
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
