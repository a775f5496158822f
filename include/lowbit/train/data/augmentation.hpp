// SPDX-License-Identifier: Apache-2.0
// New sentences from one by exchanging words: TinyBERT's data augmentation without its sources of
// words. What may replace a word is given; this says which words may be replaced and draws.
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
  // No word is cut: none is longer than its text.
  lowbit::detail::word_splitter<collector> splitter(sink, std::max<std::size_t>(text.size(), 1));
  lowbit::detail::normalize(text, 0, text.size(), options, splitter);
  splitter.finish();
  return std::move(sink.words);
}

/// Whether a word may be replaced: a to z alone, and no function word.
inline bool replaceable(std::string_view word) {
  return !word.empty() &&
         std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; }) &&
         !is_stop_word(word);
}

/// Words with one blank between.
inline std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// How much is made of each sentence; the paper's numbers.
struct augmentation_options {
  std::size_t copies = 20;   ///< N_a, attempts: a sentence that is not new is dropped
  double probability = 0.4;  ///< p_t
};

/// The new sentences. In each of `copies` copies, every word that has candidates is replaced by one
/// of them, drawn uniformly, with the given probability. The sentence itself is not among them.
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
