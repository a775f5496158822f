// SPDX-License-Identifier: Apache-2.0
// The pre-tokenizers of tokenizer.json. Each splits every piece of a text; ByteLevel also rewrites
// it. A Sequence is a list of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lowbit/text/byte_level.hpp"
#include "lowbit/text/metaspace.hpp"
#include "lowbit/text/normalizer.hpp"
#include "lowbit/text/pieces.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Calls `found(begin, end)` for each character that satisfies `is`.
template <class Is>
auto each_character(Is is) {
  return [is](std::string_view piece, auto&& found) {
    for (std::size_t at = 0; at < piece.size();) {
      const std::size_t end = at + utf8_length(piece[at]);
      if (is(decode_utf8(piece, at))) found(at, end);
      at = end;
    }
  };
}

struct bert_pre_tokenizer {
  void apply(text_pieces& t) const {
    split_pieces(t, split_behavior::removed, each_character(is_whitespace));
    split_pieces(t, split_behavior::isolated, each_character(is_punctuation));
  }
};

/// Whitespace: \w+|[^\w\s]+
struct word_pre_tokenizer {
  void apply(text_pieces& t) const {
    const auto kind = [](char32_t c) {
      return is_word_character(c) ? 2 : is_whitespace(c) ? 0 : 1;
    };
    split_pieces(t, split_behavior::inverted, [&](std::string_view piece, auto&& found) {
      for (std::size_t at = 0; at < piece.size();) {
        const std::size_t begin = at;
        const int first = kind(decode_utf8(piece, at));
        do at += utf8_length(piece[at]);
        while (at < piece.size() && kind(decode_utf8(piece, at)) == first);
        if (first != 0) found(begin, at);
      }
    });
  }
};

struct whitespace_splitter {
  void apply(text_pieces& t) const {
    split_pieces(t, split_behavior::removed, each_character(is_whitespace));
  }
};

struct punctuation_splitter {
  split_behavior behavior = split_behavior::isolated;
  void apply(text_pieces& t) const { split_pieces(t, behavior, each_character(is_punctuation)); }
};

struct digit_splitter {
  bool individual = false;
  void apply(text_pieces& t) const {
    split_pieces(t, individual ? split_behavior::isolated : split_behavior::contiguous,
                 each_character(is_numeric));
  }
};

/// Split: at every occurrence of a string, or of GPT-2's words if the string is empty.
struct pattern_splitter {
  std::string pattern;
  split_behavior behavior = split_behavior::isolated;
  bool invert = false;
  void apply(text_pieces& t) const {
    if (pattern.empty()) return split_pieces(t, behavior, each_gpt2_word, invert);
    const auto find = [&](std::string_view piece, auto&& found) {
      for (std::size_t at = 0; (at = piece.find(pattern, at)) != std::string_view::npos;) {
        found(at, at + pattern.size());
        at += pattern.size();
      }
    };
    split_pieces(t, behavior, find, invert);
  }
};

using pre_tokenizer_step =
    std::variant<bert_pre_tokenizer, word_pre_tokenizer, whitespace_splitter, punctuation_splitter,
                 digit_splitter, pattern_splitter, byte_level_pre_tokenizer, metaspace>;

inline void pre_tokenize(const std::vector<pre_tokenizer_step>& steps, text_pieces& t) {
  for (const pre_tokenizer_step& step : steps) std::visit([&](const auto& s) { s.apply(t); }, step);
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
