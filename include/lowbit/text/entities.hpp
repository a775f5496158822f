// SPDX-License-Identifier: Apache-2.0
// Entities from the label probabilities of tokens, by the aggregation strategies of Hugging Face's
// token-classification pipeline.
#pragma once

#include <cstdint>
#include <iterator>

#include "lowbit/text/spans.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// What the labels of a word's tokens become.
enum class aggregation : std::uint8_t {
  none,     ///< every token on its own, with its label as it is
  simple,   ///< tokens are not joined to words
  first,    ///< the label of the word's first token
  average,  ///< the largest mean probability
  max,      ///< the label of the token with the largest probability
};
inline constexpr std::string_view aggregation_names[] = {"none", "simple", "first", "average",
                                                         "max"};

/// Errors: invalid_argument listing the names
inline result<aggregation> find_aggregation(std::string_view name) {
  for (std::size_t i = 0; i < std::size(aggregation_names); ++i)
    if (name == aggregation_names[i]) return static_cast<aggregation>(i);
  return status::error(errc::invalid_argument, "aggregation is \"", name,
                       "\", expected none, simple, first, average or max");
}

/// The entities of a text. row(t): the label probabilities (labels) of token t of `e`.
/// Exact: sums over the tokens of a word, and over the words of an entity, are in text order
template <class Row>
[[nodiscard]] std::vector<entity> find_entities(std::string_view text, const encoding& e,
                                                std::span<const std::string> labels, const Row& row,
                                                aggregation how) {
  std::vector<word_pieces> units;
  if (how == aggregation::none || how == aggregation::simple) {
    for (std::size_t t = 0; t < e.ids.size(); ++t)
      if (e.offsets[t].begin != e.offsets[t].end) units.push_back({t, e.offsets[t]});
  } else {
    units = pieces_by_word(text, e);
  }
  std::vector<labelled_word> labelled;
  for (std::size_t w = 0; w < units.size(); ++w) {
    std::vector<float> p = row(units[w].first_token);
    std::size_t end = w + 1 < units.size() ? units[w + 1].first_token : e.ids.size();
    while (end > units[w].first_token + 1 && e.offsets[end - 1].begin == e.offsets[end - 1].end)
      --end;  // special tokens
    const auto top = [](const std::vector<float>& v) {
      return std::max_element(v.begin(), v.end());
    };
    for (std::size_t t = units[w].first_token + 1; t < end; ++t) {
      if (how != aggregation::average && how != aggregation::max) break;
      std::vector<float> next = row(t);
      if (how == aggregation::max) {
        if (*top(next) > *top(p)) p = std::move(next);
      } else {
        for (std::size_t c = 0; c < p.size(); ++c) p[c] += next[c];
      }
    }
    if (how == aggregation::average) {
      for (float& value : p) value /= static_cast<float>(end - units[w].first_token);
    }
    const auto best = static_cast<std::size_t>(top(p) - p.begin());
    labelled.push_back({labels[best], units[w].at, p[best]});
  }
  if (how != aggregation::none) return decode_bio(labelled);
  std::vector<entity> found;
  for (std::size_t w = 0; w < labelled.size(); ++w) {
    if (labelled[w].label != "O")
      found.push_back(
          {std::string(labelled[w].label), labelled[w].at, labelled[w].score, w, w + 1});
  }
  return found;
}

}  // namespace lowbit::inline LOWBIT_ISA
