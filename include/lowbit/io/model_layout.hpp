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
  classifier,  ///< the linear layer of any head; f32 under every policy
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

/// Every linear layer, in execution order.
inline std::vector<linear_layout> linear_layers(const model_shape& shape) {
  std::vector<linear_layout> out;
  const std::size_t d = shape.hidden;
  const std::size_t inner = shape.inner();
  for (std::size_t l = 0; l < shape.layers; ++l) {
    for (const model_part part : {model_part::query, model_part::key, model_part::value})
      out.emplace_back(part, site::projection, l, inner, d);
    out.emplace_back(model_part::attention_output, site::attention_output, l, d, inner);
    out.emplace_back(model_part::feed_forward_input, site::feed_forward_input, l,
                     shape.intermediate, d);
    out.emplace_back(model_part::feed_forward_output, site::feed_forward_output, l, d,
                     shape.intermediate);
  }
  const std::size_t last = shape.layers - 1;
  switch (shape.head) {
    case head_kind::sequence:
      out.emplace_back(model_part::pooler, site::pooler, last, d, d);
      [[fallthrough]];
    case head_kind::token:
      out.emplace_back(model_part::classifier, site::classifier, last, shape.labels, d);
      break;
    case head_kind::span:
      out.emplace_back(model_part::span_classifier, site::classifier, last, shape.labels, d);
      break;
    case head_kind::masked_lm:
      out.emplace_back(model_part::masked_lm_transform, site::classifier, last, d, d);
      break;
    case head_kind::mean_embedding:
    case head_kind::cls_embedding:
    case head_kind::pooled_embedding:
      break;
  }
  return out;
}

/// Name prefixes of all layer norms.
inline std::vector<std::string> layer_norms(const model_shape& shape) {
  std::vector<std::string> names{part_text(model_part::embedding_norm)};
  for (std::size_t l = 0; l < shape.layers; ++l) {
    names.push_back(part_text(model_part::attention_norm, l));
    names.push_back(part_text(model_part::output_norm, l));
  }
  if (shape.head == head_kind::masked_lm) names.push_back(part_text(model_part::masked_lm_norm));
  return names;
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
