// SPDX-License-Identifier: Apache-2.0
// GPT-2's byte-level pre-tokenizer: words with the space before them, every byte written as one
// printable character. Its regular expression is a hand-written splitter, so that the time is
// linear and the classes are those of unicode.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lowbit/text/normalizer.hpp"
#include "lowbit/text/pieces.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// The pattern that each_gpt2_word implements, as files spell it.
inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// The character that stands for each byte: itself if it is printable Latin-1, otherwise the next
/// of U+0100 and above.
inline constexpr std::array<char32_t, 256> byte_characters = [] {
  std::array<char32_t, 256> out{};
  char32_t next = 0x100;
  for (char32_t b = 0; b < 256; ++b) {
    const bool itself = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    out[b] = itself ? b : next++;
  }
  return out;
}();

/// The bytes that the characters of a token stand for; nothing if one stands for none.
[[nodiscard]] inline std::optional<std::string> decode_byte_level(std::string_view token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size(); at += utf8_length(token[at])) {
    const auto* found =
        std::find(byte_characters.begin(), byte_characters.end(), decode_utf8(token, at));
    if (found == byte_characters.end()) return std::nullopt;
    bytes.push_back(static_cast<char>(found - byte_characters.begin()));
  }
  return bytes;
}

/// End of the GPT-2 word that starts at `at`.
[[nodiscard]] inline std::size_t gpt2_word_end(std::string_view text, std::size_t at) {
  const auto class_at = [&](std::size_t i) { return class_in_pattern(decode_utf8(text, i)); };
  if (text[at] == '\'') {
    const std::string_view rest = text.substr(at + 1, 2);
    for (const std::string_view ending : {"s", "t", "re", "ve", "m", "ll", "d"})
      if (rest.starts_with(ending)) return at + 1 + ending.size();
  }
  std::size_t end = at + (text[at] == ' ' && at + 1 < text.size() ? 1U : 0U);
  const pattern_class first = class_at(end);
  if (first != pattern_class::space) {
    do end += utf8_length(text[end]);
    while (end < text.size() && class_at(end) == first);
    return end;
  }
  // White space: all of it at the end of the text, otherwise all but the last, which may belong to
  // the next word; a single one is a word.
  std::size_t last = end = at;
  do {
    last = end;
    end += utf8_length(text[end]);
  } while (end < text.size() && class_at(end) == pattern_class::space);
  return end == text.size() || last == at ? end : last;
}

inline constexpr auto each_gpt2_word = [](std::string_view piece, auto&& found) {
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t end = gpt2_word_end(piece, at);
    found(at, end);
    at = end;
  }
};

struct byte_level_pre_tokenizer {
  bool add_prefix_space = true, use_regex = true;

  void apply(text_pieces& t) const {
    if (add_prefix_space) {
      rebuild(t, [](text_pieces& out, const normalized_text& from, text_span at) {
        if (from.text[at.begin] != ' ') out.text(U' ', from.origins[at.begin]);
        for (std::size_t i = at.begin; i < at.end; ++i) {
          out.text.text.push_back(from.text[i]);
          out.text.origins.push_back(from.origins[i]);
        }
      });
    }
    if (use_regex) split_pieces(t, split_behavior::isolated, each_gpt2_word);
    rebuild(t, [](text_pieces& out, const normalized_text& from, text_span at) {
      for (std::size_t i = at.begin; i < at.end; ++i)
        out.text(byte_characters[static_cast<unsigned char>(from.text[i])], from.origins[i]);
    });
  }

 private:
  template <class Write>
  static void rebuild(text_pieces& t, Write&& write) {
    text_pieces out;
    out.text.text.reserve(t.text.text.size() * 5 / 4);
    out.text.origins.reserve(t.text.text.size() * 5 / 4);
    for (const text_span& at : t.pieces) {
      const std::size_t begin = out.text.text.size();
      write(out, t.text, at);
      out.pieces.push_back({begin, out.text.text.size()});
    }
    t = std::move(out);
  }
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
