// SPDX-License-Identifier: Apache-2.0
// Parses a Hugging Face config.json into a model_shape, a family and a quantization scheme. Does
// not depend on tensors or policies; the caller decides whether a scheme is supported. No file
// names its scheme directly: it is recognised by the fields that its training code writes. Values
// hard-coded in that training code (the LayerNorm epsilon, the classifier's relu) are set here too.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/io/config_pre_norm.hpp"
#include "lowbit/io/config_scheme.hpp"
#include "lowbit/io/embedding_format.hpp"
#include "lowbit/io/families.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/label_scores.hpp"
#include "lowbit/io/packed_format.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct model_config {
  const model_family* family = model_families;
  model_shape shape;  ///< labels 0: take the count from classifier.weight
  /// First row of the position table of a checkpoint that a text uses; packed tables start there.
  std::size_t first_position = 0;
  scheme recognised = scheme::fp32;
  problem_type problem = problem_type::single_label;
  /// BertForMultipleChoice: one logit for each pair of a question and a choice.
  bool multiple_choice = false;
  std::vector<model_part> without_bias;  ///< parts that have none; canonical ones are zeros
  std::vector<std::string> labels;       ///< empty if the file has no id2label
  std::optional<packed_format> packed;
  /// For embedding models, if a file specifies it; in config.json only for packed folders.
  std::optional<embedding_format> embedding;
  nlohmann::json raw;

  /// Whether `embedding` says how texts are read.
  [[nodiscard]] bool embeds() const {
    return embedding &&
           (is_embedding(shape.head) || embedding->is_sparse() || embedding->is_per_token());
  }
  /// Whether texts become lower case, whatever the tokenizer does.
  [[nodiscard]] bool lower_case() const { return embeds() && embedding->lower_case; }
  /// Longest text, in tokens, that is not truncated.
  [[nodiscard]] std::size_t max_tokens() const {
    const std::size_t limit = embeds() ? embedding->max_tokens : 0;
    return limit == 0 ? shape.positions : std::min(limit, shape.positions);
  }
  /// What the model is, for messages.
  [[nodiscard]] const char* kind() const {
    return multiple_choice ? "multiple choice" : name_of(shape.head);
  }
  /// Label i: from id2label, otherwise LABEL_i.
  [[nodiscard]] std::string label(std::size_t i) const {
    return i < labels.size() ? labels[i] : "LABEL_" + std::to_string(i);
  }
};

namespace detail {

/// Other names of a function in Hugging Face's ACT2FN, whose formulas differ in rounding only.
struct activation_alias {
  std::string_view name;
  activation_function function;
};
inline constexpr activation_alias activation_aliases[] = {
    {"gelu_python", activation_function::gelu},
    {"gelu_pytorch_tanh", activation_function::gelu_tanh},
    {"gelu_python_tanh", activation_function::gelu_tanh},
    {"gelu_fast", activation_function::gelu_tanh},
    {"gelu_accurate", activation_function::gelu_tanh},
    {"swish", activation_function::silu},
};

inline result<activation_function> parse_activation(const nlohmann::json& config,
                                                    std::string_view name, std::string_view field,
                                                    std::string_view usual) {
  LOWBIT_TRY_ASSIGN(const auto text, json_string(config, field, name, std::string(usual)));
  std::string known;
  for (std::size_t i = 0; i < activation_functions; ++i) {
    const auto function = static_cast<activation_function>(i);
    if (text == name_of(function)) return function;
    known += (i == 0 ? "" : ", ") + std::string(name_of(function));
  }
  for (const activation_alias& alias : activation_aliases) {
    if (text == alias.name) return alias.function;
    known += ", " + std::string(alias.name);
  }
  return status::error(errc::unsupported, name, ": ", field, " is ", quote_name(text),
                       ", expected one of ", known);
}

/// The texts of id2label in id order; the ids must be "0" to "n-1".
inline result<std::vector<std::string>> parse_labels(const nlohmann::json& config,
                                                     std::string_view name) {
  const nlohmann::json* field = find_member(config, "id2label");
  if (field == nullptr) return std::vector<std::string>();
  if (!field->is_object()) return wrong_type(name, "id2label", *field, "an object");
  std::vector<std::string> labels(field->size());
  for (const auto& [key, text] : field->items()) {
    std::size_t id = 0;
    const char* end = key.data() + key.size();
    const auto [stop, error] = std::from_chars(key.data(), end, id);
    const bool canonical = error == std::errc() && stop == end && std::to_string(id) == key;
    if (!canonical || id >= labels.size()) {  // n distinct ids below n cover all
      return status::error(errc::malformed, name, ": id2label has the id ", quote_name(key),
                           ", expected 0 to ", labels.size() - 1, ", each once");
    }
    if (text.is_number_integer()) {  // data sets with numeric labels
      labels[id] = text.dump();
    } else if (text.is_string()) {
      labels[id] = text.get<std::string>();
    } else {
      return wrong_type(name, "id2label." + key, text, "a string");
    }
  }
  return labels;
}

/// Reads one extent into `out`, which holds the value of an absent field; 0: it is required.
inline status read_extent(const nlohmann::json& config, std::string_view field,
                          std::string_view name, std::size_t& out) {
  if (out != 0 && find_member(config, field) == nullptr) return {};
  LOWBIT_TRY_ASSIGN(out, json_size(config, field, name));
  return {};
}

inline status parse_label_count(const nlohmann::json& config, std::string_view name,
                                model_config& out) {
  LOWBIT_TRY_ASSIGN(auto labels, parse_labels(config, name));
  out.labels = std::move(labels);
  LOWBIT_TRY_ASSIGN(out.shape.labels, json_size(config, "num_labels", name, out.labels.size()));
  if (find_member(config, "num_labels") == nullptr) return {};
  if (out.shape.labels == 0) {
    return status::error(errc::malformed, name, ": num_labels is 0, expected at least 1");
  }
  if (!out.labels.empty() && out.labels.size() != out.shape.labels) {
    return status::error(errc::malformed, name, ": num_labels is ", out.shape.labels,
                         " but id2label has ", out.labels.size(), " labels");
  }
  return {};
}

/// The parts that only some families have: token types, narrow embeddings, shared layers, layers
/// that normalise first, biases, positions of padding.
inline status parse_optional_parts(const nlohmann::json& config, std::string_view name,
                                   model_config& out) {
  const model_family& family = *out.family;
  model_shape& shape = out.shape;
  if (!family.fields.token_types.empty()) {
    LOWBIT_TRY(read_extent(config, family.fields.token_types, name, shape.token_types));
    if (shape.token_types == 0) {
      return status::error(errc::malformed, name, ": ", family.fields.token_types,
                           " is 0, expected at least 1");
    }
  }
  if (!family.fields.embedding.empty()) {
    LOWBIT_TRY(read_extent(config, family.fields.embedding, name, shape.embedding));
    if (shape.embedding == 0) {
      return status::error(errc::malformed, name, ": ", family.fields.embedding,
                           " is 0, expected at least 1");
    }
    if (family.map == embedding_map::if_widths_differ && shape.embedding == shape.hidden)
      shape.embedding = 0;
  }
  if (shape.shared_layers) {
    for (const char* field : {"num_hidden_groups", "inner_group_num"}) {
      LOWBIT_TRY_ASSIGN(const auto count, json_size(config, field, name, 1));
      if (count == 1) continue;
      return status::error(errc::unsupported, name, ": ", field, " is ", count,
                           ", expected 1: all layers share one group of weights");
    }
  }
  if (shape.pre_norm()) LOWBIT_TRY(parse_pre_norm(config, name, shape));
  for (const optional_bias& b : family.biases) {
    LOWBIT_TRY_ASSIGN(const auto biased, json_bool(config, b.field, name, b.usual));
    if (!biased) out.without_bias.push_back(b.part);
  }
  if (shape.relative_bias) {  // MPNet's code assumes these values
    for (const auto& [field, expected] :
         {std::pair{"relative_attention_num_buckets", relative_buckets},
          std::pair{"pad_token_id", std::size_t{1}}}) {
      LOWBIT_TRY_ASSIGN(const auto found, json_size(config, field, name, expected));
      if (found == expected) continue;
      return status::error(errc::unsupported, name, ": ", field, " is ", found, ", expected ",
                           expected);
    }
  }
  if (family.positions_after_padding) {
    LOWBIT_TRY_ASSIGN(const auto padding, json_size(config, "pad_token_id", name, 1));
    if (shape.positions < 2 || padding > shape.positions - 2) {
      return status::error(errc::malformed, name, ": max_position_embeddings is ", shape.positions,
                           ", expected more than pad_token_id + 1, and pad_token_id is ", padding);
    }
    out.first_position = padding + 1;
    shape.positions -= out.first_position;
  }
  return {};
}

inline status parse_shape(const nlohmann::json& config, std::string_view name, model_config& out) {
  model_shape& shape = out.shape;
  const config_fields& fields = out.family->fields;
  LOWBIT_TRY(read_extent(config, fields.layers, name, shape.layers));
  LOWBIT_TRY(read_extent(config, fields.hidden, name, shape.hidden));
  LOWBIT_TRY(read_extent(config, fields.heads, name, shape.heads));
  LOWBIT_TRY(read_extent(config, fields.intermediate, name, shape.intermediate));
  LOWBIT_TRY(read_extent(config, "vocab_size", name, shape.vocabulary));
  LOWBIT_TRY(read_extent(config, "max_position_embeddings", name, shape.positions));
  LOWBIT_TRY(parse_optional_parts(config, name, out));
  LOWBIT_TRY_ASSIGN(shape.attention, json_size(config, "dyna_hidden_size", name, shape.hidden));
  if (shape.attention == 0) {
    return status::error(errc::malformed, name, ": dyna_hidden_size is 0, expected at least 1");
  }
  if (shape.attention == shape.hidden) shape.attention = 0;  // DynaBERT without narrowing
  LOWBIT_TRY(parse_label_count(config, name, out));

  constexpr float bert_eps = 1e-12F;
  float eps = shape.layer_norm_eps;
  if (!fields.layer_norm_eps.empty()) {
    LOWBIT_TRY_ASSIGN(eps, json_float(config, fields.layer_norm_eps, name, eps));
  }
  const bool plain = out.recognised == scheme::fp32 || has_trained_ranges(config);
  const bool tiny = plain && out.family->is_bert() && is_tinybert(config);
  if (tiny) shape.pooler_act = pooler_activation::tanh_relu;
  const bool hard_coded =
      tiny || out.recognised == scheme::bit || out.recognised == scheme::binarybert;
  shape.layer_norm_eps = hard_coded ? bert_eps : eps;

  model_shape checked = shape;
  if (checked.labels == 0) checked.labels = 1;  // the caller takes it from classifier.weight
  return checked.check().in(name);
}

/// Rejects features of BERT-like models that are not supported; ignoring one would give wrong
/// results.
inline status refuse_other_models(const nlohmann::json& config, std::string_view name) {
  for (const std::string_view field :
       {"is_decoder", "is_causal", "is_encoder_decoder", "add_cross_attention"}) {
    LOWBIT_TRY_ASSIGN(const auto set, json_bool(config, field, name, false));
    if (set) return status::error(errc::unsupported, name, ": ", field, " is true, expected false");
  }
  LOWBIT_TRY_ASSIGN(const auto positions,
                    json_string(config, "position_embedding_type", name, "absolute"));
  if (positions != "absolute") {
    return status::error(errc::unsupported, name, ": position_embedding_type is ",
                         quote_name(positions), ", expected \"absolute\"");
  }
  const nlohmann::json* pruned = find_member(config, "pruned_heads");
  if (pruned != nullptr && !pruned->is_structured()) {
    return wrong_type(name, "pruned_heads", *pruned, "an object");
  }
  if (pruned != nullptr && !pruned->empty()) {
    return status::error(errc::unsupported, name, ": pruned_heads is not empty, expected {}");
  }
  return {};
}

}  // namespace detail

/// Validates and reads every field needed for inference. The shape has passed shape.check(), except
/// that shape.labels is 0 if the file does not specify it.
///
/// Errors: malformed for a field of the wrong type or value; not_found for a missing one;
/// unsupported
///         for a well-formed but unsupported model or scheme, naming the field
inline result<model_config> parse_config(const nlohmann::json& config, std::string_view name) {
  return detail::without_exceptions(name, [&]() -> result<model_config> {
    if (!config.is_object()) {
      return status::error(errc::malformed, name, ": is ", detail::describe(config),
                           ", expected an object");
    }
    model_config out;
    LOWBIT_TRY_ASSIGN(out.family, find_family(config, name));
    out.shape = out.family->usual;
    LOWBIT_TRY(detail::refuse_other_models(config, name));
    LOWBIT_TRY_ASSIGN(out.recognised, recognise_scheme(config, name));
    if (out.recognised != scheme::fp32 && !out.family->is_bert()) {
      return status::error(errc::unsupported, name, ": a ", scheme_name(out.recognised),
                           " checkpoint with model_type \"", out.family->model_type,
                           "\", expected \"bert\", which its training code is for");
    }
    const config_fields& fields = out.family->fields;
    LOWBIT_TRY_ASSIGN(
        out.shape.hidden_act,
        detail::parse_activation(config, name, fields.hidden_act, out.family->usual_act));
    out.shape.masked_lm_act = out.family->masked_lm_act.value_or(out.shape.hidden_act);
    if (!fields.masked_lm_act.empty()) {
      LOWBIT_TRY_ASSIGN(out.shape.masked_lm_act,
                        detail::parse_activation(config, name, fields.masked_lm_act, "gelu"));
    }
    LOWBIT_TRY(detail::parse_shape(config, name, out));
    LOWBIT_TRY_ASSIGN(out.problem, parse_problem(config, name));
    LOWBIT_TRY(detail::parse_packed(config, name, out.packed, out.embedding));
    out.raw = config;
    return out;
  });
}

/// Reads config.json of a model folder.
inline result<model_config> load_config(const model_files& folder) {
  return detail::without_exceptions(folder.native(), [&]() -> result<model_config> {
    LOWBIT_TRY_ASSIGN(const auto config, read_json(folder, "config.json"));
    return parse_config(config, (folder / "config.json").native());
  });
}

}  // namespace lowbit::inline LOWBIT_ISA
