// SPDX-License-Identifier: Apache-2.0
// Masked language modelling: lines of text as examples, and the corruption that masks tokens and
// labels them. Lines longer than the maximum length are split, not dropped. Masks come from
// make_batch's generator: new ones at every step, the same in a resumed run and for any number of
// processes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/tokenizer.hpp"
#include "lowbit/train/data/batching.hpp"
#include "lowbit/train/data/tokenize.hpp"

namespace lowbit::train {

struct masking_options {
  double share = 0.15;       ///< fraction of the tokens between [CLS] and [SEP] to predict
  double masked = 0.8;       ///< fraction of those that become [MASK]
  double random = 0.1;       ///< fraction of those that become an ordinary token; the rest stay
  bool whole_words = false;  ///< mask all pieces of a word or none
};

/// The properties of a vocabulary that masking needs.
struct masking_vocabulary {
  std::int64_t mask = 0;
  std::vector<std::int64_t> ordinary;  ///< tokens usable as random replacements
  std::vector<char> continues;         ///< (V) 1 for a continuation piece: "##..."
};

/// Errors: not_found for a vocabulary without [MASK] or with special tokens only
inline result<masking_vocabulary> masking_vocabulary_of(const lowbit::tokenizer& tokenizer,
                                                        const std::filesystem::path& from) {
  if (!tokenizer.mask_id()) {
    return status::error(errc::not_found, from.native(), ": no token \"[MASK]\"");
  }
  masking_vocabulary out;
  out.mask = *tokenizer.mask_id();
  for (std::size_t i = 0; i < tokenizer.vocabulary_size(); ++i) {
    const std::string_view token = tokenizer.token(static_cast<std::int32_t>(i));
    out.continues.push_back(token.starts_with("##") ? 1 : 0);
    const bool special = token.size() > 2 && token.front() == '[' && token.back() == ']';
    if (!special) out.ordinary.push_back(static_cast<std::int64_t>(i));
  }
  if (out.ordinary.empty()) {
    return status::error(errc::not_found, from.native(), ": no token besides special ones");
  }
  return out;
}

/// BERT's masking (Devlin et al. 2019, section 3.1 and appendix A.1): of n tokens between [CLS] and
/// [SEP], round(share*n) are selected, at least one. With whole words, a word that would exceed
/// this count is skipped; if no word fits, the shortest is selected. Labels become one per token,
/// ignored_label where not selected.
inline corruption mask_tokens(masking_vocabulary vocabulary, masking_options o) {
  return [words = std::move(vocabulary), o](example& e, std::mt19937_64& generator) {
    e.labels.assign(e.ids.size(), ignored_label);
    if (e.ids.size() < 3) return;
    std::vector<std::size_t> begins;  // starts of the units that are masked together, and the end
    for (std::size_t t = 1; t + 1 < e.ids.size(); ++t) {
      const bool inside = words.continues[static_cast<std::size_t>(e.ids[t])] != 0;
      if (t == 1 || !o.whole_words || !inside) begins.push_back(t);
    }
    std::vector<std::size_t> order(begins.size());
    begins.push_back(e.ids.size() - 1);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    shuffle(order, generator);
    const auto length = [&begins](std::size_t unit) { return begins[unit + 1] - begins[unit]; };
    const auto wanted = static_cast<std::size_t>(
        std::max(1.0, std::round(o.share * static_cast<double>(e.ids.size() - 2))));
    std::vector<std::size_t> asked;
    std::size_t tokens = 0;
    for (const std::size_t unit : order) {
      if (tokens + length(unit) > wanted) continue;
      tokens += length(unit);
      asked.push_back(unit);
    }
    if (asked.empty()) {
      asked.push_back(*std::min_element(
          order.begin(), order.end(),
          [&length](std::size_t a, std::size_t b) { return length(a) < length(b); }));
    }
    for (const std::size_t unit : asked) {
      for (std::size_t t = begins[unit]; t < begins[unit + 1]; ++t) {
        e.labels[t] = e.ids[t];
        if (chance(generator, o.masked)) {
          e.ids[t] = words.mask;
        } else if (o.masked < 1.0 && chance(generator, o.random / (1.0 - o.masked))) {
          e.ids[t] = words.ordinary[draw(generator, words.ordinary.size())];
        }
      }
    }
  };
}

/// A line as examples of at most max_length tokens, including [CLS] and [SEP]: one or more; none
/// for a line without tokens. Nothing is masked yet.
/// Errors: malformed for invalid UTF-8; invalid_argument for a max_length below 3
inline result<std::vector<example>> pieces_of(std::string_view line,
                                              const lowbit::tokenizer& tokenizer,
                                              std::size_t max_length) {
  if (max_length < 3) {
    return status::error(errc::invalid_argument, "max length ", max_length,
                         ", expected at least 3: [CLS], a token, [SEP]");
  }
  LOWBIT_TRY_ASSIGN(const auto encoded, tokenizer.encode_plain(line));
  const auto& ids = encoded.ids;
  std::vector<example> out;
  for (std::size_t begin = 0; begin < ids.size(); begin += max_length - 2) {
    const std::size_t end = std::min(ids.size(), begin + max_length - 2);
    example piece;
    piece.ids.push_back(tokenizer.cls_id());
    piece.ids.insert(piece.ids.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                     ids.begin() + static_cast<std::ptrdiff_t>(end));
    piece.ids.push_back(tokenizer.sep_id());
    piece.labels.assign(piece.ids.size(), ignored_label);
    out.push_back(std::move(piece));
  }
  return out;
}

/// Lines as training and validation examples. `held_out` is the fraction of distinct lines used for
/// validation, at least one unless it is 0; copies of a line stay in the same split. Validation
/// examples are masked once.
/// Errors: those of pieces_of; malformed when nothing is left to train on
inline result<tokenized_dataset> masked_dataset(const std::vector<std::string>& lines,
                                                double held_out, const lowbit::tokenizer& tokenizer,
                                                std::size_t max_length, const corruption& mask,
                                                std::uint64_t seed,
                                                const std::filesystem::path& path) {
  const std::set<std::string_view> different(lines.begin(), lines.end());
  std::vector<std::string_view> held(different.begin(), different.end());
  std::vector<std::size_t> order(held.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  // Streams that no step uses, because steps count from 0.
  constexpr std::uint64_t of_lines = ~std::uint64_t{0}, of_masks = of_lines - 1;
  std::mt19937_64 generator = seeded_generator(seed, of_lines);
  shuffle(order, generator);
  const auto wanted = static_cast<std::size_t>(
      held_out <= 0 ? 0.0 : std::max(1.0, std::round(held_out * static_cast<double>(held.size()))));
  std::set<std::string_view> validated;
  for (std::size_t i = 0; i < std::min(wanted, order.size()); ++i) validated.insert(held[order[i]]);

  tokenized_dataset out;
  for (const std::string& line : lines) {
    if (validated.contains(line)) continue;
    auto pieces = pieces_of(line, tokenizer, max_length);
    if (!pieces) return pieces.status().in(path.native());
    out.train.insert(out.train.end(), pieces->begin(), pieces->end());
  }
  for (const std::string_view line : validated) {
    auto pieces = pieces_of(line, tokenizer, max_length);
    if (!pieces) return pieces.status().in(path.native());
    out.validation.insert(out.validation.end(), pieces->begin(), pieces->end());
  }
  for (std::size_t i = 0; i < out.validation.size(); ++i) {
    std::mt19937_64 fixed = seeded_generator(seed, of_masks, i);
    mask(out.validation[i], fixed);
  }
  if (out.train.empty()) {
    return status::error(
        errc::malformed, path.native(), ": no text to train on",
        validated.empty() ? "" : " beside the held-out lines (--held-out 0: none)");
  }
  return out;
}

}  // namespace lowbit::train
