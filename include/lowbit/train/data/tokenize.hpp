// SPDX-License-Identifier: Apache-2.0
// A data set as token ids and label indices. If the tokenizer splits a word, its first piece
// carries the label, as in the runtime (text/spans.hpp).
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lowbit/text/spans.hpp"
#include "lowbit/text/tokenizer.hpp"
#include "lowbit/train/data/batching.hpp"
#include "lowbit/train/data/dataset.hpp"

namespace lowbit::train {

struct tokenized_dataset {
  std::vector<example> train, validation, test;
  std::size_t cut = 0;  ///< number of truncated examples
};

namespace detail {

inline std::int64_t label_index(const std::vector<std::string>& labels, const std::string& label) {
  return std::find(labels.begin(), labels.end(), label) - labels.begin();
}

/// ignored_label everywhere except at the first piece of each word.
inline std::vector<std::int64_t> word_labels(const labelled_text& from, const encoding& e,
                                             const std::vector<std::string>& labels) {
  const std::vector<std::string> tags = words_of(from.label);
  std::vector<std::int64_t> out(e.ids.size(), ignored_label);
  for (const word_pieces& word : pieces_by_white_space(from.text, e)) {
    // Words are separated by single spaces, so the spaces before a piece give its word. A word that
    // the tokenizer drops (a control character) has no piece and no label.
    const auto blanks = std::count(
        from.text.begin(), from.text.begin() + static_cast<std::ptrdiff_t>(word.at.begin), ' ');
    out[word.first_token] = label_index(labels, tags[static_cast<std::size_t>(blanks)]);
  }
  return out;
}

}  // namespace detail

/// One sentence, pair or tagged sentence of at most max_length tokens.
/// Errors: malformed for invalid UTF-8
inline result<example> tokenize(const labelled_text& from, bool tagged,
                                const std::vector<std::string>& labels,
                                const lowbit::tokenizer& tokenizer, std::size_t max_length) {
  LOWBIT_TRY_ASSIGN(const auto encoded,
                    from.second.empty()
                        ? tokenizer.encode(from.text, max_length)
                        : tokenizer.encode_pair(from.text, from.second, max_length));
  example one;
  one.cut = encoded.truncated;
  one.ids.assign(encoded.ids.begin(), encoded.ids.end());
  if (!from.second.empty()) one.types.assign(encoded.type_ids.begin(), encoded.type_ids.end());
  if (tagged) {
    one.labels = detail::word_labels(from, encoded, labels);
  } else {
    one.labels = {detail::label_index(labels, from.label)};
  }
  return one;
}

/// Errors: those of check_dataset and tokenize
inline result<tokenized_dataset> tokenize(const dataset& data,
                                          const std::vector<std::string>& labels,
                                          const lowbit::tokenizer& tokenizer,
                                          std::size_t max_length,
                                          const std::filesystem::path& path) {
  LOWBIT_TRY(check_dataset(data, labels, path));
  tokenized_dataset out;
  for (auto [name, from, to] : {std::tuple{"training", &data.train, &out.train},
                                std::tuple{"validation", &data.validation, &out.validation},
                                std::tuple{"test", &data.test, &out.test}}) {
    for (const labelled_text& e : *from) {
      auto one = tokenize(e, data.tagged, labels, tokenizer, max_length);
      if (!one) {
        return one.status().in(path.native() + ": " + name + " example " +
                               std::to_string(to->size() + 1));
      }
      out.cut += one->cut ? 1 : 0;
      to->push_back(*std::move(one));
    }
  }
  return out;
}

}  // namespace lowbit::train
