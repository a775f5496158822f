// SPDX-License-Identifier: Apache-2.0
// Labelled sentences, pairs and words from files: tab-separated lines (GLUE; an optional first line
// names the columns), the CLINC150 JSON with its fixed splits, and the folders of seq.in, seq.out
// and label in which slot-filling sets come. Knows nothing of tokens or tensors.
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
#include "lowbit/model/shape.hpp"

namespace lowbit::train {

struct labelled_text {
  std::string text;
  std::string
      label;  // a class; of tagged sentences one BIO label for each word, with blanks between
  std::string second = {};  // of a pair; else empty
};

/// The three splits; a validation or test split may be empty.
struct dataset {
  std::vector<labelled_text> train, validation, test;
  bool tagged = false;  ///< words with labels instead of sentences with one

  [[nodiscard]] head_kind head() const { return tagged ? head_kind::token : head_kind::sequence; }
};

/// The pieces of a text between blanks and tabs.
inline std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \t\r", begin), text.size());
    if (end > begin) words.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

/// The labels of a split, sorted by name: the position is the class index. Labels that are all
/// non-negative integers are sorted as numbers, so "10" follows "9".
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

/// visit(line, number) -> status for every line of a file, numbers from 1.
template <class Visit>
status for_each_line(const std::filesystem::path& path, Visit visit) {
  const auto file = mapped_file::open(path);
  if (!file) return file.status();
  const auto bytes = file->bytes();
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    LOWBIT_TRY(visit(rest.substr(0, end), number));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

/// The text without the blanks around it.
inline std::string_view trimmed(std::string_view s) {
  const auto begin = s.find_first_not_of(" \r");
  return begin == std::string_view::npos ? std::string_view()
                                         : s.substr(begin, s.find_last_not_of(" \r") - begin + 1);
}

/// Lines `sentence<TAB>label` or `first<TAB>second<TAB>label`, all alike. A first line that ends in
/// "label" is a header; empty lines are skipped; blanks around fields are dropped.
///
/// Errors: those of mapped_file::open; malformed with the line number for a line with another
///         number of fields, or an empty field; unsupported for a header that ends in "score".
inline result<std::vector<labelled_text>> read_tsv(const std::filesystem::path& path) {
  std::vector<labelled_text> examples;
  std::size_t width = 0;
  const status read = for_each_line(path, [&](std::string_view line, std::size_t n) -> status {
    if (trimmed(line).empty()) return {};
    std::vector<std::string_view> fields;
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t end = std::min(line.find('\t', begin), line.size());
      fields.push_back(trimmed(line.substr(begin, end - begin)));
      begin = end + 1;
    }
    const bool first = width == 0;
    if (first && (fields.size() == 2 || fields.size() == 3)) width = fields.size();
    if (fields.size() != width) {
      return status::error(errc::malformed, path.native(), ": line ", n, ": expected ",
                           width == 3 ? "first<TAB>second<TAB>label" : "sentence<TAB>label");
    }
    if (first && fields.back() == "label") return {};
    if (first && fields.back() == "score") {
      return status::error(errc::unsupported, path.native(),
                           ": column \"score\" has numbers to predict (regression), expected "
                           "\"label\": classes are learned, numbers are not");
    }
    for (const std::string_view& field : fields) {
      if (!field.empty()) continue;
      return status::error(errc::malformed, path.native(), ": line ", n, ": empty ",
                           &field == &fields.back() ? "label" : "sentence");
    }
    examples.push_back({std::string(fields[0]), std::string(fields.back()),
                        width == 3 ? std::string(fields[1]) : std::string()});
    return {};
  });
  if (!read.ok()) return read;
  return examples;
}

/// Two files whose lines belong together: a text and its label, or a text and one label for each of
/// its words. Lines without words are skipped.
///
/// Errors: malformed with file and line number where the numbers of lines or words differ.
inline result<std::vector<labelled_text>> read_lines_and_labels(const std::filesystem::path& texts,
                                                                const std::filesystem::path& labels,
                                                                bool tagged) {
  std::vector<std::string> both[2];
  const std::filesystem::path* paths[] = {&texts, &labels};
  for (std::size_t i = 0; i < 2; ++i) {
    LOWBIT_TRY(for_each_line(*paths[i], [&](std::string_view line, std::size_t) -> status {
      both[i].emplace_back(trimmed(line));
      return {};
    }));
  }
  if (both[0].size() != both[1].size()) {
    return status::error(errc::malformed, labels.native(), ": ", both[1].size(),
                         " lines, expected the ", both[0].size(), " of ", texts.native());
  }
  std::vector<labelled_text> examples;
  for (std::size_t i = 0; i < both[0].size(); ++i) {
    const std::vector<std::string> words = words_of(both[0][i]), tags = words_of(both[1][i]);
    if (words.empty() && tags.empty()) continue;
    if (tagged && words.size() != tags.size()) {
      return status::error(errc::malformed, labels.native(), ": line ", i + 1, ": ", tags.size(),
                           " labels, expected one for each of ", words.size(), " words");
    }
    if (tags.empty()) {
      return status::error(errc::malformed, labels.native(), ": line ", i + 1, ": empty label");
    }
    std::string text, label;
    for (const std::string& w : words) text += (text.empty() ? "" : " ") + w;
    for (const std::string& t : tags) label += (label.empty() ? "" : " ") + t;
    examples.push_back({text, tagged ? label : both[1][i]});
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

/// What is asked of a folder that holds both: one label a sentence, or one a word.
enum class labelling { sentences, words };

/// A data set by the kind of its path: a .json file is CLINC150; a .tsv file is a training split
/// alone; a folder holds train.tsv and, when present, dev.tsv and test.tsv; or the folders train,
/// dev (or valid) and test of seq.in with label (sentences) or seq.out (words).
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
      auto examples =
          lines ? read_lines_and_labels(in / "seq.in", in / (tagged ? "seq.out" : "label"), tagged)
                : read_tsv(tsv);
      if (!examples) return examples.status();
      *p.split = *std::move(examples);
      break;
    }
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
                         labels.empty() ? "" : labels.front(), "\", expected at least two classes");
  }
  for (const auto* split : {&data.train, &data.validation, &data.test}) {
    for (const labelled_text& e : *split) {
      const auto found = data.tagged ? words_of(e.label) : std::vector<std::string>{e.label};
      for (const std::string& label : found) {
        if (std::find(labels.begin(), labels.end(), label) != labels.end()) continue;
        return status::error(errc::not_found, path.native(), ": unknown label \"", label,
                             "\" of the sentence \"", e.text, "\"");
      }
    }
  }
  return {};
}

}  // namespace lowbit::train
