// SPDX-License-Identifier: Apache-2.0
// Register tiles in plain C++: four outputs at a time, which fit in the registers of any 64-bit
// core.
#pragma once

#include <bit>
#include <cstring>

#include "lowbit/kernel/carry_save.hpp"
#include "lowbit/kernel/carry_save_vectors.hpp"
#include "lowbit/kernel/micro_kernel.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Op>
requires std::is_base_of_v<counting_op, Op>
struct micro_kernel<Op, scalar> {
  using arch = scalar;
  static constexpr std::size_t mr = 1;
  static constexpr std::size_t nr = 16;

  template <std::size_t Rows>
  static void run(const typename Op::activation* a, std::size_t, const word* w, std::size_t units,
                  std::int32_t* acc) {
    static_assert(Rows == 1);
    if constexpr (LOWBIT_HELIUM != 0) {
      detail::count_combined_pairs<Op, nr>(a, w, units, acc);
      return;
    }
    if constexpr (LOWBIT_POPCOUNT == 0) {
      detail::count_combined<Op, nr>(a, w, units, acc);
      return;
    }
    for (std::size_t first = 0; first < nr; first += 4) {
      std::int32_t count[4] = {};
      for (std::size_t u = 0; u < units; ++u) {
        for (std::size_t j = 0; j < 4; ++j)
          count[j] += std::popcount(Op::combine(a[u], w[u * nr + first + j]));
      }
      for (std::size_t j = 0; j < 4; ++j) acc[first + j] = count[j];
    }
  }
};

template <>
struct micro_kernel<mul_add, scalar> {
  using arch = scalar;
  static constexpr std::size_t mr = 1;
  static constexpr std::size_t nr = 16;

  template <std::size_t Rows>
  static void run(const float* a, std::size_t, const float* w, std::size_t units, float* acc) {
    static_assert(Rows == 1);
    sum_up<false>(a, w, units, acc);
  }
  /// Adds to the sums in acc.
  template <std::size_t Rows>
  static void add(const float* a, std::size_t, const float* w, std::size_t units, float* acc) {
    static_assert(Rows == 1);
    sum_up<true>(a, w, units, acc);
  }

 private:
  template <bool Continue>
  static void sum_up(const float* a, const float* w, std::size_t units, float* acc) {
    for (std::size_t first = 0; first < nr; first += 4) {
      float sum[4] = {};
      if constexpr (Continue) std::memcpy(sum, acc + first, sizeof sum);
      for (std::size_t u = 0; u < units; ++u) {
        for (std::size_t j = 0; j < 4; ++j) sum[j] = fma(a[u], w[u * nr + first + j], sum[j]);
      }
      for (std::size_t j = 0; j < 4; ++j) acc[first + j] = sum[j];
    }
  }
};

template <>
struct sparse_tile<scalar> {
  static constexpr std::size_t rows = 1;           // of run_blocks
  static constexpr std::size_t token_vectors = 0;  // of 16 tokens; multiple tokens gain nothing
  static constexpr std::size_t outputs = 1;        // per step of run_tokens
  static constexpr std::size_t panels_in_flight = 1;
};

}  // namespace lowbit::inline LOWBIT_ISA
