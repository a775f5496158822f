// SPDX-License-Identifier: Apache-2.0
// Converts a float model and its activation ranges to policy::q8bert: int8 matrices with one scale
// each, and a scale for the input of each linear layer.
#pragma once

#include "lowbit/io/activation_ranges.hpp"
#include "lowbit/io/encode_model.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Source: Q8BERT, section 3. The scale of an input is its largest magnitude / 127.
/// Errors: invalid_argument for a range that is 0 or not finite; unsupported for ReLU models
inline result<canonical_model> import_static(const canonical_model& floats,
                                             const activation_ranges& ranges) {
  const model_shape& shape = floats.config.shape;
  if (shape.hidden_act != activation_function::gelu) {
    return status::error(errc::unsupported, "policy q8bert needs hidden_act gelu, found ",
                         name_of(shape.hidden_act));
  }
  const auto range_in = [&](const linear_layout& layer, std::size_t l) {
    switch (layer.at) {
      case site::attention_output:
        return ranges.at(l, activation_site::context);
      case site::feed_forward_input:
        return ranges.at(l, activation_site::attended);
      case site::feed_forward_output:
        return ranges.at(l, activation_site::middle);
      default:
        return ranges.hidden[l];
    }
  };
  const auto range_of = [&](const linear_layout& layer) {
    if (layer.at == site::pooler) return ranges.hidden.back();
    float widest = range_in(layer, layer.layer);
    for (std::size_t l = shape.stored_layers(); l < shape.layers; ++l) {  // the same weights
      const float range = range_in(layer, l);
      if (is_finite(widest) && !(range <= widest)) widest = range;
    }
    return widest;
  };
  const std::string words = part_text(model_part::word_embeddings, 0, ".weight");
  std::set<std::string> matrices{words};
  std::map<std::string, const linear_layout*> layout_of;
  const std::vector<linear_layout> layers = linear_layers(shape);
  for (const linear_layout& l : layers) {
    if (l.at == site::classifier) continue;
    matrices.insert(l.name + ".weight");
    layout_of.emplace(l.name + ".weight", &l);
  }
  canonical_model out;
  out.config = floats.config;
  out.policy = "q8bert";
  const auto encode = [&](const std::string& name, matrix_view<const float> w) -> status {
    LOWBIT_TRY(detail::add_matrix<int8<scale::tensor>>(out, name, w, false));
    if (name == words) return {};
    const linear_layout& layer = *layout_of.at(name);
    const float range = range_of(layer);
    if (!(range > 0.0F) || range > std::numeric_limits<float>::max()) {
      return status::error(errc::invalid_argument, layer.name, ": the range of its input is ",
                           std::to_string(range), ", expected a finite number above 0");
    }
    const float scale[] = {range / 127.0F};
    out.own(layer.name + ".input.scale", {1}, scale);
    return {};
  };
  LOWBIT_TRY(detail::encode_matrices(floats, matrices, out, encode));
  return out;
}

}  // namespace lowbit::inline LOWBIT_ISA
