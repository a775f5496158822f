// SPDX-License-Identifier: Apache-2.0
// Sentences without labels, for training a vocabulary or a language model. Of a data set only the
// training split is read, so that nothing is learned from sentences used for evaluation.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/labelled_text.hpp"
#include "lowbit/train/data/dataset.hpp"

namespace lowbit::train {

/// The sentences of a .json (CLINC150) or .tsv data set or a folder of them; for any other file its
/// lines, including empty ones.
///
/// Errors: those of read_dataset or for_each_line
inline result<std::vector<std::string>> read_sentences(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::error_code ignored;
  if (path.extension() == ".json" || path.extension() == ".tsv" ||
      std::filesystem::is_directory(path, ignored)) {
    LOWBIT_TRY_ASSIGN(auto data, read_dataset(path));
    for (labelled_text& e : data.train) {
      lines.push_back(std::move(e.text));
      if (!e.second.empty()) lines.push_back(std::move(e.second));
    }
    return lines;
  }
  LOWBIT_TRY(for_each_line(path, [&](std::string_view line, std::size_t) -> status {
    lines.emplace_back(line);
    return {};
  }));
  return lines;
}

}  // namespace lowbit::train
