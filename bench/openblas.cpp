// SPDX-License-Identifier: Apache-2.0
#include "openblas.hpp"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "lowbit/arch/detect.hpp"

#ifdef LOWBIT_BENCH_OPENBLAS
#include <cblas.h>
#endif

namespace lowbit_bench {

#ifdef LOWBIT_BENCH_OPENBLAS

namespace {

const char* wanted_core() {
  if (lowbit::cpu_runs("avx512")) return "SKYLAKEX";
  return lowbit::cpu_runs("avx2") ? "HASWELL" : nullptr;
}

bool is_set(const char* variable, const char* value) {
  const char* now = std::getenv(variable);
  return now != nullptr && std::strcmp(now, value) == 0;
}

int size_of(std::size_t n) { return static_cast<int>(n); }

}  // namespace

bool has_openblas() { return true; }

void force_openblas_core(char** argv) {
  const char* core = wanted_core();
  if (core == nullptr || (is_set("OPENBLAS_CORETYPE", core) && is_set("OPENBLAS_NUM_THREADS", "1")))
    return;
  setenv("OPENBLAS_CORETYPE", core, 1);
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  execv("/proc/self/exe", argv);  // returns only on failure; openblas_core_is_right then reports it
}

bool openblas_core_is_right() {
  const char* core = wanted_core();
  if (openblas_get_num_threads() != 1) return false;
  return core == nullptr || strcasecmp(openblas_get_corename(), core) == 0;
}

std::string openblas_description() {
  std::string text = openblas_get_config();
  text += ", core type in use " + std::string(openblas_get_corename()) + ", threads " +
          std::to_string(openblas_get_num_threads());
  if (!openblas_core_is_right())
    text += " (WEAK BASELINE: set OPENBLAS_CORETYPE and OPENBLAS_NUM_THREADS=1)";
  return text;
}

void openblas_gemm(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* w,
                   bool transposed, float* out) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasNoTrans : CblasTrans, size_of(m),
              size_of(n), size_of(k), 1.0F, a, size_of(k), w, size_of(transposed ? n : k), 0.0F,
              out, size_of(n));
}

void openblas_gemv(std::size_t n, std::size_t k, const float* a, const float* w, bool transposed,
                   float* out) {
  if (transposed) {
    cblas_sgemv(CblasRowMajor, CblasTrans, size_of(k), size_of(n), 1.0F, w, size_of(n), a, 1, 0.0F,
                out, 1);
  } else {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, size_of(n), size_of(k), 1.0F, w, size_of(k), a, 1,
                0.0F, out, 1);
  }
}

#else

bool has_openblas() { return false; }
void force_openblas_core(char**) {}
bool openblas_core_is_right() { return false; }
std::string openblas_description() { return "none: built without OpenBLAS"; }
void openblas_gemm(std::size_t, std::size_t, std::size_t, const float*, const float*, bool,
                   float*) {}
void openblas_gemv(std::size_t, std::size_t, const float*, const float*, bool, float*) {}

#endif

}  // namespace lowbit_bench
