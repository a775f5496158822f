// SPDX-License-Identifier: Apache-2.0
// What a search trains on, by its teacher's head: masked text, or a labelled set.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/train/data/masking.hpp"
#include "lowbit/train/recipe/recipe.hpp"
#include "lowbit/train/recipe/vocabulary.hpp"

namespace lowbit::train {

struct search_data {
  tokenized_dataset examples;
  corruption corrupt;
};

namespace detail {

/// Sentences as examples without labels; those with nothing to ask for are left out.
inline result<std::vector<example>> plain_examples(const std::vector<std::string>& sentences,
                                                   const wordpiece_tokenizer& tokenizer,
                                                   std::size_t max_length,
                                                   const std::vector<bool>& special) {
  std::vector<example> out;
  for (const std::string& sentence : sentences) {
    const auto encoded = tokenizer.encode(sentence, max_length);
    if (!encoded) return encoded.status();
    example one;
    one.ids.assign(encoded->ids.begin(), encoded->ids.end());
    one.labels.assign(one.ids.size(), ignored_label);
    const bool ordinary = std::any_of(one.ids.begin(), one.ids.end(), [&special](std::int64_t id) {
      return !special[static_cast<std::size_t>(id)];
    });
    if (ordinary) out.push_back(std::move(one));
  }
  return out;
}

}  // namespace detail

/// For a masked language model: the sentences of any text or set; every 20th is for validation and
/// is masked once. Else the labelled set of the teacher's labels.
///
/// Errors: those of the readers; unsupported for another head, or a vocabulary without [MASK];
///         malformed without text
inline result<search_data> search_data_for(const recipe_options& options,
                                           const loaded_model& teacher) {
  const model_shape& shape = teacher.description.shape;
  if (shape.head == head_kind::sequence || shape.head == head_kind::token) {
    auto examples = data_for(options, teacher.description, teacher.tokenizer, options.teacher);
    if (!examples) return examples.status();
    return search_data{*std::move(examples),
                       token_dropout(options.fit.token_dropout, teacher.tokenizer.unk_id())};
  }
  const wordpiece_tokenizer& tokenizer = teacher.tokenizer;
  if (shape.head != head_kind::masked_lm || !tokenizer.mask_id()) {
    return status::error(errc::unsupported, options.teacher.native(), ": a ", name_of(shape.head),
                         " model, expected a classifier, or a masked language model with [MASK]");
  }
  masking_options masking;
  masking.mask = *tokenizer.mask_id();
  masking.vocabulary = static_cast<std::int64_t>(shape.vocabulary);
  masking.special.resize(shape.vocabulary);
  for (const auto& id :
       {std::optional(tokenizer.unk_id()), std::optional(tokenizer.cls_id()),
        std::optional(tokenizer.sep_id()), tokenizer.pad_id(), tokenizer.mask_id()}) {
    if (id) masking.special[static_cast<std::size_t>(*id)] = true;
  }
  const auto sentences = read_sentences(options.data);
  if (!sentences) return sentences.status();
  const auto length = sentence_limit(options, shape);
  if (!length) return length.status();
  auto all = detail::plain_examples(*sentences, tokenizer, *length, masking.special);
  if (!all) return all.status().in(options.data.native());
  if (all->empty()) {
    return status::error(errc::malformed, options.data.native(), ": no text");
  }
  search_data out{{}, mask_tokens(masking)};
  for (std::size_t i = 0; i < all->size(); ++i) {
    example& one = (*all)[i];
    if (i % 20 != 19) {
      out.examples.train.push_back(std::move(one));
      continue;
    }
    auto generator = seeded_generator(0, i);  // the same for every run
    out.corrupt(one, generator);
    out.examples.validation.push_back(std::move(one));
  }
  return out;
}

}  // namespace lowbit::train
