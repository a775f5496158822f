// SPDX-License-Identifier: Apache-2.0
// The tokenizer's result, and truncation. Offsets count bytes, unlike the reference's character
// offsets, so that they index a std::string directly.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Bytes [begin, end) of the original text; {0, 0} for special tokens that are not in the text.
struct text_span {
  std::size_t begin = 0, end = 0;
  friend bool operator==(const text_span&, const text_span&) = default;
};

/// One model input. All four vectors have the same size.
struct encoding {
  std::vector<std::int32_t> ids, type_ids;  ///< type 1: second text of a pair and its [SEP]
  std::vector<text_span> offsets;           ///< into the token's own text
  /// Number of the token's word, or added token, in its text as the pre-tokenizer splits it; -1 for
  /// special tokens that are not in the text.
  std::vector<std::int32_t> words;
  bool truncated = false;  ///< tokens of the text were cut off
};

namespace detail {

inline void append_token(encoding& e, std::int32_t id, std::int32_t type_id, text_span span,
                         std::int32_t word) {
  e.ids.push_back(id);
  e.type_ids.push_back(type_id);
  e.offsets.push_back(span);
  e.words.push_back(word);
}

inline void append(encoding& e, const encoding& rest) {
  e.ids.insert(e.ids.end(), rest.ids.begin(), rest.ids.end());
  e.type_ids.insert(e.type_ids.end(), rest.type_ids.begin(), rest.type_ids.end());
  e.offsets.insert(e.offsets.end(), rest.offsets.begin(), rest.offsets.end());
  e.words.insert(e.words.end(), rest.words.begin(), rest.words.end());
  e.truncated = e.truncated || rest.truncated;
}

/// Makes room for `more` tokens, so that four vectors do not grow step by step.
inline void reserve(encoding& e, std::size_t more) {
  const std::size_t n = e.ids.size() + more;
  e.ids.reserve(n);
  e.type_ids.reserve(n);
  e.offsets.reserve(n);
  e.words.reserve(n);
}

/// Keeps the first `keep` of the last `count` tokens, which start at `begin`.
inline void cut(encoding& e, std::size_t begin, std::size_t count, std::size_t keep) {
  if (keep >= count) return;
  e.ids.resize(begin + keep);
  e.type_ids.resize(begin + keep);
  e.offsets.resize(begin + keep);
  e.words.resize(begin + keep);
  e.truncated = true;
}

/// How many tokens of a and of b to keep within a total of `room`: the longer one is cut to the
/// length of the shorter, then both to half; an odd token goes to the longer one (b if equal).
[[nodiscard]] inline std::pair<std::size_t, std::size_t> longest_first(std::size_t a, std::size_t b,
                                                                       std::size_t room) {
  if (a + b <= room) return {a, b};
  const std::size_t shorter = std::min(a, b);
  std::size_t keep_shorter = room / 2, keep_longer = room - room / 2;
  if (shorter <= room / 2) {
    keep_shorter = shorter;
    keep_longer = room - shorter;
  }
  return a > b ? std::pair{keep_longer, keep_shorter} : std::pair{keep_shorter, keep_longer};
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
