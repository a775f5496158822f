// SPDX-License-Identifier: Apache-2.0
// Labelled texts as a model is scored on them: what io/labelled_text.hpp reads, files with one
// word and its BIO label a line, and the labels as a model counts them. Every message names the
// file and the line.
#pragma once

#include <string>
#include <vector>

#include "lowbit/text/spans.hpp"
#include "session.hpp"

namespace lowbit_tool {

struct example {
  std::string text;  // two sentences of a pair have a tab between them
  std::string label;
  std::size_t line = 0;  // of the file, from 1; in JSON: the entry of the split, from 1
};

struct labelled_texts {
  std::vector<example> examples;  // at least one
  bool pairs = false;
};

/// Where the split of a data set in a folder stands: FOLDER/test.tsv or FOLDER/test for "test". Any
/// other path is itself.
std::string place_of_split(const std::string& path, const std::string& split);

/// A folder with seq.in and label; a .json file with `split`; or a TSV file, in which "score" may
/// name the last column as well as "label".
lowbit::result<labelled_texts> read_labelled(const std::string& path, const std::string& split);

/// The same where only single sentences will do.
lowbit::result<std::vector<example>> read_examples(const std::string& path,
                                                   const std::string& split);

/// A sentence of words, one BIO label each.
struct tagged_sentence {
  std::vector<std::string> words, labels;
  std::size_t line = 0;      // of its first word
  bool word_a_line = false;  // or all on one line

  [[nodiscard]] std::size_t line_of(std::size_t word) const {
    return word_a_line ? line + word : line;
  }
};

/// The labels of a sentence that a model found and those that were wanted, word by word.
struct bio_pair {
  std::vector<lowbit::labelled_word> found, wanted;
};
/// `text` is the words with a blank between them. A word for which the model found no label,
/// because it was cut off or has no token, has O.
bio_pair align(const std::string& text, const std::vector<lowbit::labelled_word>& found,
               const tagged_sentence& wanted);

/// A folder with seq.in and seq.out, or a file with one word a line: the word, anything, the label,
/// parted by blanks or tabs; an empty line ends a sentence, lines that begin with -DOCSTART- are
/// skipped. At least one sentence.
lowbit::result<std::vector<tagged_sentence>> read_tagged(const std::string& path);

/// The labels of a model by index.
inline std::vector<std::string> label_names(const session& s) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < s.shape().labels; ++i) names.push_back(s.label(i));
  return names;
}

/// The index of a label in `names`; a number where the names are only LABEL_0, LABEL_1 ..
lowbit::result<std::size_t> label_id(const std::vector<std::string>& names,
                                     const std::string& label);

/// The model's index of each example's label; `path` is for the message.
lowbit::result<std::vector<std::size_t>> label_ids(const std::vector<std::string>& names,
                                                   const std::vector<example>& examples,
                                                   const std::string& path);
inline lowbit::result<std::vector<std::size_t>> label_ids(const session& s,
                                                          const std::vector<example>& examples,
                                                          const std::string& path) {
  return label_ids(label_names(s), examples, path);
}

}  // namespace lowbit_tool
