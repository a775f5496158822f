// SPDX-License-Identifier: Apache-2.0
// BERT with each of its heads. Output of run() per model:
//   classifier        (sentences, labels)  logits of a sentence or a pair
//   token_classifier  (T, labels)          logits of every token
//   span_extractor    (T, 2)               start and end logits of every token
//   masked_lm         (masked, V)          vocabulary logits of the masked tokens
//   mean_embedder, cls_embedder (sentences, D)  embeddings of length 1
#pragma once

#include "lowbit/model/classifier.hpp"
#include "lowbit/model/head/embedding.hpp"
#include "lowbit/model/head/linear_per_token.hpp"
#include "lowbit/model/head/masked_lm.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Arch = native>
using token_classifier = bert<Policy, token_head<Arch>, Arch>;
template <class Policy, class Arch = native>
using span_extractor = bert<Policy, span_head<Arch>, Arch>;
template <class Policy, class Arch = native>
using masked_lm = bert<Policy, masked_lm_head<typename Policy::embedding, Arch>, Arch>;
template <class Policy, class Arch = native>
using mean_embedder = bert<Policy, mean_embedding_head<Arch>, Arch>;
template <class Policy, class Arch = native>
using cls_embedder = bert<Policy, cls_embedding_head<Arch>, Arch>;

}  // namespace lowbit::inline LOWBIT_ISA
