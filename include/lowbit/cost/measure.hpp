// SPDX-License-Identifier: Apache-2.0
// The measured side of the ledger: medians of interleaved timings. Machine speed varies over time,
// so the contestants alternate within each repetition, in alternating order; only their ratios are
// meaningful.
#pragma once

#include "lowbit/core/config.hpp"

#if LOWBIT_HOSTED
#include <time.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

namespace lowbit::inline LOWBIT_ISA {

/// Seconds since an arbitrary point in the past.
using clock_seconds = double (*)();

[[nodiscard]] inline double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
/// CPU time of the calling thread, excluding time taken by other processes. Equals wall_seconds on
/// an idle machine; for single-threaded code.
[[nodiscard]] inline double thread_seconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec t{};
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0) {
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
#endif
  return wall_seconds();
}

struct measure_options {
  std::size_t repetitions = 11;
  double least_seconds = 0;  ///< of one sample: short calls are repeated to reach it
  clock_seconds clock = wall_seconds;
  std::function<void(std::size_t done)> progress = nullptr;  ///< after each repetition, if set
};

/// Seconds per call.
struct timing {
  double median = 0;
  double lowest = 0;
};

[[nodiscard]] inline double median_of(std::vector<double> values) {
  LOWBIT_EXPECTS(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// The timing of each contestant, in order. Each is called once before timing begins.
[[nodiscard]] inline std::vector<timing> measure_interleaved(
    const std::vector<std::function<void()>>& contestants, const measure_options& options) {
  std::vector<std::size_t> calls;
  for (const auto& run : contestants) {
    const double begin = options.clock();
    run();
    const double once = options.clock() - begin;
    calls.push_back(once >= options.least_seconds
                        ? 1
                        : static_cast<std::size_t>(options.least_seconds / std::max(once, 1e-8)) +
                              1);
  }
  const std::size_t count = contestants.size();
  std::vector<std::vector<double>> samples(count);
  for (std::size_t r = 0; r < options.repetitions; ++r) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = r % 2 == 0 ? i : count - 1 - i;
      const double begin = options.clock();
      for (std::size_t c = 0; c < calls[at]; ++c) contestants[at]();
      samples[at].push_back((options.clock() - begin) / static_cast<double>(calls[at]));
    }
    if (options.progress) options.progress(r + 1);
  }
  std::vector<timing> timings;
  timings.reserve(count);
  for (const std::vector<double>& s : samples)
    timings.push_back({median_of(s), *std::min_element(s.begin(), s.end())});
  return timings;
}

}  // namespace lowbit::inline LOWBIT_ISA
#endif
