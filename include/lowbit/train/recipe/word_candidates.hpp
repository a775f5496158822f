// SPDX-License-Identifier: Apache-2.0
// Replacement candidates for the words of a sentence: tokens that a masked language model predicts
// in their place, and related words from files. Deterministic.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/train/data/augmentation.hpp"
#include "lowbit/train/data/word_relations.hpp"
#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train {

struct candidate_options {
  std::filesystem::path mlm;                    ///< folder of a masked language model
  std::filesystem::path vectors, synonyms;      ///< for words of several pieces; optional
  std::vector<std::filesystem::path> antonyms;  ///< pairs that are never exchanged
  std::size_t top = 15;                         ///< M, candidates per word
  precision type = precision::f32;
};

class candidate_finder {
 public:
  /// Errors: those of load_model and the word files; unsupported for a model without a masked LM
  ///         head; not_found for a vocabulary without [MASK]
  static result<candidate_finder> open(const candidate_options& o) {
    LOWBIT_TRY_ASSIGN(auto model, load_model(o.mlm, default_device()));
    if (model.description.shape.head != head_kind::masked_lm) {
      return status::error(errc::unsupported, o.mlm.native(), ": a model for ",
                           name_of(model.description.shape.head),
                           ", expected a masked language model");
    }
    const auto mask = model.tokenizer.mask_id();
    if (!mask) {
      return status::error(errc::not_found, o.mlm.native(), ": no mask token in its vocabulary");
    }
    candidate_finder out(std::move(model), *mask, o.top, o.type);
    if (!o.vectors.empty()) {
      LOWBIT_TRY_ASSIGN(out.vectors_, word_vectors::read(o.vectors));
    }
    if (!o.synonyms.empty()) LOWBIT_TRY(out.synonyms_.read(o.synonyms));
    for (const auto& path : o.antonyms) LOWBIT_TRY(out.antonyms_.read(path));
    return out;
  }

  [[nodiscard]] const lowbit::tokenizer& tokenizer() const { return model_.tokenizer; }

  /// One list per word, empty if the word must stay. For a word of one piece: the most probable
  /// tokens in its place. Other words: their nearest vectors, or their synonyms if they have no
  /// vector. If nothing is found: the word itself.
  [[nodiscard]] result<std::vector<std::vector<std::string>>> find(
      const std::vector<std::string>& words) {
    std::vector<std::vector<std::string>> found(words.size());
    std::vector<std::int64_t> ids;
    std::vector<masked_word> asked;
    for (std::size_t i = 0; i < words.size(); ++i) {
      LOWBIT_TRY_ASSIGN(const auto pieces, model_.tokenizer.encode_plain(words[i]));
      const bool single = pieces.ids.size() == 1 && pieces.ids[0] != model_.tokenizer.unk_id();
      if (single && replaceable(words[i])) {
        asked.push_back({i, ids.size() + 1});  // after [CLS]
      } else if (replaceable(words[i])) {
        found[i] = related(words[i]);
      }
      ids.insert(ids.end(), pieces.ids.begin(), pieces.ids.end());
    }
    ask_model(ids, asked, found);
    for (std::size_t i = 0; i < words.size(); ++i) {
      std::erase_if(found[i], [&](const auto& w) { return antonyms_.holds(words[i], w); });
      if (found[i].empty() && replaceable(words[i])) found[i] = {words[i]};
    }
    return found;
  }

 private:
  struct masked_word {
    std::size_t word, position;
  };

  candidate_finder(loaded_model model, std::int64_t mask, std::size_t top, precision type)
      : model_(std::move(model)), mask_(mask), top_(top), type_(type) {}

  [[nodiscard]] std::vector<std::string> related(const std::string& word) const {
    if (vectors_) {
      if (auto near = vectors_->nearest(word, top_); !near.empty()) return near;
    }
    std::vector<std::string> all = synonyms_.of(word);
    all.resize(std::min(all.size(), top_));
    return all;
  }

  /// [CLS] sentence [SEP] sentence [SEP] with the word masked in the first sentence, truncated to
  /// the model's positions; words beyond them are not predicted.
  [[nodiscard]] example masked(const std::vector<std::int64_t>& ids, std::size_t position) const {
    const std::size_t limit = model_.description.shape.positions;
    const std::size_t last_type = model_.description.shape.token_types - 1;
    example e;
    e.ids.push_back(model_.tokenizer.cls_id());
    for (std::size_t half = 0; half < 2; ++half) {
      e.ids.insert(e.ids.end(), ids.begin(), ids.end());
      e.ids.push_back(model_.tokenizer.sep_id());
      e.types.resize(e.ids.size(), static_cast<std::int64_t>(std::min(half, last_type)));
    }
    e.ids[position] = mask_;
    e.ids.resize(std::min(e.ids.size(), limit));
    e.types.resize(e.ids.size());
    e.labels.assign(e.ids.size(), ignored_label);
    e.labels[position] = 0;  // any class: logits are computed where there is a label
    return e;
  }

  void ask_model(const std::vector<std::int64_t>& ids, const std::vector<masked_word>& asked,
                 std::vector<std::vector<std::string>>& found) {
    constexpr std::size_t rows = 64;  // masked words per batch, to bound memory
    torch::NoGradGuard no_gradients;
    for (std::size_t begin = 0; begin < asked.size(); begin += rows) {
      std::vector<example> part;
      for (std::size_t a = begin; a < std::min(asked.size(), begin + rows); ++a) {
        if (asked[a].position >= model_.description.shape.positions) break;
        part.push_back(masked(ids, asked[a].position));
      }
      if (part.empty()) return;
      const batch in = make_batch(part, default_device());
      const Tensor logits = model_.model.forward(in, {.type = type_}).logits.to(at::kCPU);
      for (std::size_t a = 0; a < part.size(); ++a) {
        const Tensor row = logits[static_cast<std::int64_t>(a)].contiguous();
        found[asked[begin + a].word] = most_probable(row.data_ptr<float>());
      }
    }
  }

  /// The M tokens with the largest logits, without continuation pieces and special tokens, which
  /// never occur as words.
  [[nodiscard]] std::vector<std::string> most_probable(const float* logits) const {
    const std::size_t vocabulary = model_.tokenizer.vocabulary_size();
    const std::size_t top = std::min(top_, vocabulary);
    std::vector<std::int32_t> order(vocabulary);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                      [&](std::int32_t a, std::int32_t b) {
                        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                      });
    std::vector<std::string> words;
    for (std::size_t i = 0; i < top; ++i) {
      const std::string_view token = model_.tokenizer.token(order[i]);
      const bool special = token.size() > 2 && token.front() == '[' && token.back() == ']';
      if (!token.starts_with("##") && !special) words.emplace_back(token);
    }
    return words;
  }

  loaded_model model_;
  std::int64_t mask_;
  std::size_t top_;
  precision type_;
  std::optional<word_vectors> vectors_;
  word_pairs synonyms_, antonyms_;
};

}  // namespace lowbit::train
