// SPDX-License-Identifier: Apache-2.0
// Training data of a search, depending on the teacher's head: masked text, or a labelled data set.
#pragma once

#include <utility>

#include "lowbit/train/data/masking.hpp"
#include "lowbit/train/data/sentences.hpp"
#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train {

struct search_data {
  tokenized_dataset examples;
  corruption corrupt;
};

/// For a masked language model: the sentences of any text or data set, one in twenty for
/// validation. Otherwise a data set with the teacher's labels.
///
/// Errors: those of the readers; unsupported for another head, or a vocabulary without [MASK];
///         malformed without text
inline result<search_data> search_data_for(const recipe_options& options,
                                           const loaded_model& teacher) {
  const model_shape& shape = teacher.description.shape;
  if (shape.head == head_kind::sequence || shape.head == head_kind::token) {
    LOWBIT_TRY_ASSIGN(auto examples,
                      data_for(options, teacher.description, teacher.tokenizer, options.teacher));
    return search_data{std::move(examples),
                       token_dropout(options.fit.token_dropout, teacher.tokenizer.unk_id())};
  }
  if (shape.head != head_kind::masked_lm) {
    return status::error(errc::unsupported, options.teacher.native(), ": a ", name_of(shape.head),
                         " model, expected a classifier or a masked language model");
  }
  LOWBIT_TRY_ASSIGN(auto vocabulary, masking_vocabulary_of(teacher.tokenizer, options.teacher));
  LOWBIT_TRY_ASSIGN(const auto sentences, read_sentences(options.data));
  LOWBIT_TRY_ASSIGN(const auto length, sentence_limit(options, shape));
  const corruption mask = mask_tokens(std::move(vocabulary), {});
  LOWBIT_TRY_ASSIGN(auto examples, masked_dataset(sentences, 0.05, teacher.tokenizer, length, mask,
                                                  options.fit.seed, options.data));
  return search_data{std::move(examples), mask};
}

}  // namespace lowbit::train
