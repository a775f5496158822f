// SPDX-License-Identifier: Apache-2.0
// Register tiles for coded weights in plain C++.
#pragma once

#include "lowbit/kernel/micro_kernel.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <std::size_t Bits>
struct micro_kernel<code_dot<Bits>, scalar> {
  using arch = scalar;
  static constexpr std::size_t mr = 1;
  static constexpr std::size_t nr = 16;
  static constexpr unsigned offset = 0;

  static constexpr std::size_t place(std::size_t j, std::size_t k) { return (j * 4 + k) * Bits; }
  static void set_table(const std::int8_t (&values)[16], std::byte* header) {
    std::memcpy(header, values, sizeof values);
  }

  template <std::size_t Rows>
  static void run(const quad* a, std::size_t, const std::byte* panel, std::size_t units,
                  std::int32_t* acc) {
    static_assert(Rows == 1);
    std::int8_t table[16];
    if constexpr (Bits != 8) std::memcpy(table, panel, sizeof table);
    constexpr std::size_t unit_bytes = nr * 4 * Bits / 8;
    const std::byte* w = panel + code_dot<Bits>::table_bytes;
    for (std::size_t j = 0; j < nr; ++j) {
      std::int32_t sum = 0;
      for (std::size_t u = 0; u < units; ++u) {
        for (std::size_t k = 0; k < 4; ++k) {
          const std::size_t bit = place(j, k);
          const unsigned code = std::to_integer<unsigned>(w[u * unit_bytes + bit / 8]) >> (bit % 8);
          if constexpr (Bits == 8) {
            sum += a[u].code[k] * static_cast<std::int8_t>(code);
          } else {
            sum += a[u].code[k] * table[code & ((1U << Bits) - 1U)];
          }
        }
      }
      acc[j] = sum;
    }
  }
};

template <>
struct micro_kernel<lookup_mul_add, scalar> {
  using arch = scalar;
  static constexpr std::size_t mr = 1;
  static constexpr std::size_t nr = 16;

  static constexpr std::size_t place(std::size_t j, std::size_t) { return j * 4; }
  static void set_table(const float (&values)[16], std::byte* header) {
    std::memcpy(header, values, sizeof values);
  }

  template <std::size_t Rows>
  static void run(const float* a, std::size_t, const std::byte* panel, std::size_t units,
                  float* acc) {
    static_assert(Rows == 1);
    float table[16];
    std::memcpy(table, panel, sizeof table);
    const std::byte* w = panel + lookup_mul_add::table_bytes;
    for (std::size_t j = 0; j < nr; ++j) {
      float sum = 0.0F;
      for (std::size_t u = 0; u < units; ++u) {
        const auto byte = std::to_integer<unsigned>(w[u * (nr / 2) + j / 2]);
        sum = fma(a[u], table[(byte >> (j % 2 * 4)) & 15U], sum);
      }
      acc[j] = sum;
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
