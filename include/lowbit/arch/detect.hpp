// SPDX-License-Identifier: Apache-2.0
// Detects at run time which tags the CPU can run and requests OS permission for AMX. Only for
// programs that carry several instruction sets; the library itself detects and requests nothing.
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
#if LOWBIT_HOSTED && LOWBIT_AARCH64 && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// True if the CPU has int8 AMX tiles: CPUID leaf 7, EDX bits 24 (tiles) and 25 (int8).
[[nodiscard]] inline bool cpu_has_tiles() {
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned tiles = (1U << 24) | (1U << 25);
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & tiles) == tiles;
#else
  return false;
#endif
}

/// True if the CPU has AVX-VNNI: CPUID leaf 7, subleaf 1, EAX bit 4. clang 14 has no name for it in
/// __builtin_cpu_supports.
[[nodiscard]] inline bool cpu_has_avx_vnni() {
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & (1U << 4)) != 0;
#else
  return false;
#endif
}

/// True if this process may use the 8 KiB of AMX tile state (XSAVE component 18), after requesting
/// it if `ask` is set. Uses arch_prctl of Linux 5.16 and later.
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

/// Bit `bit` of an entry of the auxiliary vector, in which Linux lists the features of an Arm CPU;
/// elsewhere `compiled`, whether this translation unit already requires the feature.
[[nodiscard]] inline bool linux_lists([[maybe_unused]] unsigned long entry,
                                      [[maybe_unused]] unsigned bit,
                                      [[maybe_unused]] bool compiled) {
#if LOWBIT_HOSTED && LOWBIT_AARCH64 && defined(__linux__)
  return ((getauxval(entry) >> bit) & 1U) != 0;
#else
  return compiled;
#endif
}
inline constexpr unsigned long hwcap = 16, hwcap2 = 26;  // AT_HWCAP, AT_HWCAP2

}  // namespace detail

/// Asks Linux to let this process use AMX tiles; if true, cpu_runs("amx") is true from now on. The
/// permission covers all threads and lasts until the process ends. The context of a thread grows by
/// 8 KiB once it uses tiles, and the alternate signal stack must have room for them: if an existing
/// one is too small, the request fails. Without permission the first tile instruction raises
/// SIGILL, so call this before running an encoder for lowbit::amx.
inline bool enable_amx() { return detail::cpu_has_tiles() && detail::tiles_are_permitted(true); }

// The run-time check for each kind of feature in arch/list.hpp.
#if defined(__x86_64__)
#define LOWBIT_ASK_x86(feature) (__builtin_cpu_supports(feature) != 0)
#define LOWBIT_ASK_x86_leaf_7_1(feature) detail::cpu_has_avx_vnni()
#define LOWBIT_ASK_x86_tiles(feature) \
  (detail::cpu_has_tiles() && detail::tiles_are_permitted(false))
#else
#define LOWBIT_ASK_x86(feature) false
#define LOWBIT_ASK_x86_leaf_7_1(feature) false
#define LOWBIT_ASK_x86_tiles(feature) false
#endif
#define LOWBIT_ASK_arm_asimd(feature) detail::linux_lists(detail::hwcap, 1, LOWBIT_NEON != 0)
#define LOWBIT_ASK_arm_asimddp(feature) detail::linux_lists(detail::hwcap, 20, LOWBIT_DOTPROD != 0)
#define LOWBIT_ASK_arm_i8mm(feature) detail::linux_lists(detail::hwcap2, 13, LOWBIT_I8MM != 0)
#define LOWBIT_AND_ASK(feature, asked) &&LOWBIT_ASK_##asked(feature)
#define LOWBIT_ANSWER(tag, below, ...)                                        \
  const bool runs_##tag = runs_##below LOWBIT_FEATURES_##tag(LOWBIT_AND_ASK); \
  if (name == #tag) return runs_##tag;

/// True if this CPU and its operating system can run code compiled for the tag `name`; for amx,
/// only after enable_amx().
[[nodiscard]] inline bool cpu_runs(std::string_view name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  constexpr bool runs_void = true;  // ends the chain below the lowest tag
  LOWBIT_EACH_ARCH(LOWBIT_ANSWER)
  return false;
}

#undef LOWBIT_ANSWER
#undef LOWBIT_AND_ASK
#undef LOWBIT_ASK_arm_i8mm
#undef LOWBIT_ASK_arm_asimddp
#undef LOWBIT_ASK_arm_asimd
#undef LOWBIT_ASK_x86_tiles
#undef LOWBIT_ASK_x86_leaf_7_1
#undef LOWBIT_ASK_x86

namespace detail {

#define LOWBIT_COMMA_NAME(tag, ...) ", " #tag
inline constexpr std::string_view comma_names = LOWBIT_EACH_ARCH(LOWBIT_COMMA_NAME);
#undef LOWBIT_COMMA_NAME

/// Turns ", a, b, c" into "a, b or c", and ", a" into "a".
inline constexpr auto arch_names = [] {
  constexpr std::string_view comma = ", ", or_ = " or ";
  constexpr std::size_t last = comma_names.rfind(comma);
  constexpr std::string_view before_last = last == 0 ? std::string_view{} : or_;
  std::array<char, comma_names.size() - (last == 0 ? comma.size() : 0)> text{};
  char* end = text.data();
  for (std::size_t i = comma.size(); i < last; ++i) *end++ = comma_names[i];
  for (const char c : before_last) *end++ = c;
  for (std::size_t i = last + comma.size(); i < comma_names.size(); ++i) *end++ = comma_names[i];
  return text;
}();

}  // namespace detail

/// True if a tag of that name exists, whether or not this program contains it.
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
