// SPDX-License-Identifier: Apache-2.0
// TinyBERT's data augmentation of a training set, from a file that --data reads to another one. Of
// a pair each text is augmented while the other one stays; the authors' code pairs the second text
// with the last variant of the first one instead.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/output_file.hpp"
#include "lowbit/train/loop/progress.hpp"
#include "lowbit/train/recipe/word_candidates.hpp"

namespace lowbit::train {

struct augment_options : candidate_options, augmentation_options {
  std::filesystem::path data;
  std::filesystem::path out;  ///< .tsv: the training set; .json: all splits
  std::uint64_t seed = 42;
  bool replace = false;
};

namespace detail {

/// A field of a line: tabs and line ends become blanks.
inline std::string field_of(std::string text) {
  for (char& c : text) c = c == '\t' || c == '\n' || c == '\r' ? ' ' : c;
  return text;
}

inline status write_tsv(const std::filesystem::path& path, const std::vector<labelled_text>& lines,
                        existing policy) {
  const bool pairs = !lines.front().second.empty();
  std::string text = pairs ? "sentence1\tsentence2\tlabel\n" : "sentence\tlabel\n";
  for (const labelled_text& e : lines) {
    text += field_of(e.text) + '\t';
    if (pairs) text += field_of(e.second) + '\t';
    text += field_of(e.label) + '\n';
  }
  return write_file(path, text, policy);
}

/// As CLINC150 comes, with all three splits.
/// Errors: unsupported for pairs; malformed for text that is not UTF-8
inline status write_clinc150(const std::filesystem::path& path, const dataset& data,
                             existing policy) {
  nlohmann::json root;
  for (const auto& [name, split] :
       {std::pair{"train", &data.train}, std::pair{"val", &data.validation},
        std::pair{"test", &data.test}}) {
    root[name] = nlohmann::json::array();
    for (const labelled_text& e : *split) {
      if (!e.second.empty()) {
        return status::error(errc::unsupported, path.native(),
                             ": a .json file holds no pairs, expected .tsv");
      }
      if (lowbit::detail::find_invalid_utf8(e.text) || lowbit::detail::find_invalid_utf8(e.label)) {
        return status::error(errc::malformed, name, ": \"", e.text, "\" is not valid UTF-8");
      }
      root[name].push_back({e.text, e.label});
    }
  }
  return write_file(path, root.dump(1) + '\n', policy);
}

/// The variants of one text, from random numbers of its own.
inline result<std::vector<std::string>> variants(candidate_finder& finder, const std::string& text,
                                                 const augment_options& o, std::size_t index,
                                                 std::size_t column) {
  const auto words = basic_words(text, finder.tokenizer().normalizer());
  if (!words) return words.status();
  const auto candidates = finder.find(*words);
  if (!candidates) return candidates.status();
  std::mt19937_64 generator = seeded_generator(o.seed, index, column);
  return augment(*words, *candidates, o, generator);
}

}  // namespace detail

/// Writes the training examples, each followed by its variants, under its label.
///
/// Errors: those of read_dataset and candidate_finder; malformed without training examples;
///         invalid_argument for another kind of output file or one that exists
inline status augment_dataset(const augment_options& o) {
  const bool json = o.out.extension() == ".json";
  if (!json && o.out.extension() != ".tsv") {
    return status::error(errc::invalid_argument, o.out.native(),
                         ": expected the name of a .tsv or .json file");
  }
  const existing policy = o.replace ? existing::replace : existing::refuse;
  // Hours of work should not end at a name that is taken or a folder that is not there.
  if (const auto place = output_file::create(o.out, policy); !place) return place.status();
  auto data = read_dataset(o.data);
  if (!data) return data.status();
  if (data->train.empty()) {
    return status::error(errc::malformed, o.data.native(), ": no training examples");
  }
  auto finder = candidate_finder::open(o);
  if (!finder) return finder.status();
  std::vector<labelled_text> all;
  counter shown("sentences", data->train.size());
  for (std::size_t i = 0; i < data->train.size(); ++i) {
    const labelled_text e = data->train[i];
    all.push_back(e);
    for (std::size_t column = 0; column < (e.second.empty() ? 1U : 2U); ++column) {
      auto texts = detail::variants(*finder, column == 0 ? e.text : e.second, o, i, column);
      if (!texts) return texts.status().in(o.data.native());
      for (std::string& text : *texts) {
        all.push_back(e);
        (column == 0 ? all.back().text : all.back().second) = std::move(text);
      }
    }
    shown.at(i + 1);
  }
  if (!json) return detail::write_tsv(o.out, all, policy);
  data->train = std::move(all);
  return detail::write_clinc150(o.out, *data, policy);
}

}  // namespace lowbit::train
