// SPDX-License-Identifier: Apache-2.0
// Learns a WordPiece vocabulary from text: starts with characters and merges the most frequent pair
// of pieces until the vocabulary is full, following Hugging Face's WordPieceTrainer. Its result is
// not reproduced token by token, because it numbers the "##" characters in the order of a randomly
// seeded hash map and breaks ties by these numbers. Here they are numbered by code point, so the
// same text gives the same vocabulary.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/normalizer.hpp"
#include "lowbit/text/words.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct vocabulary_options {
  std::size_t size = 30000;           ///< maximum number of tokens; fewer if no pairs are left
  std::int64_t min_frequency = 2;     ///< rarer pairs are not merged
  std::size_t alphabet_limit = 1000;  ///< how many of the most frequent characters to keep
  normalizer_options normalizer{};
  std::vector<std::string> special_tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
};

namespace detail {

class vocabulary_trainer {
 public:
  explicit vocabulary_trainer(const vocabulary_options& options) : options_(options) {}

  status count_line(std::string_view line) {
    if (const auto at = find_invalid_utf8(line))
      return status::error(errc::malformed, "not valid UTF-8 at byte ", *at);
    word_splitter<vocabulary_trainer> words(*this, line.size() + 1);
    normalize(line, 0, line.size(), options_.normalizer, words);
    words.finish();
    return {};
  }

  // The sink interface of word_splitter.
  void operator()(const text_word& w) {
    const auto found = word_counts_.find(std::string(w.text));
    if (found != word_counts_.end())
      ++found->second;
    else
      word_counts_.emplace(w.text, 1);
  }
  [[nodiscard]] bool done() const { return false; }

  result<std::vector<std::string>> train() {
    for (const std::string& token : options_.special_tokens) intern(token);
    add_alphabet();
    if (tokens_.size() > options_.size)
      return status::error(errc::invalid_argument, "vocabulary size: ", options_.size,
                           ", expected at least ", tokens_.size(),
                           " for the special tokens and the alphabet");
    for (std::uint32_t w = 0; w < words_.size(); ++w)
      for (std::size_t i = 0; i + 1 < words_[w].pieces.size(); ++i)
        change(words_[w].pieces[i], words_[w].pieces[i + 1], words_[w].count, w);
    for (const auto& [pair, seen] : pairs_) queue_.push({seen.count, pair});
    while (tokens_.size() < options_.size && !queue_.empty()) {
      const candidate top = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(top.pair);
      if (found == pairs_.end() || found->second.count != top.count) continue;  // outdated
      if (top.count < std::max<std::int64_t>(options_.min_frequency, 1)) break;
      merge(top.pair);
    }
    return std::move(tokens_);
  }

 private:
  static constexpr std::string_view prefix = "##";
  using piece_pair = std::uint64_t;  // first << 32 | second: compares like the pair

  struct trained_word {
    std::vector<std::uint32_t> pieces;
    std::int64_t count;
  };
  struct occurrences {
    std::int64_t count = 0;
    std::vector<std::uint32_t> words{};  // may repeat words or contain words without the pair
  };
  struct candidate {
    std::int64_t count;
    piece_pair pair;
    // Most frequent first; ties go to the pair of the older tokens.
    friend bool operator<(const candidate& a, const candidate& b) {
      return a.count != b.count ? a.count < b.count : a.pair > b.pair;
    }
  };

  std::uint32_t intern(std::string_view token) {
    const auto [at, is_new] =
        ids_.emplace(std::string(token), static_cast<std::uint32_t>(tokens_.size()));
    if (is_new) tokens_.emplace_back(token);
    return at->second;
  }

  // Adds the kept characters by code point, then their "##" forms if a word needs them. Characters
  // that are not kept are removed from the words, as in the reference.
  void add_alphabet() {
    std::map<char32_t, std::int64_t> frequency;
    std::map<char32_t, bool> continues;
    for (const auto& [text, count] : word_counts_)
      for (std::size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
        const char32_t c = decode_utf8(text, at);
        frequency[c] += count;
        continues[c] |= at > 0;
      }
    std::vector<std::pair<std::int64_t, char32_t>> order;
    for (const auto& [c, count] : frequency) order.emplace_back(-count, c);
    std::sort(order.begin(), order.end());
    for (std::size_t i = options_.alphabet_limit; i < order.size(); ++i)
      frequency.erase(order[i].second);
    char bytes[4];
    for (const auto& [c, count] : frequency) intern({bytes, encode_utf8(c, bytes)});
    for (const auto& [c, count] : frequency)
      if (continues[c]) intern(std::string(prefix).append(bytes, encode_utf8(c, bytes)));
    for (const auto& [text, count] : word_counts_) {
      trained_word w{{}, count};
      for (std::size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
        if (!frequency.contains(decode_utf8(text, at))) continue;
        std::string piece(at > 0 ? prefix : std::string_view{});
        piece.append(text, at, utf8_length(text[at]));
        w.pieces.push_back(ids_.at(piece));
      }
      if (w.pieces.size() > 1) words_.push_back(std::move(w));
    }
  }

  static constexpr piece_pair make_pair(std::uint32_t a, std::uint32_t b) {
    return static_cast<piece_pair>(a) << 32 | b;
  }

  void change(std::uint32_t a, std::uint32_t b, std::int64_t by, std::uint32_t word) {
    occurrences& seen = pairs_[make_pair(a, b)];
    seen.count += by;
    if (by > 0) seen.words.push_back(word);
  }

  void merge(piece_pair pair) {
    const auto first = static_cast<std::uint32_t>(pair >> 32);
    const auto second = static_cast<std::uint32_t>(pair);
    std::string_view rest = tokens_[second];
    if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
    const std::uint32_t merged = intern(tokens_[first] + std::string(rest));
    const auto words = std::move(pairs_.at(pair).words);
    touched_.clear();
    for (const std::uint32_t w : words) merge_in_word(w, first, second, merged);
    pairs_.erase(pair);
    for (const piece_pair p : touched_)
      if (const auto found = pairs_.find(p); found != pairs_.end()) {
        if (found->second.count > 0)
          queue_.push({found->second.count, p});
        else
          pairs_.erase(found);
      }
  }

  void merge_in_word(std::uint32_t w, std::uint32_t first, std::uint32_t second,
                     std::uint32_t merged) {
    auto& pieces = words_[w].pieces;
    const std::int64_t count = words_[w].count;
    const auto update = [&](std::uint32_t a, std::uint32_t b, std::int64_t by) {
      change(a, b, by, w);
      touched_.push_back(make_pair(a, b));
    };
    std::size_t out = 0;
    for (std::size_t i = 0; i < pieces.size(); ++out) {
      if (pieces[i] != first || i + 1 == pieces.size() || pieces[i + 1] != second) {
        pieces[out] = pieces[i++];
        continue;
      }
      update(first, second, -count);
      if (out > 0) {
        update(pieces[out - 1], first, -count);
        update(pieces[out - 1], merged, count);
      }
      if (i + 2 < pieces.size()) {
        update(second, pieces[i + 2], -count);
        update(merged, pieces[i + 2], count);
      }
      pieces[out] = merged;
      i += 2;
    }
    pieces.resize(out);
  }

  const vocabulary_options& options_;
  std::unordered_map<std::string, std::int64_t> word_counts_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::vector<trained_word> words_;
  std::unordered_map<piece_pair, occurrences> pairs_;
  std::priority_queue<candidate> queue_;
  std::vector<piece_pair> touched_;
};

}  // namespace detail

/// Returns the special tokens, the alphabet, then the learned pieces in learning order.
///
/// Errors:  malformed if a line is not valid UTF-8; invalid_argument, with the size needed, if the
///          alphabet alone exceeds the vocabulary size
/// Exact:   depends only on the multiset of words, not on the order of the lines
[[nodiscard]] inline result<std::vector<std::string>> train_vocabulary(
    std::span<const std::string> lines, const vocabulary_options& options) {
  detail::vocabulary_trainer trainer(options);
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (auto s = trainer.count_line(lines[i]); !s.ok())
      return status::error(s.code(), "line ", i + 1, ": ", s.message());
  return trainer.train();
}

}  // namespace lowbit::inline LOWBIT_ISA
