// SPDX-License-Identifier: Apache-2.0
// The list of archs, lowest first. Everything that enumerates archs uses it: the tags (tags.hpp),
// detection and messages (detect.hpp), the build (cmake/lowbit_archs.cmake reads this file as
// text), the program's engines, tests and benchmarks. It consists of macros so that plain data
// outside lowbit's inline namespace can be declared with it.
#pragma once

#include "lowbit/core/config.hpp"

/// X(tag, fallback, compiled, on_request, bytes_only)
///   fallback    the arch that supplies whatever the tag does not define
///   compiled    whether the flags of this translation unit enable it
///   on_request  whether a program must first ask the operating system: such a tag is never
///               `native`
///   bytes_only  whether it differs from its fallback in byte products alone: a program that
///               includes it also includes its fallback, which runs all other policies
///
/// Only the tags of the target's processor exist.
/// avx2: every x86-64 server and desktop core since 2015. avx_vnni: client cores without AVX-512
/// (Alder Lake and later). avx512: Ice Lake, Zen 4 and later. amx: the int8 tiles of Sapphire
/// Rapids and later.
/// neon: every 64-bit Arm core. dotprod: Cortex-A55, A76, Neoverse N1, Apple M1 and later. i8mm:
/// Cortex-A510, A710, Neoverse V1, N2, Apple M2 and later.
#if LOWBIT_X86
#define LOWBIT_EACH_ARCH(X)                       \
  X(scalar, void, 1, false, false)                \
  X(avx2, scalar, LOWBIT_AVX2, false, false)      \
  X(avx_vnni, avx2, LOWBIT_AVX_VNNI, false, true) \
  X(avx512, avx2, LOWBIT_AVX512, false, false)    \
  X(amx, avx512, LOWBIT_AMX, true, true)
#elif LOWBIT_AARCH64
#define LOWBIT_EACH_ARCH(X)                      \
  X(scalar, void, 1, false, false)               \
  X(neon, scalar, LOWBIT_NEON, false, false)     \
  X(dotprod, neon, LOWBIT_DOTPROD, false, false) \
  X(i8mm, dotprod, LOWBIT_I8MM, false, false)
#else
#define LOWBIT_EACH_ARCH(X) X(scalar, void, 1, false, false)
#endif

/// F(feature, asked): the features a tag needs beyond its fallback, spelled as in the compilers' -m
/// options, and how each is checked at run time (detect.hpp). core/config.hpp tests their macros.
/// No kernel uses CD or IFMA, but xsimd rejects flags without them, and every CPU that has the
/// other features has both. On Arm a flag names all features at once, and the check is named after
/// the feature in Linux's /proc/cpuinfo.
// clang-format off
#define LOWBIT_FEATURES_scalar(F)
#define LOWBIT_FEATURES_avx2(F) F("avx2", x86) F("fma", x86) F("bmi2", x86) F("popcnt", x86)
#define LOWBIT_FEATURES_avx_vnni(F) F("avxvnni", x86_leaf_7_1)
#define LOWBIT_FEATURES_avx512(F)                                                               \
  F("avx512f", x86) F("avx512cd", x86) F("avx512bw", x86) F("avx512dq", x86) F("avx512vl", x86) \
  F("avx512vpopcntdq", x86) F("avx512vnni", x86) F("avx512vbmi", x86) F("avx512ifma", x86)
#define LOWBIT_FEATURES_amx(F) F("amx-tile", x86_tiles) F("amx-int8", x86_tiles)
#define LOWBIT_FEATURES_neon(F) F("arch=armv8-a", arm_asimd)
#define LOWBIT_FEATURES_dotprod(F) F("arch=armv8.2-a+dotprod", arm_asimddp)
#define LOWBIT_FEATURES_i8mm(F) F("arch=armv8.2-a+dotprod+i8mm", arm_i8mm)
// clang-format on
