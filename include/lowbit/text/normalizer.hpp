// SPDX-License-Identifier: Apache-2.0
// BERT's text normalizer as a stream: takes code points with their byte offsets, emits normalized
// code points with the offset of the original character. Does not depend on words or vocabularies.
// When canonical ordering moves an accent, the reference's alignment follows the position rather
// than the accent, and so does this one; otherwise offsets would differ from Hugging Face's on text
// with stacked marks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The options of Hugging Face's BertNormalizer, with its defaults.
struct normalizer_options {
  bool clean_text = true;            ///< drop control characters; replace any white space by ' '
  bool handle_chinese_chars = true;  ///< spaces around CJK ideographs
  std::optional<bool> strip_accents = std::nullopt;  ///< default: same as lower_case
  bool lower_case = true;

  [[nodiscard]] bool strips_accents() const { return strip_accents.value_or(lower_case); }
};

namespace detail {

/// Sink: `void operator()(char32_t c, std::size_t origin)`, origin = byte offset in the original
/// text of the character that produced c. Call `finish` after the last character of a segment.
template <class Sink>
class normalizer {
 public:
  normalizer(const normalizer_options& options, Sink& sink)
      : options_(options), strip_(options.strips_accents()), sink_(sink) {}

  /// Adds one character, at byte `origin` of the original text.
  void push(char32_t c, std::size_t origin) {
    if (options_.clean_text) {
      if (is_dropped_by_cleaning(c)) return;
      if (is_whitespace(c)) c = ' ';
    }
    if (options_.handle_chinese_chars && is_spaced_ideograph(c)) {
      decompose(' ', origin);
      decompose(c, origin);
      decompose(' ', origin);
      return;
    }
    decompose(c, origin);
  }

  void finish() { emit_marks(); }

 private:
  struct pending_mark {
    char32_t c;
    std::uint8_t combining_class;
    bool starts_character;  // the first code point of an original character's decomposition
  };

  void decompose(char32_t c, std::size_t origin) {
    if (!strip_) return emit(c, origin);
    if (c < 0xC0) {
      emit_marks();
      current_ = origin;
      return emit(c, origin);
    }
    const decomposition d = canonical_decomposition(c);
    for (std::size_t i = 0; i < d.size; ++i) {
      const auto part = static_cast<char32_t>(d.code_points[i]);
      const std::uint8_t order = combining_class(part);
      if (i == 0 && order != 0) origins_.push_back(origin);
      if (order != 0) {
        marks_.push_back({part, order, i == 0});
        continue;
      }
      emit_marks();
      if (i == 0) current_ = origin;
      emit(part, current_);
    }
  }

  // Emits marks in canonical order. The k-th mark that starts a character gets the k-th origin,
  // wherever sorting put it; any other mark shares the origin of its predecessor.
  void emit_marks() {
    if (marks_.empty()) return;
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const pending_mark& a, const pending_mark& b) {
                       return a.combining_class < b.combining_class;
                     });
    std::size_t next = 0;
    for (const pending_mark& mark : marks_) {
      if (mark.starts_character) current_ = origins_[next++];
      emit(mark.c, current_);
    }
    marks_.clear();
    origins_.clear();
  }

  void emit(char32_t c, std::size_t origin) {
    if (strip_ && is_nonspacing_mark(c)) return;
    if (!options_.lower_case) return sink_(c, origin);
    sink_(lower_case(c), origin);
    if (c == 0x130) sink_(char32_t{0x307}, origin);
  }

  normalizer_options options_;
  bool strip_;
  Sink& sink_;
  std::size_t current_ = 0;  // origin of the last emitted code point
  std::vector<pending_mark> marks_;
  std::vector<std::size_t> origins_;  // of characters whose first code point is in marks_
};

/// A sink for normalizer that stores all output.
struct normalized_text {
  std::string text;
  std::vector<std::size_t> origins;  // one per byte
  void operator()(char32_t c, std::size_t origin) {
    char bytes[4];
    const std::size_t n = encode_utf8(c, bytes);
    text.append(bytes, n);
    origins.insert(origins.end(), n, origin);
  }
  [[nodiscard]] bool done() const { return false; }
};

/// Normalizes text[begin, end), which must be valid UTF-8; origins are offsets into `text`. Stops
/// early when `sink.done()`.
template <class Sink>
void normalize(std::string_view text, std::size_t begin, std::size_t end,
               const normalizer_options& options, Sink& sink) {
  normalizer<Sink> n(options, sink);
  for (std::size_t at = begin; at < end && !sink.done(); at += utf8_length(text[at]))
    n.push(decode_utf8(text, at), at);
  n.finish();
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
