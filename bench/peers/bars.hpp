// SPDX-License-Identifier: Apache-2.0
// Performance targets (bars): minimum speedups of lowbit over a peer in the same contest.
#pragma once

#include "turns.hpp"

namespace lowbit_bench {

struct bar {
  std::string contest;
  std::string ours;
  std::string rival;
  double least;  // seconds of the rival / seconds of ours
};

struct bar_result {
  bar of;
  double ratio = 0;  // 0: not measured
  std::string why;   // reason if it is not measured
  [[nodiscard]] bool passed() const { return why.empty() && ratio >= of.least; }
};

/// All bars on the product and encoder contests, in print order.
std::vector<bar> all_bars();

/// Checks the bars against the report. `best_arch`: bars are defined for AVX-512 with VNNI and
/// VPOPCNTDQ, and not measured on other archs.
std::vector<bar_result> judge(const std::vector<bar>& bars, const peer_report& report,
                              const std::string& arch);

inline constexpr double peak_megabytes_bar = 30;  // bibert BERT-base, at most

}  // namespace lowbit_bench
