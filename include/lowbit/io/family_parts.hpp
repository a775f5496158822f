// SPDX-License-Identifier: Apache-2.0
// What the rows of io/families.hpp are made of: the names of parts and of tensors that are not
// read, and the values of fields that config.json omits, family by family.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "lowbit/boundary/parts.hpp"
#include "lowbit/boundary/shape.hpp"
#include "lowbit/io/config_scheme.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// A part that has another name in a family's files. `found`, or a name that goes on with '.' after
/// it, stands for the canonical name of `part` followed by `tail`. A leading '.' marks a name
/// within a layer; names within the encoder are relative to its prefix.
struct part_alias {
  std::string_view found;
  model_part part;
  std::string_view tail = {};
};

/// A matrix and its bias whose rows are those of several parts, one after the other, of equal size.
/// `found`: within a layer.
struct fused_parts {
  std::string_view found;
  std::span<const model_part> parts;
};

/// A part without a bias if a field of config.json is false; `usual`: the value of an absent field.
struct optional_bias {
  std::string_view field;
  model_part part;
  bool usual = false;
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

inline constexpr model_shape usual_modernbert = [] {
  model_shape s = usual_extents(50368);
  s.layers = 22, s.intermediate = 1152, s.positions = 8192;
  s.token_types = 0;
  s.layer_norm_eps = 1e-5F;
  s.block = block_kind::pre_norm;
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

inline constexpr part_alias modernbert_aliases[] = {
    {".attn_norm", model_part::input_norm},
    {".attn.Wo", model_part::attention_output},
    {".mlp_norm", model_part::attention_norm},
    {".mlp.Wo", model_part::feed_forward_output},
    {"embeddings.tok_embeddings", model_part::word_embeddings},
    {"embeddings.norm", model_part::embedding_norm},
    {"final_norm", model_part::final_norm},
    {"head.dense", model_part::masked_lm_transform},
    {"head.norm", model_part::masked_lm_norm},
    {"decoder.bias", model_part::masked_lm, ".bias"},
    {"decoder.weight", model_part::masked_lm, ".decoder.weight"},
};
inline constexpr model_part projections[] = {model_part::query, model_part::key, model_part::value};
inline constexpr model_part gated_input[] = {model_part::feed_forward_input,
                                             model_part::feed_forward_gate};
inline constexpr fused_parts modernbert_fused[] = {{".attn.Wqkv", projections},
                                                   {".mlp.Wi", gated_input}};
inline constexpr optional_bias modernbert_biases[] = {
    {"norm_bias", model_part::embedding_norm},
    {"norm_bias", model_part::input_norm},
    {"norm_bias", model_part::attention_norm},
    {"norm_bias", model_part::final_norm},
    {"norm_bias", model_part::masked_lm_norm},
    {"attention_bias", model_part::query},
    {"attention_bias", model_part::key},
    {"attention_bias", model_part::value},
    {"attention_bias", model_part::attention_output},
    {"mlp_bias", model_part::feed_forward_input},
    {"mlp_bias", model_part::feed_forward_gate},
    {"mlp_bias", model_part::feed_forward_output},
    {"classifier_bias", model_part::masked_lm_transform},
    {"decoder_bias", model_part::masked_lm, true},
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

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
