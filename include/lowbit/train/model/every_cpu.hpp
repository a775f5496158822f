// SPDX-License-Identifier: Apache-2.0
// The trainer's own loops are compiled once per instruction set and selected at program start:
// unlike the runtime's, they need not give equal bits, and a flag for the whole program would
// exclude older machines. They are always optimized, even if the rest of the file is not, because
// libtorch's headers make optimized files slow to compile.
#pragma once

#if defined(__x86_64__) && defined(__ELF__) && !defined(__clang__)
#define LOWBIT_EVERY_CPU \
  __attribute__((optimize("O3", "no-math-errno"), target_clones("avx512f", "avx2", "default")))
#elif defined(__x86_64__) && defined(__ELF__)
#define LOWBIT_EVERY_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LOWBIT_EVERY_CPU
#endif
