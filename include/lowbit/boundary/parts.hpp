// SPDX-License-Identifier: Apache-2.0
// The parts of a model and the canonical names of their tensors, in one list. They follow Hugging
// Face's BertFor.. classes; import maps the names of other families to them (io/families.hpp).
#pragma once

#include <cstdint>

#include "lowbit/boundary/shape.hpp"
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
  input_norm,     ///< pre_norm: before attention, in all layers but the first
  query,
  key,
  value,
  attention_output,
  attention_norm,
  feed_forward_input,
  feed_forward_gate,  ///< pre_norm: multiplied with the activated output of feed_forward_input
  feed_forward_output,
  output_norm,
  final_norm,  ///< pre_norm: after the last layer
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
    ".attention.input.LayerNorm",
    ".attention.self.query",
    ".attention.self.key",
    ".attention.self.value",
    ".attention.output.dense",
    ".attention.output.LayerNorm",
    ".intermediate.dense",
    ".intermediate.gate",
    ".output.dense",
    ".output.LayerNorm",
    "bert.encoder.LayerNorm",
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

/// The norm of a layer's last residual sum: in a pre_norm model that before the next layer.
[[nodiscard]] constexpr tensor_name output_norm_name(const model_shape& shape, std::size_t layer) {
  if (!shape.pre_norm()) return part_name(model_part::output_norm, layer);
  return layer + 1 < shape.layers ? part_name(model_part::input_norm, layer + 1)
                                  : part_name(model_part::final_norm);
}
/// The dense layer before the classifier of a sequence; pre_norm models have one in every head.
[[nodiscard]] constexpr model_part pooler_part(const model_shape& shape) {
  return shape.pre_norm() ? model_part::masked_lm_transform : model_part::pooler;
}
/// The last layer of a head for answer spans.
[[nodiscard]] constexpr model_part span_part(const model_shape& shape) {
  return shape.pre_norm() ? model_part::classifier : model_part::span_classifier;
}

}  // namespace LOWBIT_ISA
}  // namespace lowbit
