// SPDX-License-Identifier: Apache-2.0
// The model families whose checkpoints are imported, one row of data each: what config.json and the
// tensors are called, which parts a model has, what Hugging Face's config class assumes for a field
// that config.json omits. Everything else (shape, packed folders, engines) is the same for all: a
// row is only needed to get there. Rows tell differences from BERT; sources are the modeling_*.py
// and configuration_*.py files of Hugging Face transformers.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/io/family_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The fields of config.json; an empty name: the family has no such field.
struct config_fields {
  std::string_view layers = "num_hidden_layers";
  std::string_view hidden = "hidden_size";
  std::string_view heads = "num_attention_heads";
  std::string_view intermediate = "intermediate_size";
  std::string_view hidden_act = "hidden_act";
  std::string_view layer_norm_eps = "layer_norm_eps";
  std::string_view token_types = "type_vocab_size";
  std::string_view embedding = {};
  std::string_view masked_lm_act = {};  ///< empty: masked_lm_act of the family, or hidden_act
};

/// When a linear layer maps embedding rows to the hidden size.
enum class embedding_map : std::uint8_t { never, if_widths_differ, always };

struct model_family {
  std::string_view model_type;   ///< in config.json
  std::string_view model_class;  ///< Hugging Face's class without a head; others begin like it
  std::string_view prefix;       ///< of the encoder's tensors, absent in files of model_class
  /// The values of absent fields and the parts that no field describes; 0: the field is required.
  model_shape usual{};
  std::string_view usual_act = "gelu";
  config_fields fields{};
  std::string_view layer_prefix = "encoder.layer.";  ///< after `prefix`, before the layer's index
  std::span<const part_alias> aliases{};
  std::span<const fused_parts> fused{};
  std::span<const optional_bias> biases{};
  std::span<const unused_tensors> unused{};  ///< by their names in the file
  embedding_map map = embedding_map::never;
  /// Positions of a text start after that of padding: at pad_token_id + 1, 1 + 1 if it is absent.
  bool positions_after_padding = false;
  head_kind pretraining = head_kind::masked_lm;           ///< of a ..ForPreTraining model
  std::optional<activation_function> masked_lm_act = {};  ///< hidden_act if empty

  [[nodiscard]] constexpr bool is_bert() const { return prefix == "bert."; }
};

namespace detail {

/// XLM-RoBERTa and CamemBERT are RoBERTa with other vocabularies.
[[nodiscard]] constexpr model_family roberta_family(std::string_view model_type,
                                                    std::string_view model_class,
                                                    std::size_t vocabulary) {
  return {.model_type = model_type,
          .model_class = model_class,
          .prefix = "roberta.",
          .usual = usual_extents(vocabulary),
          .aliases = roberta_aliases,
          .unused = roberta_unused,
          .positions_after_padding = true,
          .masked_lm_act = activation_function::gelu};
}

}  // namespace detail

/// To add a family: docs/extending.md.
inline constexpr model_family model_families[] = {
    {.model_type = "bert",
     .model_class = "BertModel",
     .prefix = "bert.",
     .unused = detail::bert_unused},
    {.model_type = "bort", .model_class = "BertModel", .prefix = "bert."},
    {.model_type = "distilbert",
     .model_class = "DistilBertModel",
     .prefix = "distilbert.",
     .usual = detail::usual_distilbert,
     .fields = {.layers = "n_layers",
                .hidden = "dim",
                .heads = "n_heads",
                .intermediate = "hidden_dim",
                .hidden_act = "activation",
                .layer_norm_eps = {},
                .token_types = {}},
     .layer_prefix = "transformer.layer.",
     .aliases = detail::distilbert_aliases},
    detail::roberta_family("roberta", "RobertaModel", 50265),
    detail::roberta_family("xlm-roberta", "XLMRobertaModel", 30522),
    detail::roberta_family("camembert", "CamembertModel", 30522),
    {.model_type = "electra",
     .model_class = "ElectraModel",
     .prefix = "electra.",
     .usual = detail::usual_electra,
     .fields = {.embedding = "embedding_size"},
     .aliases = detail::electra_aliases,
     .unused = detail::electra_unused,
     .map = embedding_map::if_widths_differ,
     .pretraining = head_kind::mean_embedding,
     .masked_lm_act = activation_function::gelu},
    {.model_type = "albert",
     .model_class = "AlbertModel",
     .prefix = "albert.",
     .usual = detail::usual_albert,
     .usual_act = "gelu_new",
     .fields = {.embedding = "embedding_size"},
     .layer_prefix = "encoder.albert_layer_groups.0.albert_layers.",
     .aliases = detail::albert_aliases,
     .unused = detail::albert_unused,
     .map = embedding_map::always},
    {.model_type = "mpnet",
     .model_class = "MPNetModel",
     .prefix = "mpnet.",
     .usual = detail::usual_mpnet,
     .fields = {.token_types = {}},
     .aliases = detail::mpnet_aliases,
     .positions_after_padding = true,
     .masked_lm_act = activation_function::gelu},
    {.model_type = "modernbert",
     .model_class = "ModernBertModel",
     .prefix = "model.",
     .usual = detail::usual_modernbert,
     .fields = {.hidden_act = "hidden_activation",
                .layer_norm_eps = "norm_eps",
                .token_types = {},
                .masked_lm_act = "classifier_activation"},
     .layer_prefix = "layers.",
     .aliases = detail::modernbert_aliases,
     .fused = detail::modernbert_fused,
     .biases = detail::modernbert_biases},
};

/// The family of a config: by model_type or, in configs that have none, by the class in
/// architectures; BERT without either.
/// Errors: unsupported naming the model_type and the known ones
inline result<const model_family*> find_family(const nlohmann::json& config,
                                               std::string_view name) {
  const nlohmann::json* classes = detail::find_member(config, "architectures");
  if (detail::find_member(config, "model_type") == nullptr) {
    const bool named = classes != nullptr && classes->is_array() && !classes->empty() &&
                       classes->front().is_string();
    for (const model_family& f : model_families) {
      const std::string_view stem = f.model_class.substr(0, f.model_class.size() - 5);  // "Model"
      if (named && classes->front().get_ref<const std::string&>().starts_with(stem)) return &f;
    }
    return model_families;
  }
  LOWBIT_TRY_ASSIGN(const auto type, json_string(config, "model_type", name));
  if (type == "ibert") return model_families;  // refused as a scheme, not as a family
  std::string known;
  for (const model_family& f : model_families) {
    if (type == f.model_type) return &f;
    known += (known.empty() ? "\"" : ", \"") + std::string(f.model_type) + '"';
  }
  return status::error(errc::unsupported, name, ": model_type is ", detail::quote_name(type),
                       ", expected one of ", known);
}

}  // namespace lowbit::inline LOWBIT_ISA
