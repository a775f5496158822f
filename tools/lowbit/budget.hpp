// SPDX-License-Identifier: Apache-2.0
// Chooses formats per encoder layer under a size or latency budget: every format is tried on every
// layer alone, and the assignment with the smallest total error that fits is taken.
#pragma once

#include "layer_errors.hpp"

namespace lowbit_tool {

struct budget {
  double megabytes = 0;     ///< 10^6 bytes of tensors; 0: no limit
  double milliseconds = 0;  ///< encoder layers, one sentence of the text; 0: no limit
};

/// One part of the model, and the cost of each format for it.
struct budget_option {
  std::string format;
  double noise = 0;  ///< signal_error::noise of the part alone
  double bytes = 0;
  double milliseconds = 0;
};
struct budget_part {
  std::string name;     // for the report
  std::string pattern;  // regular expression of its matrices
  std::vector<budget_option> options;
};

/// The option of each part that minimizes total noise with total `cost` within `limit`; nullopt if
/// even the cheapest options do not fit. Optimal up to the granularity of the Lagrangian bound and
/// a final greedy pass that spends the rest of the budget.
std::optional<std::vector<std::size_t>> choose_options(const std::vector<budget_part>& parts,
                                                       double budget_option::*cost, double limit);

struct budget_plan {
  std::vector<lowbit::format_override> formats;
  std::vector<budget_part> parts;
  std::vector<std::size_t> chosen;
};

/// Plans integer formats for a float model. `text`: the data for measuring errors and times.
/// Errors: invalid_argument for a budget that cannot be met, with the minimum possible
lowbit::result<budget_plan> plan_budget(const lowbit::canonical_model& floats, const budget& limits,
                                        const std::vector<token_rows>& text,
                                        const std::string& arch);

}  // namespace lowbit_tool
