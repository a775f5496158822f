// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdio>

#include "byte_arch.hpp"
#include "contestants.hpp"
#include "contests.hpp"
#include "limits.hpp"

namespace lowbit_bench {
namespace {

const limit_loops& loops_of(const std::string& arch) {
#define X(tag) &limits_##tag,
  for (const limit_loops* table : {LOWBIT_BENCH_EACH_ARCH}) {
    if (arch == table->arch) return *table;
  }
#undef X
  return limits_scalar;
}

}  // namespace

std::string product_contest(std::size_t m, const product_size& size) {
  return "gemm M=" + std::to_string(m) + " N=" + std::to_string(size.n) +
         " K=" + std::to_string(size.k);
}

std::string compare_floats(const problem& f32, const std::vector<float>& out) {
  const auto [m, n, k] = f32.shape();
  const float bound = 1e-6F * static_cast<float>(k);
  for (std::size_t r = 0; r < m; ++r) {
    for (std::size_t o = 0; o < n; ++o) {
      const float expected = f32.floats()[r * f32.out_stride() + o];
      if (!(std::abs(expected - out[r * n + o]) <= bound)) {
        return "element " + std::to_string(r) + "," + std::to_string(o) + " is " +
               std::to_string(out[r * n + o]) + ", lowbit's " + std::to_string(expected);
      }
    }
  }
  return {};
}

core_limits measure_limits(const peer_options& options) {
  constexpr std::size_t steps = 20000;
  const limit_loops& loops = loops_of(options.table->arch);
  const auto measured = [&](const limit_loop& loop) {
    if (loop.run == nullptr) return 0.0;
    turn_options turns;
    turns.seconds = options.seconds / 4;
    // The fastest sample: a limit should be free of disturbances.
    const auto result = take_turns({[&loop] { loop.run(steps); }}, turns);
    return 1e-9 * loop.macs_per_step * static_cast<double>(steps) / result[0].time.lowest;
  };
  const limit_loops& byte_loops = loops_of(byte_arch(*options.table));
  return {measured(loops.f32), measured(byte_loops.int8), measured(loops.binary)};
}

void contest_products(const peer_options& options, peer_report& report) {
  turn_options turns;
  turns.seconds = options.seconds;
  for (const std::size_t m : product_rows) {
    for (const product_size& size : product_sizes) {
      const std::string name = product_contest(m, size);
      if (options.narrate) std::fprintf(stderr, "%s\n", name.c_str());
      problem f32(product::f32, {m, size.n, size.k});
      f32.pack_for(*options.table);
      if (const std::string wrong = f32.check(ending::plain); !wrong.empty()) {
        report.wrong.push_back(wrong);
        continue;
      }
      const product_context context{f32.shape(), *options.table, f32, report};
      std::vector<contestant> entries;
      for (const product_entry add : all_entries) add(context, entries);
      hold_contest(name, f32.macs(), std::move(entries), turns, report);
    }
  }
}

}  // namespace lowbit_bench
