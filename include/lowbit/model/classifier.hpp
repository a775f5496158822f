// SPDX-License-Identifier: Apache-2.0
// BERT for sequence classification: embeddings, encoder layers, pooler, classifier.
#pragma once

#include "lowbit/model/bert.hpp"
#include "lowbit/model/head/integer_sequence.hpp"
#include "lowbit/model/head/sequence.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Computes logits (sentences, labels) for a batch of sentences or pairs.
template <class Policy, class Arch = native>
using classifier = bert<Policy, sequence_head<Policy, Arch>, Arch>;

}  // namespace lowbit::inline LOWBIT_ISA
