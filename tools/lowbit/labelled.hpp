// SPDX-License-Identifier: Apache-2.0
// Labelled data for scoring models: the formats of io/labelled_text.hpp, files with one word and
// its BIO label per line, and the mapping of labels to the model's indices. Every message names the
// file and the line.
#pragma once

#include <string>
#include <vector>

#include "lowbit/text/spans.hpp"
#include "session.hpp"

namespace lowbit_tool {

struct example {
  std::string text;  // the two sentences of a pair are separated by a tab
  std::string label;
  std::size_t line = 0;  // in the file, from 1; in JSON: the entry in the split, from 1
};

struct labelled_texts {
  std::vector<example> examples;  // at least one
  bool pairs = false;
};

/// The path of a split in a data set folder: FOLDER/test.tsv or FOLDER/test for "test". Any other
/// path is returned unchanged.
std::string place_of_split(const std::string& path, const std::string& split);

/// A folder with seq.in and label; a .json file with `split`; or a TSV file, whose last column may
/// be named "score" as well as "label".
lowbit::result<labelled_texts> read_labelled(const std::string& path, const std::string& split);

/// The same, but sentence pairs are an error.
lowbit::result<std::vector<example>> read_examples(const std::string& path,
                                                   const std::string& split);

/// A sentence as words with one BIO label each.
struct tagged_sentence {
  std::vector<std::string> words, labels;
  std::size_t line = 0;      // of the first word
  bool word_a_line = false;  // else all words on one line

  [[nodiscard]] std::size_t line_of(std::size_t word) const {
    return word_a_line ? line + word : line;
  }
};

/// Predicted and expected labels of a sentence, word by word.
struct bio_pair {
  std::vector<lowbit::labelled_word> found, wanted;
};
/// `text` is the words joined by single spaces. A word without a prediction, because it was
/// truncated or has no token, counts as O.
bio_pair align(const std::string& text, const std::vector<lowbit::labelled_word>& found,
               const tagged_sentence& wanted);

/// A folder with seq.in and seq.out, or a file with one word per line: the word, any other columns,
/// the label, separated by spaces or tabs; an empty line ends a sentence, lines that begin with
/// -DOCSTART- are skipped. Returns at least one sentence.
lowbit::result<std::vector<tagged_sentence>> read_tagged(const std::string& path);

/// The label names of a model, by index.
inline std::vector<std::string> label_names(const session& s) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < s.shape().labels; ++i) names.push_back(s.label(i));
  return names;
}

/// The index of a label in `names`; numeric labels are accepted if the names are LABEL_0, LABEL_1,
/// ...
lowbit::result<std::size_t> label_id(const std::vector<std::string>& names,
                                     const std::string& label);

/// The model's index of each example's label; `path` is used in messages.
lowbit::result<std::vector<std::size_t>> label_ids(const std::vector<std::string>& names,
                                                   const std::vector<example>& examples,
                                                   const std::string& path);
inline lowbit::result<std::vector<std::size_t>> label_ids(const session& s,
                                                          const std::vector<example>& examples,
                                                          const std::string& path) {
  return label_ids(label_names(s), examples, path);
}

}  // namespace lowbit_tool
