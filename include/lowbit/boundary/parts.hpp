// SPDX-License-Identifier: Apache-2.0
// The parts of a model and the canonical names of their tensors, in one list. They follow Hugging
// Face's BertFor.. classes; import maps the names of other families to them (io/families.hpp).
#pragma once

#include <cstdint>

#include "lowbit/boundary/weights.hpp"

namespace lowbit {

/// A part of a model. Its tensor names start with its own: NAME.weight, NAME.bias,
/// NAME.input.scale, ..
enum class model_part : std::uint8_t {
  word_embeddings,
  position_embeddings,
  token_type_embeddings,
  embedding_norm,
  embedding_map,  ///< from the width of the tables to hidden, if they differ
  attention,      ///< tensors that belong to no single matrix: NAME.query.output.scale,
                  ///< NAME.probability.scale
  query,
  key,
  value,
  attention_output,
  attention_norm,
  feed_forward_input,
  feed_forward_output,
  output_norm,
  encoder_output,
  relative_bias,  ///< (relative_buckets, heads), shared by all layers
  pooler,
  classifier,       ///< for sequences or tokens
  span_classifier,  ///< for answer spans: start and end
  masked_lm,        ///< NAME.bias; the weights are the word embeddings
  masked_lm_transform,
  masked_lm_norm,
};

inline namespace LOWBIT_ISA {
namespace detail {

inline constexpr std::string_view layer_prefix = "bert.encoder.layer.";

/// In the order of model_part; a leading '.' marks a name within a layer.
inline constexpr std::string_view part_names[] = {
    "bert.embeddings.word_embeddings",
    "bert.embeddings.position_embeddings",
    "bert.embeddings.token_type_embeddings",
    "bert.embeddings.LayerNorm",
    "bert.embeddings_project",
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
    "bert.encoder.relative_attention_bias",
    "bert.pooler.dense",
    "classifier",
    "qa_outputs",
    "cls.predictions",
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
};
static_assert(sizeof part_names / sizeof *part_names ==
              static_cast<std::size_t>(model_part::masked_lm_norm) + 1);

}  // namespace detail

/// The canonical name of a part; `layer` is ignored for parts that exist once per model.
[[nodiscard]] constexpr tensor_name part_name(model_part part, std::size_t layer = 0) {
  const std::string_view name = detail::part_names[static_cast<std::size_t>(part)];
  return name.starts_with('.') ? tensor_name(detail::layer_prefix, layer, name) : tensor_name(name);
}

}  // namespace LOWBIT_ISA
}  // namespace lowbit
