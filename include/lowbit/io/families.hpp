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

#include "lowbit/boundary/parts.hpp"
#include "lowbit/boundary/shape.hpp"
#include "lowbit/io/config_scheme.hpp"

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
};

/// A part that has another name in a family's files. `found`, or a name that goes on with '.' after
/// it, stands for the canonical name of `part` followed by `tail`. A leading '.' marks a name
/// within a layer; names within the encoder are relative to its prefix.
struct part_alias {
  std::string_view found;
  model_part part;
  std::string_view tail = {};
};

/// Tensors that inference never reads: those whose names begin and end so, under `only` if set.
struct unused_tensors {
  std::string_view begins;
  std::string_view ends = {};
  std::optional<scheme> only = std::nullopt;

  [[nodiscard]] constexpr bool match(std::string_view name) const {
    return name.starts_with(begins) && name.ends_with(ends);
  }
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
  std::span<const unused_tensors> unused{};  ///< by their names in the file
  embedding_map map = embedding_map::never;
  /// Positions of a text start after that of padding: at pad_token_id + 1, 1 + 1 if it is absent.
  bool positions_after_padding = false;
  head_kind pretraining = head_kind::masked_lm;           ///< of a ..ForPreTraining model
  std::optional<activation_function> masked_lm_act = {};  ///< hidden_act if empty

  [[nodiscard]] constexpr bool is_bert() const { return prefix == "bert."; }
};

namespace detail {

/// BERT-base's extents, which every config class has as defaults.
[[nodiscard]] constexpr model_shape usual_extents(std::size_t vocabulary) {
  return {12, 768, 12, 3072, vocabulary, 512, 2};
}

inline constexpr model_shape usual_distilbert = [] {
  model_shape s = usual_extents(30522);
  s.layers = 6;
  s.token_types = 0;
  s.pooler_act = pooler_activation::relu;
  return s;
}();
inline constexpr model_shape usual_electra = [] {
  model_shape s = usual_extents(30522);
  s.hidden = 256, s.heads = 4, s.intermediate = 1024;
  s.embedding = 128;
  s.pooler_act = pooler_activation::gelu;
  return s;
}();
inline constexpr model_shape usual_albert = [] {
  model_shape s = usual_extents(30000);
  s.hidden = 4096, s.heads = 64, s.intermediate = 16384;
  s.embedding = 128;
  s.shared_layers = true;
  return s;
}();

inline constexpr model_shape usual_mpnet = [] {
  model_shape s = usual_extents(30527);
  s.token_types = 0;
  s.relative_bias = true;
  return s;
}();

inline constexpr part_alias distilbert_aliases[] = {
    {".attention.q_lin", model_part::query},
    {".attention.k_lin", model_part::key},
    {".attention.v_lin", model_part::value},
    {".attention.out_lin", model_part::attention_output},
    {".sa_layer_norm", model_part::attention_norm},
    {".ffn.lin1", model_part::feed_forward_input},
    {".ffn.lin2", model_part::feed_forward_output},
    {".output_layer_norm", model_part::output_norm},
    {"pre_classifier", model_part::pooler},
    {"vocab_transform", model_part::masked_lm_transform},
    {"vocab_layer_norm", model_part::masked_lm_norm},
    {"vocab_projector.bias", model_part::masked_lm, ".bias"},
    {"vocab_projector.weight", model_part::masked_lm, ".decoder.weight"},
};
/// The classifier of RoBERTa and ELECTRA has two layers; BERT's pooler has the place of the first.
inline constexpr part_alias roberta_aliases[] = {
    {"classifier.dense", model_part::pooler},
    {"classifier.out_proj", model_part::classifier},
    {"lm_head.dense", model_part::masked_lm_transform},
    {"lm_head.layer_norm", model_part::masked_lm_norm},
    {"lm_head", model_part::masked_lm},
};
inline constexpr part_alias electra_aliases[] = {
    {"classifier.dense", model_part::pooler},
    {"classifier.out_proj", model_part::classifier},
    {"embeddings_project", model_part::embedding_map},
    {"generator_predictions.dense", model_part::masked_lm_transform},
    {"generator_predictions.LayerNorm", model_part::masked_lm_norm},
    {"generator_lm_head.bias", model_part::masked_lm, ".bias"},
    {"generator_lm_head.weight", model_part::masked_lm, ".decoder.weight"},
};
inline constexpr part_alias mpnet_aliases[] = {
    {".attention.attn.q", model_part::query},
    {".attention.attn.k", model_part::key},
    {".attention.attn.v", model_part::value},
    {".attention.attn.o", model_part::attention_output},
    {".attention.LayerNorm", model_part::attention_norm},
    {"classifier.dense", model_part::pooler},
    {"classifier.out_proj", model_part::classifier},
    {"lm_head.dense", model_part::masked_lm_transform},
    {"lm_head.layer_norm", model_part::masked_lm_norm},
    {"lm_head", model_part::masked_lm},
};
inline constexpr part_alias albert_aliases[] = {
    {".attention.query", model_part::query},
    {".attention.key", model_part::key},
    {".attention.value", model_part::value},
    {".attention.dense", model_part::attention_output},
    {".attention.LayerNorm", model_part::attention_norm},
    {".ffn_output", model_part::feed_forward_output},
    {".ffn", model_part::feed_forward_input},
    {".full_layer_layer_norm", model_part::output_norm},
    {"encoder.embedding_hidden_mapping_in", model_part::embedding_map},
    {"pooler", model_part::pooler},
    {"predictions.dense", model_part::masked_lm_transform},
    {"predictions.LayerNorm", model_part::masked_lm_norm},
    {"predictions", model_part::masked_lm},
};

/// Also what training codes leave behind in BERT's checkpoints.
inline constexpr unused_tensors bert_unused[] = {
    {"fit_dense"},  // TinyBERT
    {"", ".dense.scale"},
    {"", ".query.scale"},
    {"", ".key.scale"},
    {"", ".value.scale"},
    {"", ".output.gate"},  // BiBERT, registered but unused
    {"", ".clip_query", scheme::bibert},
    {"", ".clip_key", scheme::bibert},
    {"", ".clip_value", scheme::bibert},
    {"", ".clip_attn", scheme::bibert},
    {"", ".weight_clip_val"},
    {"", ".act_clip_val"},
    {"", ".move_q.bias"},
    {"", ".move_k.bias"},
    {"", ".move_v.bias"},  // BiT, overwritten before use
};
/// No supported head reads RoBERTa's own pooler.
inline constexpr unused_tensors roberta_unused[] = {{"roberta.pooler."}, {"pooler."}};
/// The discriminator's output for each token, replaced or not.
inline constexpr unused_tensors electra_unused[] = {{"discriminator_predictions."}};
inline constexpr unused_tensors albert_unused[] = {{"sop_classifier."}};

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
