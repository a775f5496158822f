// SPDX-License-Identifier: Apache-2.0
// What goes into a forward and what comes out of it.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "lowbit/train/model/scheme.hpp"

namespace lowbit::train {

/// A label that asks for no answer.
inline constexpr std::int64_t ignored_label = -100;

/// Sentences of similar length, padded to the longest.
struct batch {
  Tensor ids;     // (B, T) int64
  Tensor mask;    // (B, T) float, 1 for a token, 0 for padding
  Tensor labels;  // (B) int64 of sequence heads; else (B, T), ignored_label where nothing is asked
  Tensor types;   // (B, T) int64, or undefined: all 0
  bool padded = true;

  [[nodiscard]] std::int64_t sentences() const { return ids.size(0); }
  [[nodiscard]] std::int64_t tokens() const { return ids.size(1); }
};

/// What one layer's attention computed. Undefined where only [CLS] was computed.
struct attention_trace {
  Tensor query, key, value;  // (B, A, T, d) as the linear layers gave them, before any encoding
  Tensor scores;             // (B, A, T, T) masked
  Tensor probabilities;      // (B, A, T, T) what multiplied the values
};

/// What a forward computed: hidden[0] is the embedding output, hidden[l] the output of layer l.
struct trace {
  std::vector<Tensor> hidden;  // (B, T, H) each
  std::vector<attention_trace> attention;
  Tensor logits;   // (n, C): of each sentence, or of each token that has a label
  Tensor targets;  // (n) int64, the labels that belong to them
};

/// Factors on the heads and neurons of a layer, 1 to keep and 0 to cut; undefined: none.
struct layer_gates {
  Tensor heads;    // (A)
  Tensor neurons;  // (I)
};

}  // namespace lowbit::train
