// SPDX-License-Identifier: Apache-2.0
// Formats per encoder layer under a budget of bytes or milliseconds: every format is tried on every
// layer alone, and the choice with the least sum of errors that fits is taken.
#pragma once

#include "layer_errors.hpp"

namespace lowbit_tool {

struct budget {
  double megabytes = 0;     ///< 10^6 bytes of tensors; 0: no limit
  double milliseconds = 0;  ///< one sentence of the text through the encoder layers; 0: no limit
};

/// One part of the model and what a format costs there.
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

/// The option of each part with the least sum of noise whose sum of `cost` is within `limit`;
/// nothing when not even the cheapest options fit. Exact up to the granularity of the Lagrangian
/// bound and a final pass that spends what is left.
std::optional<std::vector<std::size_t>> choose_options(const std::vector<budget_part>& parts,
                                                       double budget_option::*cost, double limit);

struct budget_plan {
  std::vector<lowbit::format_override> formats;
  std::vector<budget_part> parts;
  std::vector<std::size_t> chosen;
};

/// Plans integer formats for a float model. `text`: what errors and times are measured on.
/// Errors: invalid_argument for a budget that cannot be met, with the least that is possible
lowbit::result<budget_plan> plan_budget(const lowbit::canonical_model& floats, const budget& limits,
                                        const std::vector<token_rows>& text,
                                        const std::string& arch);

}  // namespace lowbit_tool
