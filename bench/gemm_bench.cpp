// SPDX-License-Identifier: Apache-2.0
// lowbit_bench: every product on every arch at every size of the table, and OpenBLAS; packing,
// epilogues, layer norm and encoding are timed separately.
//   bm_gemm/b1s/avx512/M:128/N:768/K:768     product alone; accumulators are stored
//   bm_gemm_bits, bm_gemm_floats             thresholded to bits; scaled and biased
#include <benchmark/benchmark.h>

#include "openblas.hpp"
#include "problem.hpp"

namespace lowbit_bench {
namespace {

std::string name_of(const char* what, const char* op, const char* arch, const gemm_shape& s) {
  return std::string(what) + "/" + op + "/" + arch + "/M:" + std::to_string(s.m) +
         "/N:" + std::to_string(s.n) + "/K:" + std::to_string(s.k);
}

void count(benchmark::State& state, double macs, std::size_t weight_bytes) {
  using benchmark::Counter;
  state.counters["GMAC/s"] = Counter(1e-9 * macs, Counter::kIsIterationInvariantRate);
  state.counters["weight_bytes"] = Counter(static_cast<double>(weight_bytes));
}

void time_gemm(benchmark::State& state, product p, ending e, const gemm_shape& shape,
               const kernels& table) {
  problem work(p, shape);
  work.pack_for(table);
  if (const std::string wrong = work.check(e); !wrong.empty()) {
    state.SkipWithError(wrong.c_str());
    return;
  }
  for (auto _ : state) {
    work.run(e);
    benchmark::ClobberMemory();
  }
  count(state, work.macs(), work.weight_bytes());
}

void time_pack(benchmark::State& state, product p, const gemm_shape& shape, const kernels& table) {
  problem work(p, {1, shape.n, shape.k});
  for (auto _ : state) work.pack_for(table);
  state.counters["weight_bytes"] = static_cast<double>(work.weight_bytes());
}

void time_openblas(benchmark::State& state, const gemm_shape& shape) {
  const problem work(product::f32, shape);
  std::vector<float> out(shape.m * shape.n);
  for (auto _ : state) {
    if (shape.m == 1) {  // sgemm is several times slower for one row
      openblas_gemv(shape.n, shape.k, work.a().data(), work.weights().data(), false, out.data());
    } else {
      openblas_gemm(shape.m, shape.n, shape.k, work.a().data(), work.weights().data(), false,
                    out.data());
    }
    benchmark::ClobberMemory();
  }
  count(state, work.macs(), work.weights().size() * sizeof(float));
}

void register_gemm(const kernels& table) {
  for (const gemm_shape& shape : gemm_shapes) {
    for (const product p : products) {
      const auto add = [&](const char* what, ending e) {
        const std::string name = name_of(what, lowbit_bench::name_of(p), table.arch, shape);
        benchmark::RegisterBenchmark(name.c_str(), [p, e, &shape, &table](benchmark::State& s) {
          time_gemm(s, p, e, shape, table);
        });
      };
      add("bm_gemm", ending::plain);
      if (p == product::f32) continue;
      add("bm_gemm_bits", ending::bits);
      add("bm_gemm_floats", ending::floats);
    }
    for (const product p : {product::f32, product::b1s}) {
      if (shape.m == 1) continue;  // packing does not depend on M
      benchmark::RegisterBenchmark(
          name_of("bm_pack", lowbit_bench::name_of(p), table.arch, shape).c_str(),
          [p, &shape, &table](benchmark::State& s) { time_pack(s, p, shape, table); });
    }
  }
}

/// Operations between the products: layer norm and encoding to bits.
struct rows {
  static constexpr std::size_t tokens = 128;
  static constexpr std::size_t hidden = 768;
  std::vector<float> x = std::vector<float>(tokens * hidden);
  std::vector<float> out = std::vector<float>(tokens * hidden);
  std::vector<std::uint64_t> bits = std::vector<std::uint64_t>(tokens * lowbit::words_for(hidden));
  std::vector<float> gamma = std::vector<float>(hidden, 0.9F);
  std::vector<float> beta = std::vector<float>(hidden, 0.1F);

  rows() {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) - 50.0F;
  }
  [[nodiscard]] bool bits_are_right() const {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::uint64_t* row = bits.data() + i / hidden * lowbit::words_for(hidden);
      if ((lowbit::extract_bits(row, i % hidden, 1) == 1) != (x[i] < 0.0F)) return false;
    }
    return true;
  }
  static void count(benchmark::State& state) {
    state.counters["values/s"] =
        benchmark::Counter(tokens * hidden, benchmark::Counter::kIsIterationInvariantRate);
  }
};

void time_encode(benchmark::State& state, const kernels& table) {
  rows r;
  table.encode(r.x.data(), rows::tokens, rows::hidden, rows::hidden, r.bits.data());
  if (!r.bits_are_right()) {
    state.SkipWithError("a bit differs from the sign of its value");
    return;
  }
  for (auto _ : state) {
    table.encode(r.x.data(), rows::tokens, rows::hidden, rows::hidden, r.bits.data());
    benchmark::ClobberMemory();
  }
  rows::count(state);
}

void time_layer_norm(benchmark::State& state, const kernels& table) {
  rows r;
  const auto run = [&r](const kernels& on, const lowbit::aligned_buffer& memory) {
    on.layer_norm(memory.data(), r.x.data(), rows::tokens, rows::hidden, r.out.data());
  };
  const auto load = [&r](const kernels& on) {
    lowbit::aligned_buffer memory(on.layer_norm_bytes(rows::hidden));
    on.load_layer_norm(r.gamma.data(), r.beta.data(), rows::hidden, memory.data());
    return memory;
  };
  run(kernels_scalar, load(kernels_scalar));
  const std::vector<float> expected = r.out;
  const lowbit::aligned_buffer memory = load(table);
  run(table, memory);
  if (r.out != expected) {
    state.SkipWithError("differs from the scalar arch");
    return;
  }
  for (auto _ : state) {
    run(table, memory);
    benchmark::ClobberMemory();
  }
  rows::count(state);
}

void register_rows(const kernels& table) {
  const std::string size = "/T:128/D:768";
  benchmark::RegisterBenchmark(("bm_encode/b1s/" + std::string(table.arch) + size).c_str(),
                               [&table](benchmark::State& s) { time_encode(s, table); });
  benchmark::RegisterBenchmark(("bm_layer_norm/f32/" + std::string(table.arch) + size).c_str(),
                               [&table](benchmark::State& s) { time_layer_norm(s, table); });
}

}  // namespace
}  // namespace lowbit_bench

int main(int argc, char** argv) {
  using namespace lowbit_bench;
  force_openblas_core(argv);
  for (const kernels* table : usable_kernels()) {
    register_gemm(*table);
    register_rows(*table);
  }
  if (has_openblas()) {
    for (const gemm_shape& shape : gemm_shapes) {
      benchmark::RegisterBenchmark(name_of("bm_gemm", "f32", "openblas", shape).c_str(),
                                   [&shape](benchmark::State& s) { time_openblas(s, shape); });
    }
  }
  benchmark::AddCustomContext("openblas", openblas_description());
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
