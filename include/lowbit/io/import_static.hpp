// SPDX-License-Identifier: Apache-2.0
// A float model and the ranges of its activations to policy::q8bert: int8 matrices with one scale,
// and the scale of each linear layer's input.
#pragma once

#include "lowbit/io/activation_ranges.hpp"
#include "lowbit/io/encode_model.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Source: Q8BERT, section 3. An input's scale is its largest magnitude / 127.
/// Errors: invalid_argument for a range that is not finite or is 0; unsupported for ReLU models
inline result<canonical_model> import_static(const canonical_model& floats,
                                             const activation_ranges& ranges) {
  const model_shape& shape = floats.config.shape;
  if (shape.hidden_act != activation_function::gelu) {
    return status::error(errc::unsupported, "policy q8bert needs hidden_act gelu, found ",
                         name_of(shape.hidden_act));
  }
  const auto range_of = [&](const linear_layout& layer) {
    if (layer.at == site::pooler) return ranges.hidden.back();
    const std::string text = layer.name.substr(std::string_view("bert.encoder.layer.").size());
    const std::size_t l = std::stoul(text);
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
  std::map<std::string, const linear_layout*> matrices;
  const std::vector<linear_layout> layers = linear_layers(shape);
  for (const linear_layout& l : layers) {
    if (l.at != site::classifier) matrices.emplace(l.name + ".weight", &l);
  }
  canonical_model out;
  out.config = floats.config;
  out.policy = "q8bert";
  for (const stored_tensor& t : floats.tensors()) {
    const auto it = matrices.find(t.name);
    const bool words = std::string_view(t.name) == "bert.embeddings.word_embeddings.weight";
    const std::vector<std::size_t> extents(t.shape, t.shape + t.rank);
    if (it == matrices.end() && !words) {
      const std::span bytes(t.data, t.bytes());
      out.own(t.name, t.type, extents, {bytes.begin(), bytes.end()});
      out.report.push_back({t.name, f32::name, extents, bytes.size(), bytes.size(), 0});
      continue;
    }
    std::vector<float> values(t.elements());
    std::memcpy(values.data(), t.data, values.size() * sizeof(float));
    const matrix_view<const float> w{values.data(), t.shape[0], t.shape[1], t.shape[1]};
    LOWBIT_TRY(detail::add_matrix<int8<scale::tensor>>(out, t.name, w, false));
    if (words) continue;
    const float range = range_of(*it->second);
    if (!(range > 0.0F) || range > std::numeric_limits<float>::max()) {
      return status::error(errc::invalid_argument, it->second->name, ": the range of its input is ",
                           std::to_string(range), ", expected a finite number above 0");
    }
    const float scale[] = {range / 127.0F};
    out.own(it->second->name + ".input.scale", {1}, scale);
  }
  return out;
}

}  // namespace lowbit::inline LOWBIT_ISA
