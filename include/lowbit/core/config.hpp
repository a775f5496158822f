// SPDX-License-Identifier: Apache-2.0
// The only place that looks at the compiler, the target and the build profile. Everything else asks
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

/// 0: no heap, iostream, exceptions, RTTI, threads or guarded statics; then core/ to model/ need no
/// library at all.
#ifndef LOWBIT_HOSTED
#define LOWBIT_HOSTED 1
#endif

// Which archs this translation unit may use: it asks for the features of arch/list.hpp, of which
// avx512 and amx need those below them, too (tests/packaging/arch_features.cmake).

/// 1: the target has a fused multiply-add of floats; else core/fma.hpp computes it.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF)
#define LOWBIT_FMA 1
#else
#define LOWBIT_FMA 0
#endif

#if defined(__AVX2__) && defined(__FMA__) && defined(__BMI2__) && defined(__POPCNT__)
#define LOWBIT_AVX2 1
#else
#define LOWBIT_AVX2 0
#endif

#if LOWBIT_AVX2 && defined(__AVX512F__) && defined(__AVX512CD__) && defined(__AVX512BW__) && \
    defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512VPOPCNTDQ__) &&        \
    defined(__AVX512VNNI__) && defined(__AVX512VBMI__) && defined(__AVX512IFMA__)
#define LOWBIT_AVX512 1
#else
#define LOWBIT_AVX512 0
#endif

// clang 14 and 15 spell the macros without the underscore in the middle.
#if LOWBIT_AVX512 && defined(__x86_64__) && (defined(__AMX_TILE__) || defined(__AMXTILE__)) && \
    (defined(__AMX_INT8__) || defined(__AMXINT8__))
#define LOWBIT_AMX 1
#else
#define LOWBIT_AMX 0
#endif

#if LOWBIT_AMX
#define LOWBIT_ISA isa_amx
#elif LOWBIT_AVX512
#define LOWBIT_ISA isa_avx512
#elif LOWBIT_AVX2
#define LOWBIT_ISA isa_avx2
#else
#define LOWBIT_ISA isa_scalar
#endif

/// A caller's bug (never bad data): stops at once, in every build type, without a library call.
#define LOWBIT_EXPECTS(condition)  \
  do {                             \
    if (!(condition)) [[unlikely]] \
      __builtin_trap();            \
  } while (false)

/// A build with sanitizers defines it as inline: with every access instrumented, functions that are
/// forced into one another take five times as long to compile.
#ifndef LOWBIT_INLINE
#define LOWBIT_INLINE inline __attribute__((always_inline))
#endif
#define LOWBIT_NOINLINE __attribute__((noinline))
/// Of what runs once for a model: small and compiled quickly, and not copied into its callers. Not
/// of what a run calls: compilers take a path that calls it for one that hardly ever runs.
#define LOWBIT_COLD __attribute__((cold, noinline))

/// Returns the status of `expression` from the enclosing function when it is an error.
#define LOWBIT_TRY(expression)                                                                    \
  do {                                                                                            \
    if (auto lowbit_try_status = (expression); !lowbit_try_status.ok()) return lowbit_try_status; \
  } while (false)

/// LOWBIT_TRY_ASSIGN(const auto x, f()): x is the value of the result that f() returns; returns the
/// status of a failure from the calling function.
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

/// The number of virtual lanes of every float reduction (docs/numerics.md#lanes).
inline constexpr std::size_t virtual_lanes = 16;

/// Alignment of every buffer that a kernel reads: one AVX-512 vector, one cache line.
inline constexpr std::size_t buffer_alignment = 64;

}  // namespace lowbit::inline LOWBIT_ISA
