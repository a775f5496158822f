// SPDX-License-Identifier: Apache-2.0
// BERT's tokenizer for ASCII text without a heap: tables in flash, ids in the caller's memory. Its
// ids are those of text/tokenizer.hpp for every ASCII text. The tables are made on a host
// (text/ascii_tables.hpp, lowbit convert).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The pieces of a WordPiece vocabulary that ASCII text can match. Those that begin a word stand
/// first, then continuations without their prefix; both are sorted by their bytes.
struct ascii_vocabulary {
  /// A token matched in the text itself, such as [MASK].
  struct added {
    std::string_view text;
    std::int32_t id;
  };

  const char* bytes = nullptr;             ///< of all pieces
  const std::uint16_t* offsets = nullptr;  ///< (pieces + 1) of their first bytes, modulo 2^16
  const std::uint16_t* ids = nullptr;      ///< (pieces)
  /// (wrap_count) ascending: piece p begins w * 2^16 bytes further if w of these are at most p.
  const std::uint32_t* wraps = nullptr;
  std::uint32_t wrap_count = 0;
  /// (2, starts_size): of the words, then of the continuations, the first that begins with a byte
  /// of at least c.
  const std::uint16_t* starts = nullptr;
  std::uint32_t words = 0;   ///< pieces that begin a word
  std::uint32_t pieces = 0;  ///< all
  const added* tokens = nullptr;
  std::uint32_t token_count = 0;
  std::int32_t unknown = 0;
  std::int32_t classifier = 0;
  std::int32_t separator = 0;
  std::uint32_t max_characters = 100;  ///< a longer word is unknown; at most longest_word
  bool lower_case = true;

  static constexpr std::uint32_t longest_word = 200;
  static constexpr std::uint32_t starts_size = 129;

  [[nodiscard]] LOWBIT_INLINE const char* piece(std::uint32_t p) const {
    const char* begin = bytes + offsets[p];
    for (std::uint32_t w = 0; w < wrap_count && p >= wraps[w]; ++w) begin += std::size_t{1} << 16;
    return begin;
  }
  [[nodiscard]] LOWBIT_INLINE std::size_t size(std::uint32_t p) const {
    return static_cast<std::uint16_t>(offsets[p + 1] - offsets[p]);
  }
};

struct ascii_encoding {
  std::size_t tokens = 0;
  bool truncated = false;
  /// The text has bytes above 127; each word with one is unknown.
  bool beyond_ascii = false;
};

namespace detail {

/// text.substr(begin), which would need a library: begin is at most the size.
[[nodiscard]] constexpr std::string_view rest_of(std::string_view text, std::size_t begin) {
  return {text.data() + begin, text.size() - begin};
}

/// The longest piece that `text`, which is not empty, begins with, among those that begin a word or
/// those that continue one; false if there is none.
inline bool longest_piece(const ascii_vocabulary& v, bool begins_word, std::string_view text,
                          std::uint32_t& found, std::size_t& length) {
  const std::uint16_t* starts = v.starts + (begins_word ? 0 : ascii_vocabulary::starts_size);
  const auto byte = static_cast<unsigned char>(text[0]);
  std::uint32_t first = starts[byte];
  std::uint32_t last = starts[byte + 1U];
  bool any = false;
  // Pieces [first, last) share `at` bytes with the text; if one has no more, it is the first.
  for (std::size_t at = 1; first < last; ++at) {
    if (v.size(first) == at) {
      any = true;
      found = first++;
      length = at;
    }
    if (at == text.size()) break;
    const auto wanted = static_cast<unsigned char>(text[at]);
    const auto lower = [&](std::uint32_t begin, unsigned least) {
      std::uint32_t end = last;
      while (begin < end) {
        const std::uint32_t middle = begin + (end - begin) / 2;
        if (static_cast<unsigned char>(v.piece(middle)[at]) < least) {
          begin = middle + 1;
        } else {
          end = middle;
        }
      }
      return begin;
    };
    first = lower(first, wanted);
    last = lower(first, wanted + 1U);
  }
  return any;
}

/// Appends ids to memory for `most`; counts the rest as truncated.
struct id_sink {
  std::int32_t* ids;
  std::size_t most;
  ascii_encoding out;

  void push(std::int32_t id) {
    if (out.tokens < most) {
      ids[out.tokens++] = id;
    } else {
      out.truncated = true;
    }
  }
};

/// A word of at most longest_word bytes, which grows byte by byte.
class ascii_word {
 public:
  explicit ascii_word(const ascii_vocabulary& v) : v_(v) {}

  void append(char c) {
    if (characters_ < v_.max_characters) text_[characters_] = c;
    ++characters_;
  }
  void append_unknown() { unknown_ = true; }

  /// Splits the word, if there is one, and begins the next.
  void finish(id_sink& sink) {
    const bool unknown = unknown_ || characters_ > v_.max_characters;
    const std::string_view text{text_, characters_};
    if (unknown) {
      sink.push(v_.unknown);
    } else if (characters_ != 0 && !sink.out.truncated) {
      split(text, sink);
    }
    characters_ = 0;
    unknown_ = false;
  }

 private:
  void split(std::string_view text, id_sink& sink) const {
    const ascii_encoding before = sink.out;
    for (std::size_t begin = 0; begin < text.size();) {
      std::uint32_t piece = 0;
      std::size_t length = 0;
      if (!longest_piece(v_, begin == 0, rest_of(text, begin), piece, length)) {
        sink.out = before;
        return sink.push(v_.unknown);
      }
      sink.push(v_.ids[piece]);
      begin += length;
    }
  }

  const ascii_vocabulary& v_;
  std::uint32_t characters_ = 0;
  bool unknown_ = false;
  char text_[ascii_vocabulary::longest_word] = {};
};

[[nodiscard]] constexpr bool is_ascii_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

/// The longest added token that `text` begins with, or null.
[[nodiscard]] inline const ascii_vocabulary::added* added_at(const ascii_vocabulary& v,
                                                             std::string_view text) {
  const ascii_vocabulary::added* best = nullptr;
  for (std::uint32_t i = 0; i < v.token_count; ++i) {
    const auto& t = v.tokens[i];
    if (text.starts_with(t.text) && (best == nullptr || t.text.size() > best->text.size()))
      best = &t;
  }
  return best;
}

}  // namespace detail

/// [CLS] text [SEP], truncated on the right to max_tokens, in ids[0 .. tokens).
///
/// Requires: max_tokens >= 2, and room for as many ids
/// Cost:     linear in the text, times the logarithm of the vocabulary; 400 bytes of stack
inline ascii_encoding encode_ascii(const ascii_vocabulary& v, std::string_view text,
                                   std::int32_t* ids, std::size_t max_tokens) {
  LOWBIT_EXPECTS(max_tokens >= 2 && v.max_characters <= v.longest_word);
  detail::id_sink sink{ids, max_tokens - 1, {}};
  detail::ascii_word word(v);
  std::uint32_t begins_token[8] = {};  // a bit for each byte
  for (std::uint32_t i = 0; i < v.token_count; ++i) {
    const auto first = static_cast<unsigned char>(v.tokens[i].text[0]);
    begins_token[first / 32] |= std::uint32_t{1} << first % 32;
  }
  sink.push(v.classifier);
  for (std::size_t at = 0; at < text.size();) {
    const auto code = static_cast<unsigned char>(text[at]);
    if ((begins_token[code / 32] >> code % 32 & 1U) != 0) {
      if (const auto* token = detail::added_at(v, detail::rest_of(text, at))) {
        word.finish(sink);
        sink.push(token->id);
        at += token->text.size();
        continue;
      }
    }
    char c = text[at++];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      word.finish(sink);
    } else if (code >= 0x80) {
      sink.out.beyond_ascii = true;
      word.append_unknown();
    } else if (detail::is_ascii_punctuation(c)) {
      word.finish(sink);
      word.append(c);
      word.finish(sink);
    } else if (code >= 0x20 && code != 0x7F) {
      if (v.lower_case && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      word.append(c);
    }
  }
  word.finish(sink);
  ids[sink.out.tokens++] = v.separator;
  return sink.out;
}

}  // namespace lowbit::inline LOWBIT_ISA
