// SPDX-License-Identifier: Apache-2.0
// Asks the CPU, once per call, which tag it can run, and asks the operating system for what only a
// program may ask. Only programs that carry several instruction sets need it; the library itself
// detects and requests nothing.
#pragma once

#include <string_view>

#include "lowbit/core/config.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if LOWBIT_HOSTED && defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// The CPU has the int8 tiles of AMX. CPUID leaf 7, EDX bits 24 (tiles) and 25 (int8).
[[nodiscard]] inline bool cpu_has_tiles() {
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned tiles = (1U << 24) | (1U << 25);
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & tiles) == tiles;
#else
  return false;
#endif
}

/// arch_prctl of Linux 5.16 and later for the 8 KiB of state that tiles have (component 18 of
/// XSAVE): whether this process may use it, after asking for it where `ask` says so.
[[nodiscard]] inline bool tiles_are_permitted([[maybe_unused]] bool ask) {
#if LOWBIT_HOSTED && defined(__x86_64__) && defined(__linux__)
  constexpr long get_permitted = 0x1022, request = 0x1023;
  constexpr unsigned long tile_data = 18;
  if (ask && syscall(SYS_arch_prctl, request, tile_data) != 0) return false;
  unsigned long permitted = 0;
  return syscall(SYS_arch_prctl, get_permitted, &permitted) == 0 &&
         ((permitted >> tile_data) & 1U) != 0;
#else
  return false;
#endif
}

}  // namespace detail

/// Asks Linux to let this process use the tiles of AMX; true when cpu_runs("amx") from now on. The
/// permission holds for all threads and until the process ends. A thread's context then grows by 8
/// KiB once it uses tiles, and a signal handler's alternative stack must hold them: an earlier one
/// that is too small makes this fail. Without it the first tile instruction is a SIGILL, so call it
/// before an encoder for lowbit::amx runs.
inline bool enable_amx() { return detail::cpu_has_tiles() && detail::tiles_are_permitted(true); }

/// True when this CPU (and its operating system) runs code compiled for the tag of that name. amx
/// only after enable_amx().
[[nodiscard]] inline bool cpu_runs(std::string_view tag) {
  if (tag == "scalar") return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                    __builtin_cpu_supports("bmi2") != 0 && __builtin_cpu_supports("popcnt") != 0;
  if (tag == "avx2") return avx2;
  const bool avx512 =
      avx2 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512cd") != 0 &&
      __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
      __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vpopcntdq") != 0 &&
      __builtin_cpu_supports("avx512vnni") != 0 && __builtin_cpu_supports("avx512vbmi") != 0 &&
      __builtin_cpu_supports("avx512ifma") != 0;
  if (tag == "avx512") return avx512;
  if (tag == "amx") return avx512 && detail::cpu_has_tiles() && detail::tiles_are_permitted(false);
#endif
  return false;
}

}  // namespace lowbit::inline LOWBIT_ISA
