// SPDX-License-Identifier: Apache-2.0
// Token <-> id, and the greedy longest-match-first split of a word. Owns the token text; does not
// depend on normalization or files. A custom open-addressing table replaces std::unordered_map for
// two reasons: all prefixes of a word are hashed in one pass (the hash of a prefix is an
// intermediate value of the hash of the word), and a continuation "##x" is looked up as "x", so no
// key is ever built.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// FNV-1a, one byte at a time.
struct running_hash {
  std::uint64_t value = 0xCBF29CE484222325u;
  constexpr void add(char c) { value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3u; }
};

/// A token of a word.
struct word_piece {
  std::int32_t id;
  std::size_t begin, end;  // byte range in the word
};

class vocabulary {
 public:
  using piece = word_piece;

  /// Tokens in id order. The first `model_size` can match inside words; the rest are added tokens,
  /// matched only in the text itself. Without a prefix there are no continuations for split().
  ///
  /// Errors: malformed for an empty list, an empty token, invalid UTF-8, or a duplicate token; the
  ///         message names the ids
  static result<vocabulary> make(std::vector<std::string> tokens, std::size_t model_size,
                                 std::optional<std::string_view> prefix) {
    if (tokens.empty()) return status::error(errc::malformed, "vocabulary: empty, expected tokens");
    if (tokens.size() > max_tokens)
      return status::error(errc::malformed, "vocabulary: ", tokens.size(),
                           " tokens, expected at most ", max_tokens);
    vocabulary v;
    v.model_size_ = model_size;
    v.tokens_ = std::move(tokens);
    v.prefix_size_ = prefix ? prefix->size() : 0;
    const std::size_t slots = std::bit_ceil(v.tokens_.size() * 2);
    v.shift_ = 64 - std::countr_zero(slots);
    v.words_.assign(slots, empty_slot);
    if (prefix) v.continuations_.assign(slots, empty_slot);
    for (std::size_t i = 0; i < v.tokens_.size(); ++i) {
      const std::string_view token = v.tokens_[i];
      if (token.empty())
        return status::error(errc::malformed, "vocabulary: token ", i, " is empty");
      if (const auto at = find_invalid_utf8(token))
        return status::error(errc::malformed, "vocabulary: token ", i,
                             " is not valid UTF-8 at its byte ", *at);
      if (const auto other = v.find(v.words_, token, hash(token), 0))
        return status::error(errc::malformed, "vocabulary: token ", i, " '", token,
                             "' is already token ", *other);
      v.insert(v.words_, token, i);
      if (i < model_size) v.longest_ = std::max(v.longest_, token.size());
      if (prefix && i < model_size && token.size() > prefix->size() && token.starts_with(*prefix))
        v.insert(v.continuations_, token.substr(prefix->size()), i);
    }
    return v;
  }

  [[nodiscard]] std::size_t size() const { return tokens_.size(); }
  [[nodiscard]] std::string_view token(std::int32_t id) const {
    LOWBIT_EXPECTS(id >= 0 && static_cast<std::size_t>(id) < tokens_.size());
    return tokens_[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] std::optional<std::int32_t> id(std::string_view token) const {
    return find(words_, token, hash(token), 0);
  }

  /// Only tokens of the model, no added ones.
  [[nodiscard]] std::optional<std::int32_t> model_id(std::string_view token) const {
    const auto found = id(token);
    return found && static_cast<std::size_t>(*found) < model_size_ ? found : std::nullopt;
  }

  /// Splits `word` (valid, nonempty UTF-8) into the longest known pieces from the left. Returns
  /// false, with `pieces` unspecified, if a part is unknown. `hashes` is scratch.
  [[nodiscard]] bool split(std::string_view word, std::vector<piece>& pieces,
                           std::vector<std::uint64_t>& hashes) const {
    pieces.clear();
    for (std::size_t begin = 0; begin < word.size();) {
      const bool first = begin == 0;
      const std::size_t longest = first ? longest_ : longest_ - std::min(longest_, prefix_size_);
      const std::size_t limit = std::min(word.size() - begin, longest);
      hashes.resize(limit);
      running_hash h;
      for (std::size_t i = 0; i < limit; ++i) {
        h.add(word[begin + i]);
        hashes[i] = h.value;
      }
      std::size_t length = limit;
      std::optional<std::int32_t> found;
      for (; length > 0; --length) {
        if (length < word.size() - begin && is_continuation_byte(word[begin + length])) continue;
        found = find(first ? words_ : continuations_, word.substr(begin, length),
                     hashes[length - 1], first ? 0 : prefix_size_);
        if (found && static_cast<std::size_t>(*found) < model_size_) break;
        found.reset();
      }
      if (!found) return false;
      pieces.push_back({*found, begin, begin + length});
      begin += length;
    }
    return true;
  }

 private:
  static constexpr std::int32_t empty_slot = -1;
  static constexpr std::size_t max_tokens = std::size_t{1} << 28;

  [[nodiscard]] static std::uint64_t hash(std::string_view text) {
    running_hash h;
    for (const char c : text) h.add(c);
    return h.value;
  }

  // Multiplicative hashing: the high bits depend on every bit of the hash.
  [[nodiscard]] std::size_t slot(std::uint64_t hash) const {
    return static_cast<std::size_t>((hash * 0x9E3779B97F4A7C15u) >> shift_);
  }

  // The first `skip` bytes of each stored token are not part of its key.
  [[nodiscard]] std::optional<std::int32_t> find(const std::vector<std::int32_t>& table,
                                                 std::string_view key, std::uint64_t hash,
                                                 std::size_t skip) const {
    for (std::size_t s = slot(hash);; s = (s + 1) & (table.size() - 1)) {
      if (table[s] == empty_slot) return std::nullopt;
      const std::string& token = tokens_[static_cast<std::size_t>(table[s])];
      if (std::string_view(token).substr(skip) == key) return table[s];
    }
  }

  void insert(std::vector<std::int32_t>& table, std::string_view key, std::size_t id) {
    std::size_t s = slot(hash(key));
    while (table[s] != empty_slot) s = (s + 1) & (table.size() - 1);
    table[s] = static_cast<std::int32_t>(id);
  }

  std::vector<std::string> tokens_;
  std::vector<std::int32_t> words_, continuations_;  // open addressing, at most half full
  std::size_t model_size_ = 0, prefix_size_ = 0, longest_ = 0;
  int shift_ = 63;
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
