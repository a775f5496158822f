// SPDX-License-Identifier: Apache-2.0
// Products of int8 activations with coded weights, as a table of plain functions per instruction
// set: code_kernels.cpp is compiled once for each. As in bench/kernels.hpp, nothing from lowbit's
// inline namespace crosses this boundary.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lowbit/arch/list.hpp"

namespace lowbit_bench {

/// Width of a weight code; codes narrower than 8 bits index a table of values.
enum class code_width : std::uint8_t { one, four, eight };

struct code_operands {
  std::size_t m, n, k;
  const void* a;  // (M, K) int8, rows of a_stride groups of four
  std::size_t a_stride;
  const std::int32_t* row_sums;  // (M): sums of a's codes
  const void* weights;           // packed_bytes(), aligned to 64
  std::int32_t* out;             // (M, N)
  std::size_t out_stride;
};

struct code_kernels {
  const char* arch;
  std::size_t (*packed_bytes)(code_width, std::size_t n, std::size_t k);
  /// codes (N, K): indices into values, or for width eight the int8 values themselves. scratch: K.
  void (*pack)(code_width, const std::int8_t (&values)[16], const std::uint8_t* codes,
               std::size_t n, std::size_t k, void* packed, std::uint8_t* scratch);
  void (*gemm)(code_width, const code_operands&);
};

#define LOWBIT_BENCH_DECLARE(tag, ...) extern const code_kernels code_kernels_##tag;
LOWBIT_EACH_ARCH(LOWBIT_BENCH_DECLARE)
#undef LOWBIT_BENCH_DECLARE

}  // namespace lowbit_bench
