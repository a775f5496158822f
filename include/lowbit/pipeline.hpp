// SPDX-License-Identifier: Apache-2.0
// From texts to answers, a class for each kind of model:
//   text_classifier, text_embedder, sparse_embedder, token_embedder, entity_tagger,
//   question_answerer, mask_filler, reranker, multiple_choice
// Their policy is a type, as in text_embedder<policy::int8>, or any_policy, which includes
// pipeline/dispatch_runner.hpp and links a library of lowbit_add_engine(). Needs lowbit::io.
#pragma once

#include "lowbit/pipeline/entity_tagger.hpp"
#include "lowbit/pipeline/mask_filler.hpp"
#include "lowbit/pipeline/multiple_choice.hpp"
#include "lowbit/pipeline/question_answerer.hpp"
#include "lowbit/pipeline/reranker.hpp"
#include "lowbit/pipeline/sparse_embedder.hpp"
#include "lowbit/pipeline/text_classifier.hpp"
#include "lowbit/pipeline/text_embedder.hpp"
#include "lowbit/pipeline/token_embedder.hpp"
