// SPDX-License-Identifier: Apache-2.0
// The matrices and norms of a model of a given shape, in one list for import, random models, ledger
// and tests.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "lowbit/boundary/parts.hpp"
#include "lowbit/boundary/shape.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The place of a linear layer; a policy has one format for each.
enum class site : std::uint8_t {
  projection,
  attention_output,
  feed_forward_input,
  feed_forward_output,
  pooler,
  classifier,  ///< the linear layers of any head, and the map of narrow embeddings; f32 under
               ///< every policy
};

/// part_name() as a string, followed by `rest`.
[[nodiscard]] inline std::string part_text(model_part part, std::size_t layer = 0,
                                           std::string_view rest = {}) {
  return std::string(part_name(part, layer).view()) + std::string(rest);
}

/// The prefix of a layer's tensor names.
[[nodiscard]] inline std::string layer_text(std::size_t layer) {
  return std::string(detail::layer_prefix) + std::to_string(layer) + ".";
}

struct linear_layout {
  model_part part;
  site at;
  std::size_t layer;  // encoder layer; the last one for layers after the encoder
  std::size_t n;
  std::size_t k;
  std::string name;  // prefix of .weight and .bias

  linear_layout(model_part part_, site at_, std::size_t layer_, std::size_t n_, std::size_t k_)
      : part(part_), at(at_), layer(layer_), n(n_), k(k_), name(part_text(part_, layer_)) {}
};

/// Every linear layer with weights of its own, in execution order.
inline std::vector<linear_layout> linear_layers(const model_shape& shape) {
  std::vector<linear_layout> out;
  const std::size_t d = shape.hidden;
  const std::size_t e = shape.embedding_width();
  const std::size_t inner = shape.inner();
  if (shape.embedding != 0) out.emplace_back(model_part::embedding_map, site::classifier, 0, d, e);
  for (std::size_t l = 0; l < shape.stored_layers(); ++l) {
    for (const model_part part : {model_part::query, model_part::key, model_part::value})
      out.emplace_back(part, site::projection, l, inner, d);
    out.emplace_back(model_part::attention_output, site::attention_output, l, d, inner);
    out.emplace_back(model_part::feed_forward_input, site::feed_forward_input, l,
                     shape.intermediate, d);
    if (shape.pre_norm()) {
      out.emplace_back(model_part::feed_forward_gate, site::feed_forward_input, l,
                       shape.intermediate, d);
    }
    out.emplace_back(model_part::feed_forward_output, site::feed_forward_output, l, d,
                     shape.intermediate);
  }
  const std::size_t last = shape.layers - 1;
  switch (shape.head) {
    case head_kind::sequence:
      out.emplace_back(pooler_part(shape), site::pooler, last, d, d);
      out.emplace_back(model_part::classifier, site::classifier, last, shape.labels, d);
      break;
    case head_kind::token:
    case head_kind::span:
      if (shape.pre_norm()) out.emplace_back(pooler_part(shape), site::classifier, last, d, d);
      out.emplace_back(shape.head == head_kind::span ? span_part(shape) : model_part::classifier,
                       site::classifier, last, shape.labels, d);
      break;
    case head_kind::masked_lm:
      out.emplace_back(model_part::masked_lm_transform, site::classifier, last, e, d);
      break;
    case head_kind::mean_embedding:
    case head_kind::cls_embedding:
    case head_kind::pooled_embedding:
      break;
  }
  return out;
}

struct norm_layout {
  std::string name;  // prefix of .weight and .bias
  std::size_t width;
  model_part part;
};

/// All layer norms.
inline std::vector<norm_layout> layer_norms(const model_shape& shape) {
  const std::size_t e = shape.embedding_width();
  std::vector<norm_layout> out;
  const auto add = [&](model_part part, std::size_t layer, std::size_t width) {
    out.push_back({part_text(part, layer), width, part});
  };
  add(model_part::embedding_norm, 0, e);
  for (std::size_t l = 0; l < shape.stored_layers(); ++l) {
    if (shape.pre_norm() && l > 0) add(model_part::input_norm, l, shape.hidden);
    add(model_part::attention_norm, l, shape.hidden);
    if (!shape.pre_norm()) add(model_part::output_norm, l, shape.hidden);
  }
  if (shape.pre_norm()) add(model_part::final_norm, 0, shape.hidden);
  if (shape.head == head_kind::masked_lm || (shape.pre_norm() && shape.has_labels()))
    add(model_part::masked_lm_norm, 0, e);
  return out;
}

struct table_layout {
  model_part part;
  std::size_t rows;
  std::size_t cols;
};

/// The tables besides that of the words; f32, or int8 in an integer-only model.
inline std::vector<table_layout> small_tables(const model_shape& shape) {
  const std::size_t e = shape.embedding_width();
  std::vector<table_layout> out;
  if (!shape.pre_norm()) out.push_back({model_part::position_embeddings, shape.positions, e});
  if (shape.token_types != 0)
    out.push_back({model_part::token_type_embeddings, shape.token_types, e});
  if (shape.relative_bias)
    out.push_back({model_part::relative_bias, relative_buckets, shape.heads});
  return out;
}

/// The encoder layer index in a tensor name, if any.
[[nodiscard]] inline std::optional<std::size_t> layer_of(std::string_view name) {
  constexpr std::string_view prefix = detail::layer_prefix;
  if (!name.starts_with(prefix)) return std::nullopt;
  std::size_t index = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, index);
  if (error != std::errc() || stop == end || *stop != '.') return std::nullopt;
  return index;
}

}  // namespace lowbit::inline LOWBIT_ISA
