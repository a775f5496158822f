// SPDX-License-Identifier: Apache-2.0
// Labelled sentences: a TSV file (sentence, tab, label) or CLINC150's JSON.
#pragma once

#include <string>
#include <vector>

#include "session.hpp"

namespace lowbit_tool {

struct example {
  std::string text;
  std::string label;
};

/// At least one example. `split` is for .json files.
lowbit::result<std::vector<example>> read_examples(const std::string& path,
                                                   const std::string& split);

/// The model's index of each example's label; `path` is for the message.
lowbit::result<std::vector<std::size_t>> label_ids(const session& s,
                                                   const std::vector<example>& examples,
                                                   const std::string& path);

}  // namespace lowbit_tool
