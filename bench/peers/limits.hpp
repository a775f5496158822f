// SPDX-License-Identifier: Apache-2.0
// Multiply-add limits of one core: tiles of sixteen accumulators fed from the L1 cache, with no
// other work. limits.cpp is compiled once per instruction set, like the kernels; it uses nothing of
// lowbit but the names of its archs, so a bound cannot inherit a defect of what it bounds.
#pragma once

#include <cstddef>

#include "lowbit/arch/list.hpp"

namespace lowbit_bench {

/// Runs `steps` steps of the tile; null if the instruction set has none.
struct limit_loop {
  void (*run)(std::size_t steps) = nullptr;
  double macs_per_step = 0;
};

struct limit_loops {
  const char* arch;
  limit_loop f32;     // fma
  limit_loop int8;    // byte dot products without saturation
  limit_loop binary;  // xor, popcount, add
};

#define LOWBIT_BENCH_DECLARE(tag, ...) extern const limit_loops limits_##tag;
LOWBIT_EACH_ARCH(LOWBIT_BENCH_DECLARE)
#undef LOWBIT_BENCH_DECLARE

}  // namespace lowbit_bench
