// SPDX-License-Identifier: Apache-2.0
// What lowbit_peers leaves behind: a table on stdout, one JSON file, pictures.
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

/// A picture by its file name.
struct picture {
  std::string name, text;
};
/// Products per number of rows, and encoders, against the limits of the core.
std::vector<picture> pictures(const peer_output& out);

}  // namespace lowbit_bench
