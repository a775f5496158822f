// SPDX-License-Identifier: Apache-2.0
// Asks the CPU, once per call, which tag it can run, and asks the operating system for what only a
// program may ask. Only programs that carry several instruction sets need it; the library itself
// detects and requests nothing.
#pragma once

#include <array>
#include <string_view>

#include "lowbit/arch/list.hpp"

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

// Who is asked for a feature of arch/list.hpp.
#if defined(__x86_64__)
#define LOWBIT_ASK_x86(feature) (__builtin_cpu_supports(feature) != 0)
#define LOWBIT_ASK_x86_tiles(feature) \
  (detail::cpu_has_tiles() && detail::tiles_are_permitted(false))
#else
#define LOWBIT_ASK_x86(feature) false
#define LOWBIT_ASK_x86_tiles(feature) false
#endif
#define LOWBIT_AND_ASK(feature, asked) &&LOWBIT_ASK_##asked(feature)
#define LOWBIT_ANSWER(tag, below, ...)                                        \
  const bool runs_##tag = runs_##below LOWBIT_FEATURES_##tag(LOWBIT_AND_ASK); \
  if (name == #tag) return runs_##tag;

/// True when this CPU (and its operating system) runs code compiled for the tag of that name. amx
/// only after enable_amx().
[[nodiscard]] inline bool cpu_runs(std::string_view name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  constexpr bool runs_void = true;  // below the lowest
  LOWBIT_EACH_ARCH(LOWBIT_ANSWER)
  return false;
}

#undef LOWBIT_ANSWER
#undef LOWBIT_AND_ASK
#undef LOWBIT_ASK_x86_tiles
#undef LOWBIT_ASK_x86

namespace detail {

#define LOWBIT_COMMA_NAME(tag, ...) ", " #tag
inline constexpr std::string_view comma_names = LOWBIT_EACH_ARCH(LOWBIT_COMMA_NAME);
#undef LOWBIT_COMMA_NAME

/// ", a, b, c" as "a, b or c".
inline constexpr auto arch_names = [] {
  std::array<char, comma_names.size()> text{};
  constexpr std::string_view comma = ", ", before_last = " or ";
  constexpr std::size_t last = comma_names.rfind(comma);
  char* end = text.data();
  for (std::size_t i = comma.size(); i < last; ++i) *end++ = comma_names[i];
  for (const char c : before_last) *end++ = c;
  for (std::size_t i = last + comma.size(); i < comma_names.size(); ++i) *end++ = comma_names[i];
  return text;
}();

}  // namespace detail

/// Whether there is a tag of that name, in this program or not.
[[nodiscard]] constexpr bool is_known_arch(std::string_view name) {
#define LOWBIT_OR_IS_NAME(tag, ...) || name == #tag
  return false LOWBIT_EACH_ARCH(LOWBIT_OR_IS_NAME);
#undef LOWBIT_OR_IS_NAME
}
/// The names of all tags, for messages: "a, b or c".
[[nodiscard]] constexpr std::string_view known_archs() {
  return {detail::arch_names.data(), detail::arch_names.size()};
}

}  // namespace lowbit::inline LOWBIT_ISA
