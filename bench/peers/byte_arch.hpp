// SPDX-License-Identifier: Apache-2.0
// The instruction sets that lowbit_peers is built for (LOWBIT_BENCH_EACH_ARCH, CMakeLists.txt):
// also those that have byte products only, which the tables of bench/kernels.hpp leave out.
#pragma once

#include "shapes.hpp"

namespace lowbit_bench {

/// The instruction set of byte products beside this table: the best of this program and CPU, once
/// the system was asked for it.
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
