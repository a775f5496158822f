// SPDX-License-Identifier: Apache-2.0
// OpenBLAS called in every applicable way; the best counts as OpenBLAS.
#include <cmath>

#include "contestants.hpp"
#include "openblas.hpp"

namespace lowbit_bench {
namespace {

struct blas_problem {
  gemm_shape shape;
  std::vector<float> a, weights, transposed, out;  // (M, K), (N, K), (K, N), (M, N)

  explicit blas_problem(const problem& f32)
      : shape(f32.shape()),
        a(f32.a()),
        weights(f32.weights()),
        transposed(weights.size()),
        out(shape.m * shape.n) {
    for (std::size_t o = 0; o < shape.n; ++o) {
      for (std::size_t j = 0; j < shape.k; ++j)
        transposed[j * shape.n + o] = weights[o * shape.k + j];
    }
  }
  void gemm(bool turned) {
    openblas_gemm(shape.m, shape.n, shape.k, a.data(), (turned ? transposed : weights).data(),
                  turned, out.data());
  }
  void gemv(bool turned) {
    openblas_gemv(shape.n, shape.k, a.data(), (turned ? transposed : weights).data(), turned,
                  out.data());
  }
};

}  // namespace

void add_openblas(const product_context& context, std::vector<contestant>& entries) {
  if (!has_openblas()) {
    context.report.note_absent("OpenBLAS", openblas_description());
    return;
  }
  const auto work = std::make_shared<blas_problem>(context.f32);
  const auto add = [&](const char* name, auto run) {
    entries.push_back({std::string("OpenBLAS f32 ") + name, run, [work, run, &context] {
                         work->out.assign(work->out.size(), NAN);
                         run();
                         return compare_floats(context.f32, work->out);
                       }});
  };
  add("sgemm W", [work] { work->gemm(false); });
  add("sgemm W^T", [work] { work->gemm(true); });
  if (context.shape.m == 1) {
    add("sgemv W", [work] { work->gemv(false); });
    add("sgemv W^T", [work] { work->gemv(true); });
  }
}

}  // namespace lowbit_bench
