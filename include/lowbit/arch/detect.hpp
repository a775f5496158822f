// SPDX-License-Identifier: Apache-2.0
// Asks the CPU, once per call, which tag it can run. Only programs that carry several instruction
// sets need it; the library itself detects nothing.
#pragma once

#include <string_view>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// True when this CPU (and its operating system) runs code compiled for the tag of that name.
[[nodiscard]] inline bool cpu_runs(std::string_view tag) {
  if (tag == "scalar") return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                    __builtin_cpu_supports("bmi2") != 0 && __builtin_cpu_supports("popcnt") != 0;
  if (tag == "avx2") return avx2;
  if (tag == "avx512") {
    return avx2 && __builtin_cpu_supports("avx512f") != 0 &&
           __builtin_cpu_supports("avx512cd") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
           __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
           __builtin_cpu_supports("avx512vpopcntdq") != 0 &&
           __builtin_cpu_supports("avx512vnni") != 0 && __builtin_cpu_supports("avx512vbmi") != 0;
  }
#endif
  return false;
}

}  // namespace lowbit::inline LOWBIT_ISA
