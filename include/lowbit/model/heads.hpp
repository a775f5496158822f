// SPDX-License-Identifier: Apache-2.0
// BERT with each of its heads. Output of run() per model:
//   classifier        (sentences, labels)  logits of a sentence or a pair
//   token_classifier  (T, labels)          logits of every token
//   span_extractor    (T, 2)               start and end logits of every token
//   masked_lm         (masked, V)          vocabulary logits of the masked tokens
//   embedder          (sentences, D)       embeddings; D for each mode of pooling
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
/// Of any pooling: shape.head is mean_embedding, cls_embedding or pooled_embedding.
template <class Policy, class Arch = native>
using embedder = bert<Policy, embedding_head<Arch>, Arch>;
template <class Policy, class Arch = native>
using mean_embedder = embedder<Policy, Arch>;
template <class Policy, class Arch = native>
using cls_embedder = embedder<Policy, Arch>;

}  // namespace lowbit::inline LOWBIT_ISA
