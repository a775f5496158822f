// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding: the characters of a word, of which the adjacent pair that was learned first
// is merged until no pair is left. A heap of candidate pairs over a linked list of symbols keeps
// the time of a long word at n log n.
#pragma once

#include <algorithm>
#include <array>
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
#include "lowbit/text/vocabulary.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Source: Hugging Face tokenizers 0.23, models/bpe, without dropout
class bpe_model {
 public:
  struct options {
    std::vector<std::pair<std::string, std::string>> merges;  ///< in the order they were learned
    std::string unknown;         ///< token of unknown characters; without one they are dropped
    std::string prefix;          ///< of every character but the first of a word
    std::string suffix;          ///< of the last character of a word
    bool fuse_unknown = false;   ///< characters in a row that are unknown are one token
    bool byte_fallback = false;  ///< an unknown character is written as tokens <0x00> .. <0xFF>
    bool ignore_merges = false;  ///< a word that is a token is not split
  };
  struct symbol {
    std::int32_t id;
    std::uint32_t previous, next;  // indices, or `none`
    std::size_t size;              // bytes of the word; 0: merged into another symbol
  };
  struct candidate {
    std::uint32_t rank, at;  // order of the merge; index of the left symbol
    std::int32_t id;         // of the merged token
  };
  /// Memory of one call of split().
  struct scratch {
    std::vector<symbol> symbols;
    std::vector<candidate> heap;
    std::string text;
  };

  /// Errors: malformed for a merge that names a token which is not in the vocabulary, occurs twice,
  ///         or whose second token lacks the prefix
  static result<bpe_model> make(options o, const vocabulary& words, std::optional<std::int32_t>) {
    bpe_model m;
    if (!o.unknown.empty()) {
      m.unknown_ = words.model_id(o.unknown);
      if (!m.unknown_)
        return status::error(errc::malformed, "unk_token: '", o.unknown,
                             "' is not in the vocabulary");
    }
    const std::size_t slots = std::bit_ceil(o.merges.size() * 2 + 2);
    m.shift_ = 64 - std::countr_zero(slots);
    m.merges_.resize(slots);
    std::string merged;
    for (std::size_t rank = 0; rank < o.merges.size(); ++rank) {
      const std::string& left = o.merges[rank].first;  // clang 14 captures no structured binding
      const std::string& right = o.merges[rank].second;
      const auto unknown_token = [&](std::string_view token) {
        return status::error(errc::malformed, "merges: merge ", rank, " ('", left, "' '", right,
                             "') needs '", token, "', which is not in the vocabulary");
      };
      const auto a = words.model_id(left), b = words.model_id(right);
      if (!a) return unknown_token(left);
      if (!b) return unknown_token(right);
      if (right.size() < o.prefix.size())
        return status::error(errc::malformed, "merges: merge ", rank, " ('", left, "' '", right,
                             "'): the second token is shorter than the prefix '", o.prefix, "'");
      merged.assign(left).append(right, o.prefix.size());
      const auto id = words.model_id(merged);
      if (!id) return unknown_token(merged);
      if (!m.insert(*a, *b, {static_cast<std::uint32_t>(rank), *id}))
        return status::error(errc::malformed, "merges: merge ", rank, " ('", left, "' '", right,
                             "') occurs twice");
    }
    if (o.byte_fallback) {
      for (std::size_t b = 0; b < 256; ++b) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        const char name[] = {'<', '0', 'x', digits[b >> 4U], digits[b & 15U], '>'};
        m.bytes_[b] = words.model_id({name, sizeof name}).value_or(-1);
      }
    }
    for (char32_t c = 0; c < m.characters_.size(); ++c) {
      char bytes[4];
      m.characters_[c] = words.model_id({bytes, encode_utf8(c, bytes)}).value_or(-1);
    }
    m.options_ = std::move(o);
    m.options_.merges = {};
    return m;
  }

  /// Requires: `word` is valid UTF-8 and not empty
  void split(const vocabulary& words, std::string_view word, std::vector<word_piece>& out,
             scratch& s) const {
    out.clear();
    if (options_.ignore_merges) {
      if (const auto whole = words.model_id(word)) return out.push_back({*whole, 0, word.size()});
    }
    start(words, word, s);
    merge(s);
    // Like the reference, a dropped character (no unknown token) moves the later pieces.
    std::size_t at = 0;
    for (const symbol& x : s.symbols) {
      if (x.size != 0) out.push_back({x.id, at, at + x.size});
      at += x.size;
    }
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  struct merge_result {
    std::uint32_t rank = none;
    std::int32_t id = -1;
  };
  struct merge_slot {
    std::int32_t left = -1, right = -1;
    merge_result to;
  };

  [[nodiscard]] std::size_t slot(std::int32_t left, std::int32_t right) const {
    const auto key = static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U |
                     static_cast<std::uint32_t>(right);
    const std::uint64_t mixed = (key ^ key >> 29U) * 0xBF58476D1CE4E5B9U;
    return static_cast<std::size_t>(((mixed ^ mixed >> 32U) * 0x9E3779B97F4A7C15U) >> shift_);
  }
  [[nodiscard]] bool insert(std::int32_t left, std::int32_t right, merge_result to) {
    std::size_t i = slot(left, right);
    for (; merges_[i].left >= 0; i = (i + 1) & (merges_.size() - 1)) {
      if (merges_[i].left == left && merges_[i].right == right) return false;
    }
    merges_[i] = {left, right, to};
    return true;
  }
  [[nodiscard]] merge_result find(std::int32_t left, std::int32_t right) const {
    for (std::size_t i = slot(left, right); merges_[i].left >= 0;
         i = (i + 1) & (merges_.size() - 1)) {
      if (merges_[i].left == left && merges_[i].right == right) return merges_[i].to;
    }
    return {};
  }

  static void add(scratch& s, std::int32_t id, std::size_t size) {
    const auto index = static_cast<std::uint32_t>(s.symbols.size());
    if (index > 0) s.symbols.back().next = index;
    s.symbols.push_back({id, index > 0 ? index - 1 : none, none, size});
  }

  /// The id of the character at word[begin, end), with prefix and suffix; -1 if unknown.
  [[nodiscard]] std::int32_t character(const vocabulary& words, std::string_view word,
                                       std::size_t begin, std::size_t end, scratch& s) const {
    const bool has_prefix = begin > 0 && !options_.prefix.empty();
    const bool has_suffix = end == word.size() && !options_.suffix.empty();
    if (!has_prefix && !has_suffix) {
      const char32_t c = decode_utf8(word, begin);
      if (c < characters_.size()) return characters_[c];
      return words.model_id(word.substr(begin, end - begin)).value_or(-1);
    }
    s.text.assign(has_prefix ? options_.prefix : std::string());
    s.text.append(word, begin, end - begin);
    if (has_suffix) s.text += options_.suffix;
    return words.model_id(s.text).value_or(-1);
  }

  void start(const vocabulary& words, std::string_view word, scratch& s) const {
    s.symbols.clear();
    std::size_t unknown = 0;  // bytes of unknown characters not yet added
    for (std::size_t at = 0, end = 0; at < word.size(); at = end) {
      end = at + utf8_length(word[at]);
      const std::int32_t id = character(words, word, at, end, s);
      if (id >= 0) {
        if (unknown > 0) add(s, *unknown_, std::exchange(unknown, 0));
        add(s, id, end - at);
      } else if (!add_bytes(word.substr(at, end - at), s) && unknown_) {
        if (unknown > 0 && !options_.fuse_unknown) add(s, *unknown_, std::exchange(unknown, 0));
        unknown += end - at;
      }
    }
    if (unknown > 0) add(s, *unknown_, unknown);
  }

  [[nodiscard]] bool add_bytes(std::string_view character, scratch& s) const {
    if (!options_.byte_fallback) return false;
    const auto id = [&](char c) { return bytes_[static_cast<unsigned char>(c)]; };
    if (std::any_of(character.begin(), character.end(), [&](char c) { return id(c) < 0; }))
      return false;
    for (const char c : character) add(s, id(c), 1);
    return true;
  }

  void merge(scratch& s) const {
    // The least rank first, of equals the leftmost.
    const auto later = [](const candidate& a, const candidate& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    };
    const auto consider = [&](std::uint32_t at) {
      const symbol& left = s.symbols[at];
      if (left.next == none) return false;
      const merge_result to = find(left.id, s.symbols[left.next].id);
      if (to.id >= 0) s.heap.push_back({to.rank, at, to.id});
      return to.id >= 0;
    };
    s.heap.clear();
    for (std::uint32_t i = 0; i + 1 < s.symbols.size(); ++i) (void)consider(i);
    std::make_heap(s.heap.begin(), s.heap.end(), later);
    while (!s.heap.empty()) {
      std::pop_heap(s.heap.begin(), s.heap.end(), later);
      const candidate top = s.heap.back();
      s.heap.pop_back();
      symbol& left = s.symbols[top.at];
      if (left.size == 0 || left.next == none) continue;
      symbol& right = s.symbols[left.next];
      if (find(left.id, right.id).id != top.id) continue;  // one of them was merged meanwhile
      left.id = top.id;
      left.size += std::exchange(right.size, 0);
      left.next = right.next;
      if (left.next != none) s.symbols[left.next].previous = top.at;
      if (left.previous != none && consider(left.previous))
        std::push_heap(s.heap.begin(), s.heap.end(), later);
      if (consider(top.at)) std::push_heap(s.heap.begin(), s.heap.end(), later);
    }
  }

  options options_;
  std::optional<std::int32_t> unknown_;
  std::vector<merge_slot> merges_;  // open addressing, at most half full
  int shift_ = 63;
  std::array<std::int32_t, 256> bytes_{};
  std::array<std::int32_t, 0x200> characters_{};  // ids of the first characters; -1: none
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
