// SPDX-License-Identifier: Apache-2.0
// The table of timed sizes, and the kernels available in this program and on this CPU.
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

/// The compiled-in tables that this CPU supports, lowest first.
[[nodiscard]] inline std::vector<const kernels*> usable_kernels() {
#define X(tag) &kernels_##tag,
  const kernels* const compiled[] = {LOWBIT_BENCH_EACH_TABLE};  // bench/CMakeLists.txt
#undef X
  std::vector<const kernels*> usable;
  for (const kernels* table : compiled) {
    if (lowbit::cpu_runs(table->arch)) usable.push_back(table);
  }
  return usable;
}

}  // namespace lowbit_bench
