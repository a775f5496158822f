// SPDX-License-Identifier: Apache-2.0
// OpenBLAS as the f32 peer, forced to its AVX-512 (otherwise AVX2) kernels and one thread: it does
// not recognize every CPU, and treating one as an older model makes a weak baseline.
#pragma once

#include <cstddef>
#include <string>

namespace lowbit_bench {

/// Whether this program was built with OpenBLAS.
[[nodiscard]] bool has_openblas();

/// OpenBLAS selects its kernels before main() runs, so the first call sets its environment and
/// restarts the program with the same arguments. Call this first in main.
void force_openblas_core(char** argv);

/// Version, core type in use and threads, followed by a warning if they are wrong.
[[nodiscard]] std::string openblas_description();
[[nodiscard]] bool openblas_core_is_right();

/// out (M, N) = a (M, K) w^T. w is (N, K), or with transposed (K, N).
void openblas_gemm(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* w,
                   bool transposed, float* out);
/// out (N) = w a for one row a (K).
void openblas_gemv(std::size_t n, std::size_t k, const float* a, const float* w, bool transposed,
                   float* out);

}  // namespace lowbit_bench
