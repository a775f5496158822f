// SPDX-License-Identifier: Apache-2.0
// The instruction sets that lowbit_peers is built for (LOWBIT_BENCH_EACH_ARCH, CMakeLists.txt),
// including those with only byte products, which the tables of bench/kernels.hpp omit.
#pragma once

#include "shapes.hpp"

namespace lowbit_bench {

/// The instruction set for byte products: the best that this program and CPU support, after
/// requesting it from the system.
[[nodiscard]] inline const char* byte_arch(const kernels& table) {
  const char* best = table.arch;
  if (&table != usable_kernels().back()) return best;
  lowbit::enable_amx();
#define X(tag) #tag,
  for (const char* arch : {LOWBIT_BENCH_EACH_ARCH}) {
    if (lowbit::cpu_runs(arch)) best = arch;
  }
#undef X
  return best;
}

}  // namespace lowbit_bench
