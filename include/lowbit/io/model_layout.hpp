// SPDX-License-Identifier: Apache-2.0
// The tensors of a BERT model by their Hugging Face names: one list that import, random models,
// ledger and tests share.
#pragma once

#include <string>
#include <vector>

#include "lowbit/boundary/shape.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Where a linear layer stands; a policy has one format for each.
enum class site : std::uint8_t {
  projection,
  attention_output,
  feed_forward_input,
  feed_forward_output,
  pooler,
  classifier,  ///< the linear layer of any head; f32 whatever the policy
};

struct linear_layout {
  std::string name;  // prefix of .weight and .bias
  site at;
  std::size_t n;
  std::size_t k;
};

/// Every linear layer, in the order of execution.
inline std::vector<linear_layout> linear_layers(const model_shape& shape) {
  std::vector<linear_layout> layers;
  const std::size_t d = shape.hidden;
  const std::size_t inner = shape.inner();
  for (std::size_t l = 0; l < shape.layers; ++l) {
    const std::string layer = "bert.encoder.layer." + std::to_string(l);
    for (const char* part : {"query", "key", "value"}) {
      layers.push_back({layer + ".attention.self." + part, site::projection, inner, d});
    }
    layers.push_back({layer + ".attention.output.dense", site::attention_output, d, inner});
    layers.push_back(
        {layer + ".intermediate.dense", site::feed_forward_input, shape.intermediate, d});
    layers.push_back({layer + ".output.dense", site::feed_forward_output, d, shape.intermediate});
  }
  switch (shape.head) {
    case head_kind::sequence:
      layers.push_back({"bert.pooler.dense", site::pooler, d, d});
      [[fallthrough]];
    case head_kind::token:
      layers.push_back({"classifier", site::classifier, shape.labels, d});
      break;
    case head_kind::span:
      layers.push_back({"qa_outputs", site::classifier, shape.labels, d});
      break;
    case head_kind::masked_lm:
      layers.push_back({"cls.predictions.transform.dense", site::classifier, d, d});
      break;
    case head_kind::mean_embedding:
    case head_kind::cls_embedding:
      break;
  }
  return layers;
}

/// Prefixes of every layer norm.
inline std::vector<std::string> layer_norms(const model_shape& shape) {
  std::vector<std::string> names{"bert.embeddings.LayerNorm"};
  for (std::size_t l = 0; l < shape.layers; ++l) {
    const std::string layer = "bert.encoder.layer." + std::to_string(l);
    names.push_back(layer + ".attention.output.LayerNorm");
    names.push_back(layer + ".output.LayerNorm");
  }
  if (shape.head == head_kind::masked_lm) names.emplace_back("cls.predictions.transform.LayerNorm");
  return names;
}

}  // namespace lowbit::inline LOWBIT_ISA
