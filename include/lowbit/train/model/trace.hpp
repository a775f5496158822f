// SPDX-License-Identifier: Apache-2.0
// Input and output of a forward pass.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "lowbit/train/model/scheme.hpp"

namespace lowbit::train {

/// The label of a position without a target.
inline constexpr std::int64_t ignored_label = -100;

/// Sentences of similar length, padded to the longest.
struct batch {
  Tensor ids;     // (B, T) int64
  Tensor mask;    // (B, T) float, 1 for a token, 0 for padding
  Tensor labels;  // (B) int64 for sequence heads; else (B, T), ignored_label for no target
  Tensor types;   // (B, T) int64, or undefined: all 0
  bool padded = true;

  [[nodiscard]] std::int64_t sentences() const { return ids.size(0); }
  [[nodiscard]] std::int64_t tokens() const { return ids.size(1); }
};

/// Intermediate values of one layer's attention. Undefined if only [CLS] was computed.
struct attention_trace {
  Tensor query, key, value;  // (B, A, T, d) outputs of the linear layers, before quantization
  Tensor scores;             // (B, A, T, T) masked
  Tensor probabilities;      // (B, A, T, T) factors on the values
};

/// Results of a forward: hidden[0] is the embedding output, hidden[l] the output of layer l.
struct trace {
  std::vector<Tensor> hidden;  // (B, T, H) each
  std::vector<attention_trace> attention;
  Tensor logits;   // (n, C): per sentence, or per token that has a label
  Tensor targets;  // (n) int64, their labels
};

/// Factors on the heads and neurons of a layer, 1 to keep and 0 to remove; undefined: no gates.
struct layer_gates {
  Tensor heads;    // (A)
  Tensor neurons;  // (I)
};

}  // namespace lowbit::train
