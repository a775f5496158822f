// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "contest.hpp"
#include "lowbit/cost/measure.hpp"
#include "openblas.hpp"
#include "problem.hpp"

namespace lowbit_bench {
namespace {

struct bars {
  gemm_shape shape;
  double one_bit;
  double f32;
};
/// Performance targets for one core with AVX-512 and VPOPCNTDQ.
constexpr bars sizes[] = {
    {{128, 3072, 768}, 20, 0.85},
    {{128, 768, 3072}, 20, 0.85},
    {{128, 768, 768}, 0, 0.85},
    {{1, 3072, 768}, 40, 0.85},
};

/// OpenBLAS called in every applicable way; the fastest is the rival.
class peer {
 public:
  peer(const problem& f32, std::vector<float>& out) : f32_(f32), out_(out) {
    const auto [m, n, k] = f32.shape();
    transposed_.resize(n * k);
    for (std::size_t o = 0; o < n; ++o) {
      for (std::size_t j = 0; j < k; ++j) transposed_[j * n + o] = f32.weights()[o * k + j];
    }
  }
  void gemm(bool transposed) {
    const auto [m, n, k] = f32_.shape();
    openblas_gemm(m, n, k, f32_.a().data(), weights(transposed), transposed, out_.data());
  }
  void gemv(bool transposed) {
    const auto [m, n, k] = f32_.shape();
    openblas_gemv(n, k, f32_.a().data(), weights(transposed), transposed, out_.data());
  }

 private:
  [[nodiscard]] const float* weights(bool transposed) const {
    return transposed ? transposed_.data() : f32_.weights().data();
  }
  const problem& f32_;
  std::vector<float>& out_;
  std::vector<float> transposed_;
};

/// OpenBLAS uses a different summation order: |difference| <= K eps times the sum of magnitudes,
/// which is at most K for values within [-1, 1]. NaN fails.
bool agrees(const problem& f32, const std::vector<float>& peer_out) {
  const auto [m, n, k] = f32.shape();
  const float bound = 1e-6F * static_cast<float>(k);
  for (std::size_t r = 0; r < m; ++r) {
    for (std::size_t o = 0; o < n; ++o) {
      if (!(std::abs(f32.floats()[r * f32.out_stride() + o] - peer_out[r * n + o]) <= bound))
        return false;
    }
  }
  return true;
}

std::string title(const char* what, const gemm_shape& s) {
  return std::string(what) + " " + std::to_string(s.m) + "x" + std::to_string(s.n) + "x" +
         std::to_string(s.k);
}

void note(ratio_report& report, const std::string& wrong) {
  if (!wrong.empty()) report.wrong.push_back(wrong);
}

void contest_size(const contest_options& options, const bars& size, ratio_report& report) {
  const gemm_shape& shape = size.shape;
  problem f32(product::f32, shape);
  problem one_bit(product::b1s, shape);
  problem one_bit_floats(product::b1s, shape);
  for (problem* p : {&f32, &one_bit, &one_bit_floats}) p->pack_for(*options.table);
  note(report, f32.check(ending::plain));
  note(report, one_bit.check(ending::bits));
  note(report, one_bit_floats.check(ending::floats));

  std::vector<std::function<void()>> runs{[&] { one_bit.run(ending::bits); },
                                          [&] { one_bit_floats.run(ending::floats); },
                                          [&] { f32.run(ending::plain); }};
  const std::size_t ours = runs.size();
  std::vector<float> out(shape.m * shape.n);
  peer rival(f32, out);
  std::vector<const char*> names;
  if (has_openblas()) {
    const auto add = [&](const char* name, std::function<void()> run) {
      std::fill(out.begin(), out.end(), NAN);
      run();
      if (!agrees(f32, out)) note(report, title(name, shape) + ": OpenBLAS and lowbit disagree");
      names.push_back(name);
      runs.push_back(std::move(run));
    };
    add("sgemm W", [&] { rival.gemm(false); });
    add("sgemm W^T", [&] { rival.gemm(true); });
    if (shape.m == 1) {
      add("sgemv W", [&] { rival.gemv(false); });
      add("sgemv W^T", [&] { rival.gemv(true); });
    }
  }
  const auto timings =
      lowbit::measure_interleaved(runs, {options.repetitions, 0.001, lowbit::thread_seconds, {}});
  const auto row = [&](const char* what, std::size_t at, double bar) {
    ratio_row r;
    r.what = title(what, shape);
    r.milliseconds = 1e3 * timings[at].median;
    r.gigamacs_per_second = 1e-9 * f32.macs() / timings[at].median;
    r.bar = bar;
    if (names.empty()) {
      r.unmeasured = "built without OpenBLAS";
    } else {
      const auto best =
          std::min_element(timings.begin() + static_cast<std::ptrdiff_t>(ours), timings.end(),
                           [](const auto& a, const auto& b) { return a.median < b.median; });
      const auto index = static_cast<std::size_t>(best - timings.begin()) - ours;
      r.rival = std::string("OpenBLAS ") + names[index];
      r.rival_milliseconds = 1e3 * best->median;
    }
    if (bar > 0 && !options.has_bars) r.unmeasured = "the bar is for AVX-512, this CPU lacks it";
    report.rows.push_back(r);
  };
  row("b1s to bits", 0, size.one_bit);
  row("b1s to floats", 1, 0);
  row("f32", 2, size.f32);
}

}  // namespace

void contest_products(const contest_options& options, ratio_report& report) {
  for (const bars& size : sizes) contest_size(options, size, report);
}

}  // namespace lowbit_bench
