// SPDX-License-Identifier: Apache-2.0
// Labelled sentences from files. Two formats: tab-separated `sentence<TAB>label` (GLUE's SST-2: an
// optional first line names the columns) and the CLINC150 JSON with its fixed splits. Knows nothing
// of tokens or tensors.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/mapped_file.hpp"

namespace lowbit::train {

struct labelled_text {
  std::string text;
  std::string label;
};

/// The three splits; a validation or test split may be empty.
struct dataset {
  std::vector<labelled_text> train, validation, test;
};

/// The labels of a split, sorted by name: the position is the class index. Labels that are all
/// non-negative integers are sorted as numbers, so "10" follows "9".
inline std::vector<std::string> label_names(const std::vector<labelled_text>& examples) {
  std::vector<std::string> names;
  for (const labelled_text& e : examples) names.push_back(e.label);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  const bool numbers = std::all_of(names.begin(), names.end(), [](const std::string& n) {
    return n.find_first_not_of("0123456789") == std::string::npos;
  });
  if (numbers) {
    std::stable_sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
      return a.size() < b.size();
    });
  }
  return names;
}

/// Lines `sentence<TAB>label`. A first line "sentence<TAB>label" is a header; empty lines are
/// skipped; spaces around both fields are dropped.
///
/// Errors: those of mapped_file::open; malformed with the line number for a line without exactly
///         one tab, an empty sentence or an empty label.
inline result<std::vector<labelled_text>> read_tsv(const std::filesystem::path& path) {
  const auto file = mapped_file::open(path);
  if (!file) return file.status();
  const auto bytes = file->bytes();
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto trim = [](std::string_view s) {
    const auto begin = s.find_first_not_of(" \r");
    return begin == std::string_view::npos ? std::string_view()
                                           : s.substr(begin, s.find_last_not_of(" \r") - begin + 1);
  };
  std::vector<labelled_text> examples;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (trim(line).empty()) continue;
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || line.find('\t', tab + 1) != std::string_view::npos) {
      return status::error(errc::malformed, path.native(), ": line ", number,
                           ": expected sentence<TAB>label");
    }
    const auto text = trim(line.substr(0, tab)), label = trim(line.substr(tab + 1));
    if (number == 1 && text == "sentence" && label == "label") continue;
    if (text.empty() || label.empty()) {
      return status::error(errc::malformed, path.native(), ": line ", number, ": empty ",
                           text.empty() ? "sentence" : "label");
    }
    examples.push_back({std::string(text), std::string(label)});
  }
  return examples;
}

/// One split of a CLINC150 file: an array of [text, intent] pairs.
inline result<std::vector<labelled_text>> read_clinc_split(const nlohmann::json& root,
                                                           const std::string& split,
                                                           const std::string& path) {
  const auto found = root.find(split);
  if (found == root.end() || !found->is_array()) {
    return status::error(errc::malformed, path, ": field \"", split,
                         "\" is missing, expected an array of [text, intent] pairs");
  }
  std::vector<labelled_text> examples;
  for (const nlohmann::json& pair : *found) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return status::error(errc::malformed, path, ": ", split, "[", examples.size(),
                           "], expected [text, intent]");
    }
    examples.push_back({pair[0].get<std::string>(), pair[1].get<std::string>()});
  }
  return examples;
}

/// The in-scope splits of a CLINC150 file; out-of-scope sentences are not read.
inline result<dataset> read_clinc150(const std::filesystem::path& path) {
  const auto root = read_json(path);
  if (!root) return root.status();
  if (!root->is_object()) {
    return status::error(errc::malformed, path.native(),
                         ": expected an object with the arrays train, val and test");
  }
  dataset data;
  for (auto [name, split] : {std::pair{"train", &data.train}, std::pair{"val", &data.validation},
                             std::pair{"test", &data.test}}) {
    auto examples = read_clinc_split(*root, name, path.native());
    if (!examples) return examples.status();
    *split = *std::move(examples);
  }
  return data;
}

/// A data set by the kind of its path: a .json file is CLINC150; a .tsv file is a training split
/// alone; a folder holds train.tsv and, when present, dev.tsv and test.tsv.
inline result<dataset> read_dataset(const std::filesystem::path& path) {
  std::error_code ignored;
  if (path.extension() == ".json") return read_clinc150(path);
  dataset data;
  const bool folder = std::filesystem::is_directory(path, ignored);
  for (auto [name, split] :
       {std::pair{"train.tsv", &data.train}, std::pair{"dev.tsv", &data.validation},
        std::pair{"test.tsv", &data.test}}) {
    const bool train = split == &data.train;
    const std::filesystem::path file = folder ? path / name : path;
    if (!train && (!folder || !std::filesystem::exists(file, ignored))) continue;
    auto examples = read_tsv(file);
    if (!examples) return examples.status();
    *split = *std::move(examples);
  }
  return data;
}

/// What training needs of a data set: examples, at least two classes, and no label in a later
/// split that training never saw.
inline status check_dataset(const dataset& data, const std::vector<std::string>& labels,
                            const std::filesystem::path& path) {
  if (data.train.empty()) {
    return status::error(errc::malformed, path.native(), ": no training examples");
  }
  if (labels.size() < 2) {
    return status::error(errc::malformed, path.native(), ": every example has the label \"",
                         labels.front(), "\", expected at least two classes");
  }
  for (const auto* split : {&data.train, &data.validation, &data.test}) {
    for (const labelled_text& e : *split) {
      if (std::find(labels.begin(), labels.end(), e.label) == labels.end()) {
        return status::error(errc::not_found, path.native(), ": unknown label \"", e.label,
                             "\" of the sentence \"", e.text, "\"");
      }
    }
  }
  return {};
}

}  // namespace lowbit::train
