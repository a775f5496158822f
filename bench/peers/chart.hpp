// SPDX-License-Identifier: Apache-2.0
// Bar charts as SVG: groups of bars on a logarithmic axis, with horizontal lines for limits.
#pragma once

#include <string>
#include <vector>

namespace lowbit_bench {

struct chart_bar {
  std::string series;  // one colour each, named in the legend
  double value;
};
struct chart_group {
  std::string name;
  std::vector<chart_bar> bars;
};
struct chart_line {
  std::string name;
  double value;  // skipped if not positive
};
struct chart {
  std::string title, unit;
  std::vector<chart_group> groups;
  std::vector<chart_line> lines;
};

/// The text of an SVG file; a chart without positive values says so.
std::string draw(const chart& c);

}  // namespace lowbit_bench
