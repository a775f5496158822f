// SPDX-License-Identifier: Apache-2.0
// How many multiply-adds one core can do: tiles of sixteen accumulators fed from the first-level
// cache, with nothing around them. limits.cpp is compiled once per instruction set, as the kernels
// are; nothing of lowbit is in it, so a bound cannot inherit a fault of what it bounds.
#pragma once

#include <cstddef>

namespace lowbit_bench {

/// A bound runs `steps` steps of its tile; null where the instruction set has none.
struct limit_loop {
  void (*run)(std::size_t steps) = nullptr;
  double macs_per_step = 0;
};

struct limit_loops {
  const char* arch;
  limit_loop f32;     // fma
  limit_loop int8;    // dot products of bytes that do not saturate
  limit_loop binary;  // xor, popcount, add
};

extern const limit_loops limits_scalar;
extern const limit_loops limits_avx2;
extern const limit_loops limits_avx512;
extern const limit_loops limits_amx;  // int8 alone

}  // namespace lowbit_bench
