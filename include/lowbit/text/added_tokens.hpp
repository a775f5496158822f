// SPDX-License-Identifier: Apache-2.0
// Tokens matched in the text itself before it is split into words: [SEP], [MASK] and those added by
// a tokenizer's files. Leftmost-longest match, like the reference. No trie is needed: in the sorted
// token list, the tokens that share a prefix form a range, which each further byte narrows.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct added_token {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  ///< does not match inside a longer word
  bool lstrip = false;       ///< also consumes the white space to its left
  bool rstrip = false;
  bool normalized = false;  ///< its normalized content matches normalized text
};

class added_token_matcher {
 public:
  added_token_matcher() = default;

  /// Errors: malformed if two tokens have the same content, before or after normalization; which
  /// one the
  ///         reference takes is unspecified
  /// Requires: no content is empty
  static result<added_token_matcher> make(std::vector<added_token> tokens) {
    added_token_matcher m;
    m.tokens_ = std::move(tokens);
    std::sort(m.tokens_.begin(), m.tokens_.end(),
              [](const added_token& a, const added_token& b) { return a.content < b.content; });
    for (std::size_t i = 0; i < m.tokens_.size(); ++i) {
      const std::string& content = m.tokens_[i].content;
      LOWBIT_EXPECTS(!content.empty());
      if (i > 0 && content == m.tokens_[i - 1].content)
        return status::error(errc::malformed, "added token '", content, "' occurs twice");
      ++m.first_[static_cast<unsigned char>(content[0]) + 1U];
    }
    for (std::size_t byte = 0; byte < 256; ++byte) m.first_[byte + 1] += m.first_[byte];
    return m;
  }

  [[nodiscard]] bool empty() const { return tokens_.empty(); }

  /// Calls `between(begin, end)` for every nonempty stretch without a match and `matched(token,
  /// begin, end)` for every match, including the white space it consumes.
  ///
  /// Cost: linear in the text, times at most the longest token
  template <class Between, class Matched>
  void split(std::string_view text, Between&& between, Matched&& matched) const {
    std::size_t done = 0;    // end of the text already passed to a callback
    std::size_t spaces = 0;  // end of the white space found after the last match
    for (std::size_t at = 0; at < text.size() && !empty();) {
      const added_token* token = longest_at(text, at);
      if (token == nullptr) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + token->content.size();
      at = end;
      if (token->single_word && (word_ends_at(text, begin) || word_starts_at(text, end))) continue;
      if (token->lstrip) begin = std::max(space_before(text, begin, done), done);
      if (token->rstrip) end = spaces = end < spaces ? spaces : space_after(text, end);
      if (done < begin) between(done, begin);
      matched(*token, begin, end);
      done = end;
    }
    if (done < text.size()) between(done, text.size());
  }

 private:
  [[nodiscard]] const added_token* longest_at(std::string_view text, std::size_t at) const {
    const auto first_byte = static_cast<unsigned char>(text[at]);
    auto begin = tokens_.begin() + first_[first_byte];
    auto end = tokens_.begin() + first_[first_byte + 1U];
    const added_token* longest = nullptr;
    text.remove_prefix(at);
    for (std::size_t size = 1;
         begin != end;) {  // length of the prefix shared by the text and this range
      if (begin->content.size() == size) {
        longest = &*begin++;
        continue;
      }
      // A prefix shared by the first and last token of the range is shared by all.
      const std::string_view low = std::string_view(begin->content).substr(size);
      const std::string_view high = std::string_view(std::prev(end)->content).substr(size);
      const std::size_t same = common(low, text.substr(size));
      if (const std::size_t more = common(low.substr(0, same), high); more > 0) {
        size += more;
        continue;
      }
      if (size == text.size()) break;
      const auto next = static_cast<unsigned char>(text[size]);
      const auto byte_of = [size](const added_token& t) {
        return static_cast<unsigned char>(t.content[size]);
      };
      begin =
          std::partition_point(begin, end, [&](const added_token& t) { return byte_of(t) < next; });
      end = std::partition_point(begin, end,
                                 [&](const added_token& t) { return byte_of(t) == next; });
      ++size;
    }
    return longest;
  }

  /// Length of the common prefix.
  [[nodiscard]] static std::size_t common(std::string_view a, std::string_view b) {
    const std::size_t limit = std::min(a.size(), b.size());
    std::size_t n = 0;
    constexpr std::size_t block = 64;
    while (n + block <= limit && std::memcmp(a.data() + n, b.data() + n, block) == 0) n += block;
    while (n < limit && a[n] == b[n]) ++n;
    return n;
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
  [[nodiscard]] static std::size_t space_before(std::string_view text, std::size_t at,
                                                std::size_t least) {
    while (at > least) {
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

  std::vector<added_token> tokens_;          // sorted by content, bytes compared as unsigned
  std::array<std::ptrdiff_t, 257> first_{};  // index of the first token with each first byte
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
