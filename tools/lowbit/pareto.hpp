// SPDX-License-Identifier: Apache-2.0
// The Pareto front of several models in size, time and score, and a plot of it.
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

/// For each model, whether it is on the front; false if its score is not finite.
[[nodiscard]] std::vector<bool> pareto_front(const std::vector<trade_off>& all);

/// Plot of score against bytes (log scale), with names and milliseconds; the front is filled.
[[nodiscard]] std::string pareto_svg(const std::vector<trade_off>& all, const std::string& metric);

}  // namespace lowbit_tool
