// SPDX-License-Identifier: Apache-2.0
// Which of several models are worth having: those that no other beats in bytes, time and score
// together. And a picture of it.
#pragma once

#include <string>
#include <vector>

#include "lowbit/core/status.hpp"

namespace lowbit_tool {

struct trade_off {
  std::string name;
  double bytes = 0;
  double seconds = 0;
  double score = 0;
};

/// Whether a is nowhere worse than b, and somewhere better.
[[nodiscard]] constexpr bool beats(const trade_off& a, const trade_off& b) {
  const bool no_worse = a.bytes <= b.bytes && a.seconds <= b.seconds && a.score >= b.score;
  return no_worse && (a.bytes < b.bytes || a.seconds < b.seconds || a.score > b.score);
}

/// For each model, whether no other beats it.
[[nodiscard]] inline std::vector<bool> pareto_front(const std::vector<trade_off>& all) {
  std::vector<bool> front(all.size(), true);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const trade_off& other : all) front[i] = front[i] && !beats(other, all[i]);
  }
  return front;
}

/// Score over bytes (logarithmic), with names and milliseconds; the front is filled.
[[nodiscard]] std::string pareto_svg(const std::vector<trade_off>& all, const std::string& metric);

}  // namespace lowbit_tool
