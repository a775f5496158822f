// SPDX-License-Identifier: Apache-2.0
// One of the models being compared: a folder and its tokenizer, ready to classify.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lowbit/text/tokenizer.hpp"
#include "session.hpp"

namespace lowbit_tool {

struct answer {
  std::string label;
  float score;  // a probability, except for regression
};

struct contestant {
  std::string name;  // folder name
  std::uintmax_t file_bytes;
  session runs;
  lowbit::tokenizer tokenizer;
  std::size_t right = 0;
  double seconds = 0;  // per sentence

  /// From text to label, one sentence at a time. Longer sentences are truncated.
  lowbit::result<answer> classify(const std::string& text);
};

/// arch: empty for the best this CPU supports; head: the required head, if any.
lowbit::result<contestant> open_contestant(const std::string& folder, const std::string& arch,
                                           std::size_t threads,
                                           std::optional<lowbit::head_kind> head = std::nullopt);

}  // namespace lowbit_tool
