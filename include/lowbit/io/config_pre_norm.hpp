// SPDX-License-Identifier: Apache-2.0
// What config.json says of a pre_norm model (ModernBERT): rotary positions, which layers attend to
// a window only, and what its classifier reads. transformers 5 writes rope_parameters and
// layer_types, earlier versions global_rope_theta, local_rope_theta and global_attn_every_n_layers;
// both are read.
#pragma once

#include <string>
#include <string_view>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/io/json.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// The base of the frequencies of one kind of layer, "full_attention" or "sliding_attention".
/// Errors: unsupported for another type of rotary positions than the default
inline status parse_theta(const nlohmann::json& config, std::string_view name,
                          std::string_view kind, std::string_view old_field, float& out) {
  LOWBIT_TRY_ASSIGN(out, json_float(config, old_field, name, out));
  if (find_member(config, "rope_scaling") != nullptr) {
    return status::error(errc::unsupported, name, ": rope_scaling is set, expected none");
  }
  const nlohmann::json* all = find_member(config, "rope_parameters");
  if (all == nullptr) return {};
  if (!all->is_object()) return wrong_type(name, "rope_parameters", *all, "an object");
  const nlohmann::json* own = find_member(*all, kind);
  if (own == nullptr) return {};
  const std::string place = "rope_parameters." + std::string(kind);
  if (!own->is_object()) return wrong_type(name, place, *own, "an object");
  LOWBIT_TRY_ASSIGN(const auto type, json_string(*own, "rope_type", name, "default"));
  if (type != "default") {
    return status::error(errc::unsupported, name, ": ", place, ".rope_type is ", quote_name(type),
                         ", expected \"default\"");
  }
  LOWBIT_TRY_ASSIGN(out, json_float(*own, "rope_theta", name, out));
  return {};
}

/// Which layers attend to all tokens: every n-th, the first one included.
inline status parse_global_layers(const nlohmann::json& config, std::string_view name,
                                  model_shape& shape) {
  const nlohmann::json* types = find_member(config, "layer_types");
  if (types == nullptr) {
    constexpr std::size_t usual = 3;
    LOWBIT_TRY_ASSIGN(shape.global_every,
                      json_size(config, "global_attn_every_n_layers", name, usual));
    if (shape.global_every != 0) return {};
    return status::error(errc::malformed, name,
                         ": global_attn_every_n_layers is 0, expected at least 1");
  }
  if (!types->is_array() || types->size() != shape.layers) {
    return wrong_type(name, "layer_types", *types,
                      "an array of num_hidden_layers " + std::to_string(shape.layers) + " names");
  }
  shape.global_every = shape.layers;  // unless there is a second one
  const auto is = [&](std::size_t l, const char* kind) { return (*types)[l] == kind; };
  for (std::size_t l = shape.layers; l-- > 1;)
    if (is(l, "full_attention")) shape.global_every = l;
  for (std::size_t l = 0; l < shape.layers; ++l) {
    const char* const expected = shape.is_local(l) ? "sliding_attention" : "full_attention";
    if (is(l, expected)) continue;
    return status::error(errc::unsupported, name, ": layer_types[", l, "] is ",
                         describe((*types)[l]), ", expected \"", expected,
                         "\": full_attention first, and then in equal intervals");
  }
  return {};
}

/// Errors: those of the fields; unsupported for another classifier_pooling than cls and mean
inline status parse_pre_norm(const nlohmann::json& config, std::string_view name,
                             model_shape& shape) {
  shape.global_theta = 160000.0F, shape.local_theta = 10000.0F;  // as in ModernBertConfig
  LOWBIT_TRY(parse_theta(config, name, "full_attention", "global_rope_theta", shape.global_theta));
  if (const auto local = config.find("local_rope_theta"); local != config.end() && local->is_null())
    shape.local_theta = shape.global_theta;
  LOWBIT_TRY(parse_theta(config, name, "sliding_attention", "local_rope_theta", shape.local_theta));
  LOWBIT_TRY(parse_global_layers(config, name, shape));
  constexpr std::size_t usual_window = 128;
  LOWBIT_TRY_ASSIGN(const auto window, json_size(config, "local_attention", name, usual_window));
  shape.window = window / 2;
  LOWBIT_TRY_ASSIGN(const auto pooling, json_string(config, "classifier_pooling", name, "cls"));
  shape.mean_classifier = pooling == "mean";
  if (shape.mean_classifier || pooling == "cls") return {};
  return status::error(errc::unsupported, name, ": classifier_pooling is ", quote_name(pooling),
                       ", expected \"cls\" or \"mean\"");
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
