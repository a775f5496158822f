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

/// For each model, whether no other beats it; none whose score is not finite.
[[nodiscard]] std::vector<bool> pareto_front(const std::vector<trade_off>& all);

/// Score over bytes (logarithmic), with names and milliseconds; the front is filled.
[[nodiscard]] std::string pareto_svg(const std::vector<trade_off>& all, const std::string& metric);

}  // namespace lowbit_tool
