// SPDX-License-Identifier: Apache-2.0
// One of the models that stand side by side: a folder with its tokenizer, ready to answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lowbit/text/wordpiece_tokenizer.hpp"
#include "session.hpp"

namespace lowbit_tool {

struct answer {
  std::string label;
  float score;  // a probability but for a regression
};

struct contestant {
  std::string name;  // of the folder
  std::uintmax_t file_bytes;
  session runs;
  lowbit::wordpiece_tokenizer tokenizer;
  std::size_t right = 0;
  double seconds = 0;  // per sentence

  /// From text to label, one sentence at a time. Longer sentences are cut.
  lowbit::result<answer> classify(const std::string& text);
};

/// arch: empty for the best of this CPU; head: the one it must have, if any.
lowbit::result<contestant> open_contestant(const std::string& folder, const std::string& arch,
                                           std::size_t threads,
                                           std::optional<lowbit::head_kind> head = std::nullopt);

}  // namespace lowbit_tool
