// SPDX-License-Identifier: Apache-2.0
// What lowbit holds itself to: so many times faster than a peer in the same contest.
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
  std::string why;   // when it does not count
  [[nodiscard]] bool passed() const { return why.empty() && ratio >= of.least; }
};

/// Every bar on the product and encoder contests, in the order in which they are printed.
std::vector<bar> all_bars();

/// The bars against the report. `best_arch`: with another, a bar is not measured, for they are
/// stated for AVX-512 with VNNI and VPOPCNTDQ.
std::vector<bar_result> judge(const std::vector<bar>& bars, const peer_report& report,
                              const std::string& arch);

inline constexpr double peak_megabytes_bar = 30;  // bibert BERT-base, at most

}  // namespace lowbit_bench
