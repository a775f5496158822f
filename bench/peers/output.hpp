// SPDX-License-Identifier: Apache-2.0
// Output of lowbit_peers: a table on stdout, a JSON file, charts.
#pragma once

#include "bars.hpp"
#include "contests.hpp"

namespace lowbit_bench {

struct peer_output {
  std::vector<std::pair<std::string, std::string>> facts;  // cpu, compiler, versions
  core_limits limits;
  peer_report report;
  std::vector<bar_result> bars;
  double peak_megabytes = -1;
};

void print(const peer_output& out);
std::string to_json(const peer_output& out);

/// A chart and its file name.
struct picture {
  std::string name, text;
};
/// Products by number of rows, and encoders, with the limits of the core.
std::vector<picture> pictures(const peer_output& out);

}  // namespace lowbit_bench
