// SPDX-License-Identifier: Apache-2.0
// The Unigram model: splits a text into the pieces with the largest sum of scores (Viterbi), like
// Hugging Face tokenizers, including its ties: of equal sums the one found first wins, and it is
// found in the order of starts, then of lengths. Knows nothing of normalization or files.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/unicode.hpp"
#include "lowbit/text/vocabulary.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Byte strings with ids, by prefix. Nodes lie in breadth-first order, so the children of a node
/// are neighbours, sorted by their byte, and end where those of the next node begin.
class piece_trie {
 public:
  static constexpr std::int32_t no_piece = -1;

  /// The id of a piece is its index. Requires: no piece is empty, no two are equal
  explicit piece_trie(std::span<const std::string_view> pieces = {}) {
    std::vector<std::uint32_t> order(pieces.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](std::uint32_t a, std::uint32_t b) { return pieces[a] < pieces[b]; });
    struct range {  // the pieces of `order` that share the prefix of a node
      std::size_t begin, end, depth;
    };
    std::vector<range> level{{0, order.size(), 0}}, next;
    nodes_.push_back({0, no_piece, 0});
    for (std::size_t node = 0; !level.empty(); level.swap(next)) {
      next.clear();
      for (auto [begin, end, depth] : level) {
        for (; begin < end && pieces[order[begin]].size() == depth; ++begin)
          nodes_[node].id = static_cast<std::int32_t>(order[begin]);
        nodes_[node].first_child = static_cast<std::uint32_t>(nodes_.size());
        while (begin < end) {
          const char byte = pieces[order[begin]][depth];
          std::size_t same = begin + 1;
          while (same < end && pieces[order[same]][depth] == byte) ++same;
          nodes_.push_back({0, no_piece, static_cast<unsigned char>(byte)});
          next.push_back({begin, same, depth + 1});
          begin = same;
        }
        ++node;
      }
    }
    nodes_.push_back({static_cast<std::uint32_t>(nodes_.size()), no_piece, 0});
  }

  /// Calls `found(id, size)` for each piece that `text` begins with, the shortest first.
  template <class Found>
  void each_prefix(std::string_view text, Found&& found) const {
    std::uint32_t node = 0;
    for (std::size_t size = 1; size <= text.size(); ++size) {
      node = child(node, static_cast<unsigned char>(text[size - 1]));
      if (node == 0) return;
      if (nodes_[node].id != no_piece) found(nodes_[node].id, size);
    }
  }

  [[nodiscard]] std::int32_t find(std::string_view piece) const {
    std::uint32_t node = 0;
    for (const char c : piece) {
      node = child(node, static_cast<unsigned char>(c));
      if (node == 0) return no_piece;
    }
    return nodes_[node].id;
  }

 private:
  struct node {
    std::uint32_t first_child;
    std::int32_t id;
    unsigned char byte;
  };

  /// 0, the root, if there is none.
  [[nodiscard]] std::uint32_t child(std::uint32_t parent, unsigned char byte) const {
    const auto begin = nodes_.begin() + nodes_[parent].first_child;
    const auto end = nodes_.begin() + nodes_[parent + 1].first_child;
    const auto place = std::lower_bound(begin, end, byte,
                                        [](const node& n, unsigned char b) { return n.byte < b; });
    return place != end && place->byte == byte ? static_cast<std::uint32_t>(place - nodes_.begin())
                                               : 0;
  }

  std::vector<node> nodes_;  // then a last one, which ends the children of the one before it
};

class unigram_model {
 public:
  struct options {
    std::vector<double> scores;  ///< one per token of the model, the first of the vocabulary
    bool byte_fallback = false;  ///< unknown text becomes tokens like <0x0A>, if all are known
  };

  /// `unknown`: the token of unknown characters.
  ///
  /// Errors: malformed for a score that is not finite, or if there is no such token
  static result<unigram_model> make(options o, const vocabulary& words,
                                    std::optional<std::int32_t> unknown) {
    LOWBIT_EXPECTS(o.scores.size() <= words.size());
    if (!unknown || static_cast<std::size_t>(*unknown) >= o.scores.size())
      return status::error(errc::malformed, "unk_id: none, expected the id of a piece");
    std::vector<std::string_view> pieces(o.scores.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      pieces[i] = words.token(static_cast<std::int32_t>(i));
      if (!std::isfinite(o.scores[i]))
        return status::error(errc::malformed, "piece ", i, ": score ",
                             std::isnan(o.scores[i]) ? "NaN" : "infinite",
                             ", expected a finite number");
    }
    unigram_model m;
    m.trie_ = piece_trie(pieces);
    m.unk_score_ = *std::min_element(o.scores.begin(), o.scores.end()) - 10;
    m.scores_ = std::move(o.scores);
    m.unk_ = *unknown;
    m.byte_ids_.fill(piece_trie::no_piece);
    for (std::size_t byte = 0; o.byte_fallback && byte < m.byte_ids_.size(); ++byte) {
      constexpr const char* digits = "0123456789ABCDEF";
      m.byte_ids_[byte] =
          m.trie_.find(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + '>');
    }
    return m;
  }

  /// Memory of one call of split().
  struct scratch {
    struct node {
      double score;
      std::uint32_t size;  // of the last piece of the best split up to here; 0: none yet
      std::int32_t id;
    };
    std::vector<node> nodes;
  };

  /// Unknown characters in a row are one token, or with byte_fallback one per byte, each with the
  /// range of all of them.
  ///
  /// Requires: `text` is valid UTF-8
  /// Cost:     bytes of the text times the longest piece; 16 bytes of memory per byte
  void split(const vocabulary&, std::string_view text, std::vector<word_piece>& out,
             scratch& w) const {
    out.clear();
    w.nodes.assign(text.size() + 1, {0, 0, unk_});
    for (std::size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
      const double before = w.nodes[at].score;
      const std::size_t character = utf8_length(text[at]);
      const auto offer = [&](std::int32_t id, std::size_t size, double score) {
        auto& node = w.nodes[at + size];
        if (node.size == 0 || score > node.score)
          node = {score, static_cast<std::uint32_t>(size), id};
      };
      bool known = false;
      trie_.each_prefix(text.substr(at), [&](std::int32_t id, std::size_t size) {
        offer(id, size, scores_[static_cast<std::size_t>(id)] + before);
        known = known || size == character;
      });
      if (!known) offer(unk_, character, unk_score_ + before);
    }
    // Turns the list of best pieces around: each node gets the piece that begins there.
    scratch::node next{0, 0, unk_};
    for (std::size_t at = text.size();; at -= next.size) {
      std::swap(next, w.nodes[at]);
      if (at == 0) break;
    }
    emit(text, w, out);
  }

 private:
  void emit(std::string_view text, const scratch& w, std::vector<word_piece>& out) const {
    for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end) {
      const std::int32_t id = w.nodes[begin].id;
      end = begin + w.nodes[begin].size;
      if (id != unk_) {
        out.push_back({id, begin, end});
        continue;
      }
      while (end < text.size() && w.nodes[end].id == unk_) end += w.nodes[end].size;
      emit_unknown(text.substr(begin, end - begin), begin, out);
    }
  }

  // As in the reference, unknown characters that together are a piece become that piece.
  void emit_unknown(std::string_view text, std::size_t begin, std::vector<word_piece>& out) const {
    const std::int32_t id = trie_.find(text);
    const std::size_t end = begin + text.size();
    const auto byte_id = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
    if (id != piece_trie::no_piece) return out.push_back({id, begin, end});
    if (std::any_of(text.begin(), text.end(),
                    [&](char c) { return byte_id(c) == piece_trie::no_piece; }))
      return out.push_back({unk_, begin, end});
    for (const char c : text) out.push_back({byte_id(c), begin, end});
  }

  piece_trie trie_;
  std::vector<double> scores_;
  double unk_score_ = 0;
  std::int32_t unk_ = 0;
  std::array<std::int32_t, 256> byte_ids_{};  // no_piece: no fallback for this byte
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
