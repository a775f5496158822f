// SPDX-License-Identifier: Apache-2.0
// An arch that the library does not know: it supplies tiles of unusual sizes for some products and
// nothing else. Lanes, masks, gathers, the other products, sparse tiles and everything built on
// them come from Below.
#pragma once

#include "lowbit/kernel/micro_kernel.hpp"

namespace lowbit_test {

template <class Below>
struct odd : Below {
  using fallback = Below;
  static constexpr const char* name = "odd";
};

}  // namespace lowbit_test

namespace lowbit::inline LOWBIT_ISA {

template <class Op, class Below>
requires requires(typename Op::activation a, word w) { Op::combine(a, w); }
struct micro_kernel<Op, lowbit_test::odd<Below>> {
  using arch = lowbit_test::odd<Below>;
  static constexpr std::size_t mr = 3;
  static constexpr std::size_t nr = 48;

  template <std::size_t Rows>
  static void run(const typename Op::activation* a, std::size_t stride, const word* w,
                  std::size_t units, std::int32_t* acc) {
    for (std::size_t i = 0; i < Rows * nr; ++i) {
      acc[i] = 0;
      for (std::size_t u = 0; u < units; ++u)
        acc[i] += std::popcount(Op::combine(a[i / nr * stride + u], w[u * nr + i % nr]));
    }
  }
};

/// Without add(), which only an arch that decodes floats needs.
template <class Below>
struct micro_kernel<mul_add, lowbit_test::odd<Below>> {
  using arch = lowbit_test::odd<Below>;
  static constexpr std::size_t mr = 5;
  static constexpr std::size_t nr = 80;

  template <std::size_t Rows>
  static void run(const float* a, std::size_t stride, const float* w, std::size_t units,
                  float* acc) {
    for (std::size_t i = 0; i < Rows * nr; ++i) {
      acc[i] = 0.0F;
      for (std::size_t u = 0; u < units; ++u)
        acc[i] = fma(a[i / nr * stride + u], w[u * nr + i % nr], acc[i]);
    }
  }
};

template <class Below>
struct micro_kernel<code_dot<8>, lowbit_test::odd<Below>> {
  using arch = lowbit_test::odd<Below>;
  static constexpr std::size_t mr = 7;
  static constexpr std::size_t nr = 48;
  static constexpr unsigned offset = 0;

  static constexpr std::size_t place(std::size_t j, std::size_t k) { return (j * 4 + k) * 8; }

  template <std::size_t Rows>
  static void run(const quad* a, std::size_t stride, const std::byte* panel, std::size_t units,
                  std::int32_t* acc) {
    const auto* w = reinterpret_cast<const std::int8_t*>(panel);
    for (std::size_t i = 0; i < Rows * nr; ++i) {
      acc[i] = 0;
      for (std::size_t u = 0; u < units; ++u) {
        for (std::size_t k = 0; k < 4; ++k)
          acc[i] += a[i / nr * stride + u].code[k] * w[(u * nr + i % nr) * 4 + k];
      }
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
