// SPDX-License-Identifier: Apache-2.0
// Tokens that are found in the text itself, before it is split into words: [SEP], [MASK] and what a
// tokenizer.json adds. Leftmost match, the longest at one place, as the reference's. The surprising
// decision: no trie. There are a handful of them, and a list per first byte needs no structure.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct added_token {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  ///< not inside a longer word
  bool lstrip = false;       ///< takes the white space on its left with it
  bool rstrip = false;
  bool normalized = false;  ///< matches normalized text by its normalized content
};

class added_token_matcher {
 public:
  void add(added_token token) {
    LOWBIT_EXPECTS(!token.content.empty());
    auto& list = by_first_byte_[static_cast<unsigned char>(token.content[0])];
    const auto longer_or_equal = [&](const added_token& t) {
      return t.content.size() >= token.content.size();
    };
    list.insert(std::find_if_not(list.begin(), list.end(), longer_or_equal), std::move(token));
    empty_ = false;
  }

  [[nodiscard]] bool empty() const { return empty_; }

  [[nodiscard]] bool contains(std::string_view content) const {
    if (content.empty()) return false;
    const auto& list = by_first_byte_[static_cast<unsigned char>(content[0])];
    return std::any_of(list.begin(), list.end(),
                       [&](const added_token& t) { return t.content == content; });
  }

  /// Calls `between(begin, end)` for every stretch without a match (also empty ones are left out)
  /// and `matched(token, begin, end)` for every match with the white space that it takes.
  template <class Between, class Matched>
  void split(std::string_view text, Between&& between, Matched&& matched) const {
    std::size_t done = 0;  // everything before it has been handed out
    for (std::size_t at = 0; at < text.size() && !empty_;) {
      const added_token* token = longest_at(text, at);
      if (token == nullptr) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + token->content.size();
      at = end;
      if (token->single_word && (word_ends_at(text, begin) || word_starts_at(text, end))) continue;
      if (token->lstrip) begin = std::max(space_before(text, begin), done);
      if (token->rstrip) end = space_after(text, end);
      if (done < begin) between(done, begin);
      matched(*token, begin, end);
      done = end;
    }
    if (done < text.size()) between(done, text.size());
  }

 private:
  [[nodiscard]] const added_token* longest_at(std::string_view text, std::size_t at) const {
    for (const added_token& t : by_first_byte_[static_cast<unsigned char>(text[at])])
      if (text.substr(at, t.content.size()) == t.content) return &t;
    return nullptr;
  }

  [[nodiscard]] static std::size_t previous(std::string_view text, std::size_t at) {
    do --at;
    while (is_continuation_byte(text[at]));
    return at;
  }
  [[nodiscard]] static bool word_ends_at(std::string_view text, std::size_t at) {
    return at > 0 && is_word_character(decode_utf8(text, previous(text, at)));
  }
  [[nodiscard]] static bool word_starts_at(std::string_view text, std::size_t at) {
    return at < text.size() && is_word_character(decode_utf8(text, at));
  }
  [[nodiscard]] static std::size_t space_before(std::string_view text, std::size_t at) {
    while (at > 0) {
      const std::size_t p = previous(text, at);
      if (!is_whitespace(decode_utf8(text, p))) break;
      at = p;
    }
    return at;
  }
  [[nodiscard]] static std::size_t space_after(std::string_view text, std::size_t at) {
    while (at < text.size() && is_whitespace(decode_utf8(text, at))) at += utf8_length(text[at]);
    return at;
  }

  std::array<std::vector<added_token>, 256> by_first_byte_{};  // each: longest first
  bool empty_ = true;
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
