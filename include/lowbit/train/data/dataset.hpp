// SPDX-License-Identifier: Apache-2.0
// A data set for training: its splits, located by the kind of path, and its label names. File
// formats are parsed by io/labelled_text.hpp; independent of tokens and tensors.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/labelled_text.hpp"

namespace lowbit::train {

using lowbit::labelled_text;
using lowbit::labelling;
using lowbit::words_of;

/// The three splits; a validation or test split may be empty.
struct dataset {
  std::vector<labelled_text> train, validation, test;
  bool tagged = false;  ///< one label per word instead of per sentence

  [[nodiscard]] head_kind head() const { return tagged ? head_kind::token : head_kind::sequence; }
};

/// The labels of a split, sorted by name; the position is the class index. If all labels are
/// non-negative integers they are sorted as numbers, so "10" follows "9".
inline std::vector<std::string> label_names(const std::vector<labelled_text>& examples,
                                            bool tagged = false) {
  std::vector<std::string> names;
  for (const labelled_text& e : examples) {
    if (tagged) {
      for (std::string& word : words_of(e.label)) names.push_back(std::move(word));
    } else {
      names.push_back(e.label);
    }
  }
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

/// The examples of a tab-separated file.
///
/// Errors: those of read_labelled_tsv; unsupported for regression targets
inline result<std::vector<labelled_text>> read_tsv(const std::filesystem::path& path) {
  LOWBIT_TRY_ASSIGN(auto table, read_labelled_tsv(path));
  if (table.scores) {
    return status::error(errc::unsupported, path.native(),
                         ": column \"score\" has numbers to predict (regression), expected "
                         "\"label\": classes are learned, numbers are not");
  }
  return std::move(table.examples);
}

/// The in-scope splits of a CLINC150 file; out-of-scope sentences are not read.
/// Errors: those of read_json and read_clinc_split
inline result<dataset> read_clinc150(const std::filesystem::path& path) {
  LOWBIT_TRY_ASSIGN(const auto root, read_json(path));
  dataset data;
  for (auto [name, split] : {std::pair{"train", &data.train}, std::pair{"val", &data.validation},
                             std::pair{"test", &data.test}}) {
    LOWBIT_TRY_ASSIGN(auto examples, read_clinc_split(root, name, path.native()));
    *split = std::move(examples);
  }
  return data;
}

/// A data set, depending on its path: a .json file is CLINC150; a .tsv file is only a training
/// split; a folder holds train.tsv and optionally dev.tsv and test.tsv, or the folders train, dev
/// (or valid) and test with seq.in and label (sentences) or seq.out (words).
/// Errors: those of the readers; unsupported for words without seq.in
inline result<dataset> read_dataset(const std::filesystem::path& path,
                                    labelling asked = labelling::sentences) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const bool tagged = asked == labelling::words;
  const auto no_words = [&path] {
    return status::error(errc::unsupported, path.native(),
                         ": labels of words need folders with seq.in and seq.out");
  };
  if (path.extension() == ".json") {
    if (tagged) return no_words();
    return read_clinc150(path);
  }
  dataset data;
  data.tagged = tagged;
  const bool lines = fs::exists(path / "train" / "seq.in", ignored);
  if (tagged && !lines) return no_words();
  const bool folder = fs::is_directory(path, ignored);
  struct part {
    std::vector<const char*> names;
    std::vector<labelled_text>* split;
  };
  for (const part& p : {part{{"train"}, &data.train}, part{{"dev", "valid"}, &data.validation},
                        part{{"test"}, &data.test}}) {
    const bool train = p.split == &data.train;
    for (const char* name : p.names) {
      const fs::path in = path / name;
      const fs::path tsv = folder ? path / (std::string(name) + ".tsv") : path;
      if (!train && (!folder || !fs::exists(lines ? in / "seq.in" : tsv, ignored))) continue;
      LOWBIT_TRY_ASSIGN(
          auto examples,
          lines ? read_lines_and_labels(in / "seq.in", in / (tagged ? "seq.out" : "label"), asked)
                : read_tsv(tsv));
      *p.split = std::move(examples);
      break;
    }
  }
  return data;
}

/// Requirements of training: examples, at least two classes, and no label in a later split that is
/// missing from the training split.
/// Errors: malformed or not_found, naming the label and its place
inline status check_dataset(const dataset& data, const std::vector<std::string>& labels,
                            const std::filesystem::path& path) {
  if (data.train.empty()) {
    return status::error(errc::malformed, path.native(), ": no training examples");
  }
  if (labels.size() < 2) {
    return status::error(errc::malformed, path.native(), ": every example has the label \"",
                         labels.empty() ? "" : labels.front(), "\", expected at least two classes");
  }
  const char* const unit = path.extension() == ".json" ? " entry " : " line ";
  for (const auto& [name, split] :
       {std::pair{"training", &data.train}, std::pair{"validation", &data.validation},
        std::pair{"test", &data.test}}) {
    for (const labelled_text& e : *split) {
      const auto found = data.tagged ? words_of(e.label) : std::vector<std::string>{e.label};
      for (const std::string& label : found) {
        if (std::find(labels.begin(), labels.end(), label) != labels.end()) continue;
        return status::error(errc::not_found, path.native(), ": ", name, unit, e.line,
                             ": unknown label ", lowbit::detail::quote_name(label),
                             " of the sentence ", lowbit::detail::quote_name(e.text),
                             ", expected one of the ", labels.size(), " known");
      }
    }
  }
  return {};
}

}  // namespace lowbit::train
