// SPDX-License-Identifier: Apache-2.0
// A text as one model input, or as several that overlap if it is longer than the model.
#pragma once

#include <string>

#include "lowbit/text/tokenizer.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct text_windows {
  std::vector<encoding> parts;  ///< at least one, with special tokens
  encoding all;                 ///< the tokens of the text without special tokens, if several parts
  std::string text;             ///< the text itself
  std::size_t stride = 0;       ///< tokens of the text from the start of one part to the next
  std::size_t begin = 1;        ///< index of a part's first token of the text
  std::size_t specials = 2;     ///< special tokens of a part
  bool truncated = false;       ///< tokens were cut off, of a text that is not split

  /// Where token t of `all` has the most context on its poorer side: part, and row in it.
  struct place {
    std::size_t part, row;
  };
  [[nodiscard]] place best_place(std::size_t t) const {
    place best{0, 0};
    std::size_t most = 0;
    const std::size_t last = t / stride < parts.size() ? t / stride : parts.size() - 1;
    for (std::size_t p = last + 1; p-- > 0;) {
      const std::size_t at = t - p * stride;  // in the part's text
      const std::size_t count = parts[p].ids.size() - specials;
      if (at >= count) break;
      // The ends of the text itself cut nothing off.
      const std::size_t before = p == 0 ? count : at;
      const std::size_t after = p + 1 == parts.size() ? count : count - 1 - at;
      const std::size_t context = (before < after ? before : after) + 1;
      if (context > most) {
        most = context;
        best = {p, begin + at};
      }
    }
    return best;
  }
};

/// The text in one part if it has at most max_tokens tokens with the special ones, else in parts of
/// at most max_tokens, of which adjacent ones share `overlap` tokens of the text.
///
/// Errors: malformed if the text is not valid UTF-8; invalid_argument if a part has no room for
///         more than the overlap
inline result<text_windows> split_text(const lowbit::tokenizer& tokenizer, std::string_view text,
                                       std::size_t max_tokens, std::size_t overlap) {
  LOWBIT_TRY_ASSIGN(auto all, tokenizer.encode_plain(text));
  text_windows out;
  out.text = text;
  out.specials = tokenizer.single_special_count();
  const std::size_t room = max_tokens < out.specials ? 0 : max_tokens - out.specials;
  if (all.ids.size() > room && room <= overlap) {
    return status::error(errc::invalid_argument, "of ", max_tokens, " tokens ", room,
                         " are left for the text, expected more than the overlap of ", overlap);
  }
  out.stride = all.ids.size() > room ? room - overlap : 1;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = std::min(all.ids.size(), begin + room);
    encoding part;
    for (std::size_t t = begin; t < end; ++t)
      detail::append_token(part, all.ids[t], all.type_ids[t], all.offsets[t], all.words[t]);
    auto wrapped = tokenizer.wrap(std::move(part));
    out.begin = wrapped.begin;
    out.parts.push_back(std::move(wrapped.tokens));
    if (end == all.ids.size()) break;
    begin += out.stride;
  }
  if (out.parts.size() > 1) out.all = std::move(all);
  return out;
}

}  // namespace lowbit::inline LOWBIT_ISA
