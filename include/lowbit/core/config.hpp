// SPDX-License-Identifier: Apache-2.0
// The only file that inspects the compiler, the target and the build profile; all other code uses
// the macros and constants below. All of lowbit lives in an inline namespace named after the
// instruction set of the translation unit, so two translation units built with different -m flags
// never share a symbol.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#define LOWBIT_VERSION "0.1.0"

#if defined(__FAST_MATH__)
#error "lowbit: -ffast-math breaks the promise that every machine computes the same bits; remove it"
#endif

// 16: more precision for _Float16 only.
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "lowbit: float arithmetic in more precision (x87) gives other bits; use -msse2 -mfpmath=sse"
#endif

/// If 0, core/ to model/ use no heap, iostream, exceptions, RTTI, threads or guarded statics, and
/// need no library at all.
#ifndef LOWBIT_HOSTED
#define LOWBIT_HOSTED 1
#endif

/// The processor, which decides what archs there are (arch/list.hpp).
#if defined(__x86_64__) || defined(__i386__)
#define LOWBIT_X86 1
#else
#define LOWBIT_X86 0
#endif
#if defined(__aarch64__)
#define LOWBIT_AARCH64 1
#else
#define LOWBIT_AARCH64 0
#endif

// Which archs this translation unit may use. The macros test the features listed in arch/list.hpp;
// avx512 and amx also require those of their fallbacks (tests/packaging/arch_features.cmake).

/// 1: the target has a float fused multiply-add instruction; otherwise core/fma.hpp emulates it.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF)
#define LOWBIT_FMA 1
#else
#define LOWBIT_FMA 0
#endif

/// 0: a 32-bit target that counts ones by a library call; kernel/carry_save.hpp needs fewer.
#if defined(__arm__) || (defined(__riscv) && __riscv_xlen == 32 && !defined(__riscv_zbb))
#define LOWBIT_POPCOUNT 0
#else
#define LOWBIT_POPCOUNT 1
#endif

/// 1: a microcontroller with vectors of 128 bits (Helium); it has no popcount either.
#if defined(__ARM_FEATURE_MVE)
#define LOWBIT_HELIUM 1
#else
#define LOWBIT_HELIUM 0
#endif

/// 1: floats are computed by library calls, doubles by several times longer ones.
#if (defined(__arm__) && !defined(__ARM_FP)) || (defined(__riscv) && !defined(__riscv_flen))
#define LOWBIT_SOFT_FLOAT 1
#else
#define LOWBIT_SOFT_FLOAT 0
#endif

#if defined(__AVX2__) && defined(__FMA__) && defined(__BMI2__) && defined(__POPCNT__)
#define LOWBIT_AVX2 1
#else
#define LOWBIT_AVX2 0
#endif

#if LOWBIT_AVX2 && defined(__AVXVNNI__)
#define LOWBIT_AVX_VNNI 1
#else
#define LOWBIT_AVX_VNNI 0
#endif

#if LOWBIT_AVX2 && defined(__AVX512F__) && defined(__AVX512CD__) && defined(__AVX512BW__) && \
    defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512VPOPCNTDQ__) &&        \
    defined(__AVX512VNNI__) && defined(__AVX512VBMI__) && defined(__AVX512IFMA__)
#define LOWBIT_AVX512 1
#else
#define LOWBIT_AVX512 0
#endif

// clang 14 and 15 spell the AMX macros without the middle underscore.
#if LOWBIT_AVX512 && defined(__x86_64__) && (defined(__AMX_TILE__) || defined(__AMXTILE__)) && \
    (defined(__AMX_INT8__) || defined(__AMXINT8__))
#define LOWBIT_AMX 1
#else
#define LOWBIT_AMX 0
#endif

#if LOWBIT_AARCH64 && defined(__ARM_NEON)
#define LOWBIT_NEON 1
#else
#define LOWBIT_NEON 0
#endif

#if LOWBIT_NEON && defined(__ARM_FEATURE_DOTPROD)
#define LOWBIT_DOTPROD 1
#else
#define LOWBIT_DOTPROD 0
#endif

#if LOWBIT_DOTPROD && defined(__ARM_FEATURE_MATMUL_INT8)
#define LOWBIT_I8MM 1
#else
#define LOWBIT_I8MM 0
#endif

#if LOWBIT_AMX
#define LOWBIT_ISA isa_amx
#elif LOWBIT_AVX512
#define LOWBIT_ISA isa_avx512
#elif LOWBIT_AVX_VNNI
#define LOWBIT_ISA isa_avx_vnni
#elif LOWBIT_AVX2
#define LOWBIT_ISA isa_avx2
#elif LOWBIT_I8MM
#define LOWBIT_ISA isa_i8mm
#elif LOWBIT_DOTPROD
#define LOWBIT_ISA isa_dotprod
#elif LOWBIT_NEON
#define LOWBIT_ISA isa_neon
#else
#define LOWBIT_ISA isa_scalar
#endif

/// Traps on a caller's bug (never on bad data), in every build type, without a library call.
#define LOWBIT_EXPECTS(condition)  \
  do {                             \
    if (!(condition)) [[unlikely]] \
      __builtin_trap();            \
  } while (false)

/// Sanitizer builds define this as plain inline: with every access instrumented, forced inlining
/// makes compilation five times slower.
#ifndef LOWBIT_INLINE
#define LOWBIT_INLINE inline __attribute__((always_inline))
#endif
#define LOWBIT_NOINLINE __attribute__((noinline))
/// For code that runs once per model: optimized for size, compiled quickly and never inlined. Do
/// not use it on code that a forward pass calls: compilers treat any path to a cold call as
/// unlikely.
#define LOWBIT_COLD __attribute__((cold, noinline))

/// Returns the status of `expression` from the enclosing function if it is an error.
#define LOWBIT_TRY(expression)                                                                    \
  do {                                                                                            \
    if (auto lowbit_try_status = (expression); !lowbit_try_status.ok()) return lowbit_try_status; \
  } while (false)

/// LOWBIT_TRY_ASSIGN(const auto x, f()): assigns the value of the result returned by f() to x, or
/// returns its error status from the enclosing function.
#define LOWBIT_TRY_ASSIGN(variable, ...) \
  LOWBIT_TRY_ASSIGN_AS(LOWBIT_JOIN(lowbit_result_, __LINE__), variable, __VA_ARGS__)
#define LOWBIT_TRY_ASSIGN_AS(result, variable, ...)        \
  auto result = (__VA_ARGS__); /* NOLINT: one statement */ \
  if (!result) return result.status();                     \
  variable = *std::move(result)
#define LOWBIT_JOIN(a, b) LOWBIT_JOIN_EXPANDED(a, b)
#define LOWBIT_JOIN_EXPANDED(a, b) a##b

static_assert(std::endian::native == std::endian::little,
              "lowbit: stored rows are little-endian and are read in place");

namespace lowbit::inline LOWBIT_ISA {

/// Number of virtual lanes of every float reduction (docs/numerics.md#lanes).
inline constexpr std::size_t virtual_lanes = 16;

/// Alignment of every buffer that a kernel reads: one AVX-512 vector, one cache line.
inline constexpr std::size_t buffer_alignment = 64;

}  // namespace lowbit::inline LOWBIT_ISA
