// SPDX-License-Identifier: Apache-2.0
// BERT's pre-tokenizer as a stream: takes normalized code points, emits words. White space ends a
// word; every punctuation mark is a word. Characters of a word that exceed its maximum length are
// counted but not stored, so memory use does not depend on the text.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct text_word {
  std::string_view text;                 ///< at most the splitter's limit of characters
  std::span<const std::size_t> origins;  ///< for each byte of text, the original character's offset
  std::size_t characters;                ///< including those beyond the limit
  std::size_t last_origin;               ///< of the last character, even beyond the limit
};

/// WordSink: `void operator()(const text_word&)` and `bool done() const`. A sink for
/// detail::normalizer.
template <class WordSink>
class word_splitter {
 public:
  word_splitter(WordSink& sink, std::size_t max_characters)
      : sink_(sink), max_characters_(max_characters) {}

  void operator()(char32_t c, std::size_t origin) {
    if (is_whitespace(c)) return finish();
    const bool alone = is_punctuation(c);
    if (alone) finish();
    append(c, origin);
    if (alone) finish();
  }

  /// Ends the current word, if there is one.
  void finish() {
    if (characters_ == 0) return;
    if (!sink_.done()) sink_(text_word{text_, origins_, characters_, last_origin_});
    text_.clear();
    origins_.clear();
    characters_ = 0;
  }

  [[nodiscard]] bool done() const { return sink_.done(); }

 private:
  void append(char32_t c, std::size_t origin) {
    last_origin_ = origin;
    if (++characters_ > max_characters_ && characters_ > 1) return;  // keep the first origin
    char bytes[4];
    const std::size_t n = encode_utf8(c, bytes);
    text_.append(bytes, n);
    origins_.insert(origins_.end(), n, origin);
  }

  WordSink& sink_;
  std::size_t max_characters_;
  std::string text_;
  std::vector<std::size_t> origins_;
  std::size_t characters_ = 0, last_origin_ = 0;
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
