// SPDX-License-Identifier: Apache-2.0
// What a model is made of, and how its tensors are called: the one list of canonical names. They
// are those of BertFor.. of Hugging Face; the names of another family are mapped to them on import.
#pragma once

#include <cstdint>

#include "lowbit/boundary/weights.hpp"

namespace lowbit {

/// A part of a model. Its tensors are called after it: NAME.weight, NAME.bias, NAME.input.scale, ..
enum class model_part : std::uint8_t {
  word_embeddings,
  position_embeddings,
  token_type_embeddings,
  embedding_norm,
  attention,  ///< what belongs to no matrix of it: NAME.query.output.scale, NAME.probability.scale
  query,
  key,
  value,
  attention_output,
  attention_norm,
  feed_forward_input,
  feed_forward_output,
  output_norm,
  encoder_output,
  pooler,
  classifier,       ///< of sentences or tokens
  span_classifier,  ///< of answers: start and end
  masked_lm,        ///< NAME.bias; its weights are the word embeddings
  masked_lm_transform,
  masked_lm_norm,
};

inline namespace LOWBIT_ISA {
namespace detail {

inline constexpr std::string_view layer_prefix = "bert.encoder.layer.";

/// In the order of model_part; '.' begins the names within a layer.
inline constexpr std::string_view part_names[] = {
    "bert.embeddings.word_embeddings",
    "bert.embeddings.position_embeddings",
    "bert.embeddings.token_type_embeddings",
    "bert.embeddings.LayerNorm",
    ".attention.self",
    ".attention.self.query",
    ".attention.self.key",
    ".attention.self.value",
    ".attention.output.dense",
    ".attention.output.LayerNorm",
    ".intermediate.dense",
    ".output.dense",
    ".output.LayerNorm",
    "bert.encoder.output",
    "bert.pooler.dense",
    "classifier",
    "qa_outputs",
    "cls.predictions",
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
};

}  // namespace detail

/// The canonical name of a part; `layer` counts only for what every layer has.
[[nodiscard]] constexpr tensor_name part_name(model_part part, std::size_t layer = 0) {
  const std::string_view name = detail::part_names[static_cast<std::size_t>(part)];
  return name.starts_with('.') ? tensor_name(detail::layer_prefix, layer, name) : tensor_name(name);
}

}  // namespace LOWBIT_ISA
}  // namespace lowbit
