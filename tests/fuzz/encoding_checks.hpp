// SPDX-License-Identifier: Apache-2.0
// What holds of every encoding, whatever the tokenizer and the text.
#pragma once

#include <utility>

#include "fuzz.hpp"
#include "lowbit/text/spans.hpp"
#include "lowbit/text/tokenizer.hpp"

namespace lowbit_fuzz {

/// Bytes of a text where a character may begin or end.
inline bool on_border(std::string_view text, std::size_t at) {
  return at == text.size() ||
         (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U);
}

/// Ids are tokens; offsets lie in their text, cut whole characters, and never go back.
inline void check_encoding(const lowbit::tokenizer& tokenizer, const lowbit::encoding& e,
                           std::string_view first, std::string_view second, std::size_t limit) {
  require(e.ids.size() <= limit);
  require(e.type_ids.size() == e.ids.size() && e.offsets.size() == e.ids.size());
  require(e.words.size() == e.ids.size());
  const std::size_t longest = std::max(first.size(), second.size());
  const bool is_bert = tokenizer.bert_options() != nullptr;
  std::size_t begin[2] = {0, 0};
  std::int32_t type = 0;
  for (std::size_t t = 0; t < e.ids.size(); ++t) {
    require(e.ids[t] >= 0 && static_cast<std::size_t>(e.ids[t]) < tokenizer.vocabulary_size());
    require(e.type_ids[t] >= 0 && e.type_ids[t] <= 1);
    const lowbit::text_span at = e.offsets[t];
    require(at.begin <= at.end && at.end <= longest);
    if (!is_bert) continue;  // types may be those of any template, offsets trimmed to nothing
    require(e.type_ids[t] >= type);
    type = e.type_ids[t];
    if (at == lowbit::text_span{}) continue;
    const std::string_view text = type == 0 ? first : second;
    require(at.begin < at.end && at.end <= text.size() && at.begin >= begin[type]);
    require(on_border(text, at.begin) && on_border(text, at.end));
    begin[type] = at.begin;
  }
}

/// One text, cut to `limit` tokens, and not.
inline void check_text(const lowbit::tokenizer& tokenizer, std::string_view text,
                       std::size_t limit) {
  const std::size_t specials = tokenizer.encode("", 1 << 20)->ids.size();
  limit += specials;
  const auto whole = tokenizer.encode_plain(text);
  const auto cut = tokenizer.encode(text, limit);
  require(whole.ok() == cut.ok());
  if (!cut) {
    require_message(cut.status());
    return;
  }
  check_encoding(tokenizer, *whole, text, {}, whole->ids.size());
  check_encoding(tokenizer, *cut, text, {}, limit);
  require(cut->truncated == (whole->ids.size() + specials > limit));
  if (specials == 2 && tokenizer.bert_options() != nullptr &&
      cut->ids.front() == tokenizer.cls_id() && cut->ids.back() == tokenizer.sep_id()) {
    require(std::equal(cut->ids.begin() + 1, cut->ids.end() - 1, whole->ids.begin()));
    require(std::equal(cut->offsets.begin() + 1, cut->offsets.end() - 1, whole->offsets.begin()));
  }
  std::size_t end = 0;
  for (const lowbit::word_pieces& word : lowbit::pieces_by_word(text, *cut)) {
    require(word.first_token < cut->ids.size());
    require(word.at.begin < word.at.end && word.at.end <= text.size());
    require(lowbit::characters_before(text, word.at.end) >= end);
    end = lowbit::characters_before(text, word.at.end);
  }
}

/// Two texts, cut to `limit` tokens.
inline void check_pair(const lowbit::tokenizer& tokenizer, std::string_view first,
                       std::string_view second, std::size_t limit) {
  limit += tokenizer.special_count();
  const auto e = tokenizer.encode_pair(first, second, limit);
  if (!e) {
    require_message(e.status());
    return;
  }
  check_encoding(tokenizer, *e, first, second, limit);
  require(e->truncated || e->ids.size() == tokenizer.encode_plain(first)->ids.size() +
                                               tokenizer.encode_plain(second)->ids.size() +
                                               tokenizer.special_count());
}

}  // namespace lowbit_fuzz
