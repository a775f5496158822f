// SPDX-License-Identifier: Apache-2.0
// A normalized text cut into pieces, and how a match of a pattern cuts a piece: the behaviors of
// the reference's Split, with its names.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/text/encoding.hpp"
#include "lowbit/text/normalizer.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct text_pieces {
  normalized_text text;
  std::vector<text_span> pieces;  ///< byte ranges of `text`, in order, none empty
};

enum class split_behavior {
  removed,               ///< matches disappear
  inverted,              ///< all but the matches disappears
  isolated,              ///< every match is a piece
  contiguous,            ///< matches in a row are one piece
  merged_with_previous,  ///< a match belongs to the text before it
  merged_with_next,
};

struct pattern_match {
  text_span at;
  bool is_match;
};

/// The pieces into which the alternating stretches of one piece are joined.
inline void join_matches(std::vector<pattern_match>& parts, split_behavior behavior,
                         std::vector<text_span>& out) {
  using enum split_behavior;
  const auto add = [&](text_span at) {
    if (at.begin < at.end) out.push_back(at);
  };
  if (behavior == removed || behavior == inverted || behavior == isolated) {
    for (const pattern_match& p : parts) {
      if (behavior == isolated || p.is_match == (behavior == inverted)) add(p.at);
    }
    return;
  }
  if (behavior == merged_with_next) std::reverse(parts.begin(), parts.end());
  std::vector<text_span> joined;
  bool previous = false;
  for (const pattern_match& p : parts) {
    const bool joins = behavior == contiguous ? p.is_match == previous : p.is_match && !previous;
    if (joins && !joined.empty()) {
      joined.back().begin = std::min(joined.back().begin, p.at.begin);
      joined.back().end = std::max(joined.back().end, p.at.end);
    } else {
      joined.push_back(p.at);
    }
    previous = p.is_match;
  }
  if (behavior == merged_with_next) std::reverse(joined.begin(), joined.end());
  for (const text_span& at : joined) add(at);
}

/// Splits every piece. `find(piece, found)` calls `found(begin, end)` for the matches in order;
/// with `invert`, what lies between them counts as the matches.
template <class Find>
void split_pieces(text_pieces& t, split_behavior behavior, Find&& find, bool invert = false) {
  std::vector<text_span> out;
  std::vector<pattern_match> parts;
  for (const text_span& piece : t.pieces) {
    const std::string_view text =
        std::string_view(t.text.text).substr(piece.begin, piece.end - piece.begin);
    parts.clear();
    std::size_t done = 0;
    const auto add = [&](std::size_t begin, std::size_t end, bool is_match) {
      if (begin < end) parts.push_back({{piece.begin + begin, piece.begin + end}, is_match});
    };
    find(text, [&](std::size_t begin, std::size_t end) {
      add(done, begin, invert);
      add(begin, end, !invert);
      done = end;
    });
    add(done, text.size(), invert);
    join_matches(parts, behavior, out);
  }
  t.pieces = std::move(out);
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
