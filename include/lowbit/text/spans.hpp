// SPDX-License-Identifier: Apache-2.0
// From scores of tokens to pieces of text: entities from BIO labels, answers from start and end
// logits, and the windows that a long context is cut into. Offsets are bytes, as the tokenizer's;
// characters_before() turns them into characters. It knows no model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "lowbit/text/wordpiece_tokenizer.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Code points of valid UTF-8 before byte `offset`.
[[nodiscard]] inline std::size_t characters_before(std::string_view text, std::size_t offset) {
  std::size_t n = 0;
  for (const char c : text.substr(0, offset))
    n += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return n;
}

/// A word of the text: the token that speaks for it (its first piece), and all its bytes.
struct word_pieces {
  std::size_t first_token = 0;
  text_span at;
};

/// The words of an encoding as BERT's pre-tokenizer makes them: white space and punctuation part
/// them. Special tokens that are not in the text are left out.
[[nodiscard]] inline std::vector<word_pieces> pieces_by_word(const wordpiece_tokenizer& tokenizer,
                                                             const encoding& e) {
  std::vector<word_pieces> words;
  for (std::size_t t = 0; t < e.ids.size(); ++t) {
    const text_span& at = e.offsets[t];
    if (at.begin == at.end) continue;
    const bool continues = !words.empty() && tokenizer.token(e.ids[t]).starts_with("##") &&
                           at.begin <= words.back().at.end;
    if (continues) {
      words.back().at.end = at.end;
    } else {
      words.push_back({t, at});
    }
  }
  return words;
}

/// The words of a text that was cut at white space by its annotators, one label each: the first
/// piece of each word that is left after truncation speaks for it.
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

/// One word with the label it got.
struct labelled_word {
  std::string_view label;
  text_span at;
  float score = 0;
};

struct entity {
  std::string type;
  text_span at;
  float score = 0;        // mean over its words
  std::size_t first = 0;  // of its words
  std::size_t last = 0;   // the word after
};

/// Entities of a sentence: "B-x" begins one, "I-x" continues one of the same type and else begins
/// one (as conlleval counts), "O" belongs to none. A label without B- or I- is read as I-.
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

/// Counts of entities for a score over all sentences (micro average, as conlleval has it).
struct entity_counts {
  std::size_t right = 0, predicted = 0, expected = 0;

  /// Adds one sentence: an entity is right when type, first and last word are.
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
  /// 0 where there is nothing to find.
  static double share(std::size_t part, std::size_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }
};

/// One model input for a question: [CLS] question [SEP] a stretch of the context [SEP].
struct answer_window {
  encoding tokens;
  std::size_t context_begin = 0;  // tokens [context_begin, context_end) are context
  std::size_t context_end = 0;
};

/// Cuts the context into windows of at most max_tokens tokens in all, neighbours share `overlap`
/// context tokens. At least one window, also for an empty context.
///
/// Errors: malformed for text that is not UTF-8; invalid_argument when the question leaves no room
///         for more than `overlap` tokens
inline result<std::vector<answer_window>> answer_windows(const wordpiece_tokenizer& tokenizer,
                                                         std::string_view question,
                                                         std::string_view context,
                                                         std::size_t max_tokens,
                                                         std::size_t overlap) {
  auto head = tokenizer.encode_plain(question);
  if (!head) return head.status().in("question");
  auto all = tokenizer.encode_plain(context);
  if (!all) return all.status().in("context");
  const std::size_t taken = head->ids.size() + 3;
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
    answer_window w;
    detail::append_token(w.tokens, tokenizer.cls_id(), 0, {});
    detail::append(w.tokens, *head);
    detail::append_token(w.tokens, tokenizer.sep_id(), 0, {});
    w.context_begin = w.tokens.ids.size();
    for (std::size_t t = begin; t < end; ++t)
      detail::append_token(w.tokens, all->ids[t], tokenizer.second_type(), all->offsets[t]);
    w.context_end = w.tokens.ids.size();
    detail::append_token(w.tokens, tokenizer.sep_id(), tokenizer.second_type(), {});
    windows.push_back(std::move(w));
    if (end == all->ids.size()) return windows;
    begin = end - overlap;
  }
}

struct answer_span {
  text_span at;     // of the context
  float score = 0;  // start logit + end logit
};

/// The best answers of one window, best first, at most `count`; ends at or after starts, at most
/// longest tokens long.
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

/// The score of "no answer here": both logits of [CLS].
[[nodiscard]] inline float null_score(std::span<const float> logits) {
  return logits[0] + logits[1];
}

}  // namespace lowbit::inline LOWBIT_ISA
