// SPDX-License-Identifier: Apache-2.0
// The one table of sizes that is timed, and the kernels that this program and CPU have.
#pragma once

#include <vector>

#include "kernels.hpp"
#include "lowbit/arch/detect.hpp"

namespace lowbit_bench {

struct gemm_shape {
  std::size_t m, n, k;
};

/// The linear layers of BERT-base at 128 tokens and at one token, one attention head of 128 tokens,
/// and the ragged sizes of TinyBERT-4L.
inline constexpr gemm_shape gemm_shapes[] = {
    {128, 768, 768}, {128, 3072, 768}, {128, 768, 3072}, {1, 768, 768},
    {1, 3072, 768},  {64, 128, 64},    {128, 312, 312},  {128, 1200, 312},
};

/// The tables that were compiled in and that this CPU runs, lowest first.
[[nodiscard]] inline std::vector<const kernels*> usable_kernels() {
  const kernels* const compiled[] = {
      &kernels_scalar,
#ifdef LOWBIT_BENCH_HAS_AVX2
      &kernels_avx2,
#endif
#ifdef LOWBIT_BENCH_HAS_AVX512
      &kernels_avx512,
#endif
  };
  std::vector<const kernels*> usable;
  for (const kernels* table : compiled) {
    if (lowbit::cpu_runs(table->arch)) usable.push_back(table);
  }
  return usable;
}

/// The instruction set of byte products beside this table: amx where this program has it and the
/// system permits it. Its tables have nothing else of their own.
[[nodiscard]] inline const char* byte_arch(const kernels& table) {
#ifdef LOWBIT_BENCH_HAS_AMX
  if (&table == usable_kernels().back() && lowbit::enable_amx() && lowbit::cpu_runs("amx"))
    return "amx";
#endif
  return table.arch;
}

}  // namespace lowbit_bench
