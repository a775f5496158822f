// SPDX-License-Identifier: Apache-2.0
// From token scores to spans of text: entities from BIO labels, answers from start and end logits,
// and the windows into which a long context is split. Offsets are in bytes, like the tokenizer's;
// characters_before() converts them to characters. Does not depend on a model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "lowbit/text/tokenizer.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Number of code points before byte `offset` of valid UTF-8.
[[nodiscard]] inline std::size_t characters_before(std::string_view text, std::size_t offset) {
  std::size_t n = 0;
  for (const char c : text.substr(0, offset))
    n += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return n;
}

/// A word of the text: its first token, which represents it, and its byte range.
struct word_pieces {
  std::size_t first_token = 0;
  text_span at;
};

/// The words of an encoding as split by the pre-tokenizer, BERT's at white space and punctuation;
/// white space at the start of a byte-level word is left out. Special tokens that are not in the
/// text are skipped.
[[nodiscard]] inline std::vector<word_pieces> pieces_by_word(std::string_view text,
                                                             const encoding& e) {
  std::vector<word_pieces> words;
  std::int32_t word = -1;  // of the last token
  for (std::size_t t = 0; t < e.ids.size(); ++t) {
    text_span at = e.offsets[t];
    while (at.begin < at.end && detail::is_whitespace(detail::decode_utf8(text, at.begin)))
      at.begin += detail::utf8_length(text[at.begin]);
    if (e.words[t] < 0) word = -1;
    if (at.begin == at.end) continue;
    const bool continues = !words.empty() && e.words[t] == word;
    word = e.words[t];
    if (continues) {
      words.back().at.end = at.end;
    } else {
      words.push_back({t, at});
    }
  }
  return words;
}

/// The words of a text annotated with one label per white-space separated word; each word left
/// after truncation is represented by its first piece.
[[nodiscard]] inline std::vector<word_pieces> pieces_by_white_space(std::string_view text,
                                                                    const encoding& e) {
  std::vector<word_pieces> words;
  for (std::size_t t = 0; t < e.ids.size(); ++t) {
    const text_span& at = e.offsets[t];
    if (at.begin == at.end) continue;
    if (!words.empty() && at.begin < words.back().at.end) continue;
    const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    std::size_t begin = at.begin;
    while (begin > 0 && !is_space(text[begin - 1])) --begin;
    std::size_t end = at.end;
    while (end < text.size() && !is_space(text[end])) ++end;
    words.push_back({t, {begin, end}});
  }
  return words;
}

/// A word and its predicted label.
struct labelled_word {
  std::string_view label;
  text_span at;
  float score = 0;
};

struct entity {
  std::string type;
  text_span at;
  float score = 0;        // mean over its words
  std::size_t first = 0;  // index of the first word
  std::size_t last = 0;   // one past the last word
};

/// Decodes the entities of a sentence: "B-x" starts one; "I-x" continues one of the same type and
/// otherwise starts one (like conlleval); "O" ends it. A label without B- or I- is treated as I-.
[[nodiscard]] inline std::vector<entity> decode_bio(std::span<const labelled_word> words) {
  std::vector<entity> found;
  bool open = false;
  for (std::size_t w = 0; w < words.size(); ++w) {
    std::string_view label = words[w].label;
    if (label == "O" || label.empty()) {
      open = false;
      continue;
    }
    const bool begins = label.starts_with("B-");
    if (begins || label.starts_with("I-")) label.remove_prefix(2);
    if (!open || begins || found.back().type != label) {
      found.push_back({std::string(label), words[w].at, 0.0F, w, w});
      open = true;
    }
    entity& e = found.back();
    e.at.end = words[w].at.end;
    e.last = w + 1;
    e.score += words[w].score;
  }
  for (entity& e : found) e.score /= static_cast<float>(e.last - e.first);
  return found;
}

/// Entity counts for scores over all sentences (micro average, like conlleval).
struct entity_counts {
  std::size_t right = 0, predicted = 0, expected = 0;

  /// Adds one sentence; an entity is correct if type, first and last word match.
  void add(const std::vector<entity>& found, const std::vector<entity>& wanted) {
    std::set<std::tuple<std::string, std::size_t, std::size_t>> all;
    for (const entity& e : wanted) all.emplace(e.type, e.first, e.last);
    for (const entity& e : found) right += all.count({e.type, e.first, e.last});
    predicted += found.size();
    expected += wanted.size();
  }
  [[nodiscard]] double precision() const { return share(right, predicted); }
  [[nodiscard]] double recall() const { return share(right, expected); }
  [[nodiscard]] double f1() const { return share(2 * right, predicted + expected); }

 private:
  /// 0 if the denominator is 0.
  static double share(std::size_t part, std::size_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }
};

/// One model input for a question and a part of the context, with the special tokens of a pair.
struct answer_window {
  encoding tokens;
  std::size_t context_begin = 0;  // context tokens: [context_begin, context_end)
  std::size_t context_end = 0;
};

/// Splits the context into windows of at most max_tokens tokens in total; adjacent windows share
/// `overlap` context tokens. Returns at least one window, even for an empty context.
///
/// Errors: malformed for invalid UTF-8; invalid_argument if the question leaves room for no more
/// than
///         `overlap` tokens
inline result<std::vector<answer_window>> answer_windows(const lowbit::tokenizer& tokenizer,
                                                         std::string_view question,
                                                         std::string_view context,
                                                         std::size_t max_tokens,
                                                         std::size_t overlap) {
  auto head = tokenizer.encode_plain(question);
  if (!head) return head.status().in("question");
  auto all = tokenizer.encode_plain(context);
  if (!all) return all.status().in("context");
  const std::size_t taken = head->ids.size() + tokenizer.special_count();
  if (taken >= max_tokens ||
      (all->ids.size() > max_tokens - taken && max_tokens - taken <= overlap)) {
    return status::error(errc::invalid_argument, "the question has ", head->ids.size(),
                         " tokens: of ", max_tokens, " tokens ",
                         taken < max_tokens ? max_tokens - taken : 0,
                         " are left for the context, expected more than the overlap of ", overlap);
  }
  const std::size_t room = max_tokens - taken;
  std::vector<answer_window> windows;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = std::min(all->ids.size(), begin + room);
    encoding part;
    for (std::size_t t = begin; t < end; ++t)
      detail::append_token(part, all->ids[t], 0, all->offsets[t], all->words[t]);
    auto joined = tokenizer.join(*head, std::move(part));
    answer_window w{std::move(joined.tokens), joined.second_begin,
                    joined.second_begin + (end - begin)};
    windows.push_back(std::move(w));
    if (end == all->ids.size()) return windows;
    begin = end - overlap;
  }
}

struct answer_span {
  text_span at;     // in the context
  float score = 0;  // start logit + end logit
};

/// The best answers of one window, best first, at most `count`; each at least one and at most
/// `longest` tokens long.
///
/// Shapes:   logits (window tokens, 2): start, end
/// Cost:     context tokens * longest
[[nodiscard]] inline std::vector<answer_span> best_answers(const answer_window& window,
                                                           std::span<const float> logits,
                                                           std::size_t count, std::size_t longest) {
  std::vector<answer_span> best;
  const auto better = [](const answer_span& a, const answer_span& b) { return a.score > b.score; };
  for (std::size_t s = window.context_begin; s < window.context_end; ++s) {
    for (std::size_t e = s; e < window.context_end && e - s < longest; ++e) {
      const answer_span a{{window.tokens.offsets[s].begin, window.tokens.offsets[e].end},
                          logits[2 * s] + logits[2 * e + 1]};
      if (best.size() == count && (count == 0 || !better(a, best.back()))) continue;
      if (best.size() == count) best.pop_back();
      best.insert(std::upper_bound(best.begin(), best.end(), a, better), a);
    }
  }
  return best;
}

/// The score for "no answer": the sum of both logits of [CLS].
[[nodiscard]] inline float null_score(std::span<const float> logits) {
  return logits[0] + logits[1];
}

}  // namespace lowbit::inline LOWBIT_ISA
