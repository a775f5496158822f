// SPDX-License-Identifier: Apache-2.0
// SentencePiece's way to keep spaces: each becomes a visible character, one more goes before the
// text, and words begin at them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/text/pieces.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

enum class prepend_scheme {
  always,  ///< before every piece
  first,   ///< before the piece at the start of the text
  never,
};

struct metaspace {
  std::string replacement = "\u2581";  ///< one character
  prepend_scheme prepends = prepend_scheme::always;
  bool splits = true;

  void apply(text_pieces& t) const {
    text_pieces out;
    for (const text_span& piece : t.pieces) {
      if (piece.begin == piece.end) continue;
      const std::size_t begin = out.text.text.size();
      const std::size_t origin = t.text.origins[piece.begin];
      const std::string_view text =
          std::string_view(t.text.text).substr(piece.begin, piece.end - piece.begin);
      if (!text.starts_with(' ') && !text.starts_with(replacement) &&
          (prepends == prepend_scheme::always ||
           (prepends == prepend_scheme::first && origin == 0)))
        append(out.text, replacement, origin);
      for (std::size_t at = piece.begin; at < piece.end; ++at) {
        if (t.text.text[at] == ' ') {
          append(out.text, replacement, t.text.origins[at]);
        } else {
          append(out.text, std::string_view(t.text.text).substr(at, 1), t.text.origins[at]);
        }
      }
      out.pieces.push_back({begin, out.text.text.size()});
    }
    t = std::move(out);
    if (splits) split(t);
  }

 private:
  static void append(normalized_text& to, std::string_view text, std::size_t origin) {
    to.text += text;
    to.origins.insert(to.origins.end(), text.size(), origin);
  }

  void split(text_pieces& t) const {
    split_pieces(t, split_behavior::merged_with_next, [&](std::string_view piece, auto&& found) {
      for (std::size_t at = 0; (at = piece.find(replacement, at)) != std::string_view::npos;
           at += replacement.size())
        found(at, at + replacement.size());
    });
  }
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
