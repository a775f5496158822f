// SPDX-License-Identifier: Apache-2.0
// Makes new sentences by exchanging words: TinyBERT's data augmentation. The candidates are given;
// this selects replaceable words and draws replacements.
#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/normalizer.hpp"
#include "lowbit/text/words.hpp"
#include "lowbit/train/data/batching.hpp"
#include "lowbit/train/data/stop_words.hpp"

namespace lowbit::train {

/// The words and punctuation marks of a text, as BERT's tokenizer sees them before WordPiece.
/// Errors: malformed for invalid UTF-8
inline result<std::vector<std::string>> basic_words(std::string_view text,
                                                    const normalizer_options& options) {
  if (const auto at = lowbit::detail::find_invalid_utf8(text)) {
    return status::error(errc::malformed, "text: not valid UTF-8 at byte ", *at);
  }
  struct collector {
    std::vector<std::string> words;
    void operator()(const lowbit::detail::text_word& w) { words.emplace_back(w.text); }
    [[nodiscard]] bool done() const { return false; }
  } sink;
  // No word is cut: the limit is the length of the text.
  lowbit::detail::word_splitter<collector> splitter(sink, std::max<std::size_t>(text.size(), 1));
  lowbit::detail::normalize(text, 0, text.size(), options, splitter);
  splitter.finish();
  return std::move(sink.words);
}

/// True for words of a to z only that are no function words.
inline bool replaceable(std::string_view word) {
  return !word.empty() &&
         std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; }) &&
         !is_stop_word(word);
}

/// Words joined by single spaces.
inline std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// Amount of augmentation; defaults from the paper.
struct augmentation_options {
  std::size_t copies = 20;   ///< N_a, attempts: duplicates are dropped
  double probability = 0.4;  ///< p_t
};

/// The new sentences. In each of `copies` copies, every word that has candidates is replaced with
/// the given probability by one of them, drawn uniformly. The original sentence is not included.
///
/// Source: TinyBERT (arXiv 1909.10351), algorithm 1
/// Shapes: candidates[i] for words[i]; empty: the word stays
inline std::vector<std::string> augment(const std::vector<std::string>& words,
                                        const std::vector<std::vector<std::string>>& candidates,
                                        const augmentation_options& options,
                                        std::mt19937_64& generator) {
  std::vector<std::string> known{joined(words)};
  for (std::size_t n = 0; n < options.copies; ++n) {
    std::vector<std::string> copy = words;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (candidates[i].empty()) continue;
      const std::string& drawn = candidates[i][draw(generator, candidates[i].size())];
      if (chance(generator, options.probability)) copy[i] = drawn;
    }
    std::string text = joined(copy);
    if (std::find(known.begin(), known.end(), text) == known.end()) {
      known.push_back(std::move(text));
    }
  }
  known.erase(known.begin());
  return known;
}

}  // namespace lowbit::train
