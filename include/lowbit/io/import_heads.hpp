// SPDX-License-Identifier: Apache-2.0
// Determines the head of a model folder from the architecture in config.json or, without one, from
// its tensors.
#pragma once

#include <functional>
#include <map>

#include "lowbit/io/checkpoint_tensors.hpp"
#include "lowbit/io/config.hpp"
#include "lowbit/io/family_names.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Tensors by canonical name.
using named_tensors = std::map<std::string, const tensor_view*, std::less<>>;

/// The tensors of a packed folder, whose names are canonical.
inline named_tensors packed_names(const checkpoint_tensors& files) {
  named_tensors out;
  for (const tensor_view& t : files.tensors()) out.emplace(t.name, &t);
  return out;
}

/// A prefix such as "my_model." before `name` in the file, if there is one.
inline std::string foreign_prefix(const checkpoint_tensors& files, const model_family& family,
                                  std::string_view name) {
  // The family's prefix is absent in a bare model.
  const bool in_encoder = name.starts_with(family.prefix);
  if (in_encoder) name.remove_prefix(family.prefix.size());
  for (const tensor_view& t : files.tensors()) {
    if (!t.name.ends_with(name) || t.name.size() == name.size()) continue;
    std::string_view prefix = std::string_view(t.name).substr(0, t.name.size() - name.size());
    if (prefix.back() != '.') continue;
    if (in_encoder && prefix.ends_with(family.prefix)) prefix.remove_suffix(family.prefix.size());
    if (!prefix.empty()) return std::string(prefix);
  }
  return {};
}

/// The error for a canonical tensor that is missing. `head`: the expected kind of model; may be
/// empty.
inline status missing_tensor(const checkpoint_tensors& files, const model_family& family,
                             std::string_view canonical, std::string_view place,
                             std::string_view head = {}) {
  const std::string name = name_in_files(family, canonical);
  const std::string prefix = foreign_prefix(files, family, name);
  if (!prefix.empty()) {
    return status::error(errc::not_found, place, ": tensor ", name,
                         " is missing: names in the file begin with ", quote_name(prefix),
                         ", expected those that save_pretrained() of the model itself writes");
  }
  if (head.empty()) return status::error(errc::not_found, place, ": tensor ", name, " is missing");
  return status::error(errc::not_found, place, ": tensor ", name, " is missing, expected a ", head,
                       " model");
}

/// The head named by the field architectures; nullopt if it is absent or empty.
/// Errors: unsupported if it names no supported class
inline result<std::optional<head_kind>> head_by_architecture(const nlohmann::json& config,
                                                             const model_family& family,
                                                             std::string_view place) {
  struct entry {
    std::string_view part;
    head_kind head;
  };
  const entry entries[] = {
      {"ForSequenceClassification", head_kind::sequence},
      {"ForMultipleChoice", head_kind::sequence},  // see is_multiple_choice
      {"ForTokenClassification", head_kind::token},
      {"ForQuestionAnswering", head_kind::span},
      {"ForMaskedLM", head_kind::masked_lm},
      {"ForPreTraining", family.pretraining},
      {family.model_class, head_kind::mean_embedding},
  };
  const nlohmann::json* names = find_member(config, "architectures");
  if (names == nullptr) return std::optional<head_kind>();
  if (!names->is_array()) return wrong_type(place, "architectures", *names, "an array of names");
  for (const nlohmann::json& name : *names) {
    if (!name.is_string()) return wrong_type(place, "architectures", name, "the name of a class");
    for (const entry& e : entries) {
      if (name.get_ref<const std::string&>().ends_with(e.part)) return std::optional(e.head);
    }
  }
  if (names->empty()) return std::optional<head_kind>();
  std::string known;
  for (const entry& e : entries) known += (known.empty() ? "" : ", ") + std::string(e.part);
  return status::error(errc::unsupported, place, ": architectures is ",
                       quote_name(names->front().get_ref<const std::string&>()),
                       ", expected a name that ends in one of ", known);
}

/// A multiple choice model has the tensors of a classifier with one label, but its logits have
/// another meaning.
inline bool is_multiple_choice(const nlohmann::json& config) {
  const nlohmann::json* names = find_member(config, "architectures");
  return names != nullptr && names->is_array() &&
         std::any_of(names->begin(), names->end(), [](const nlohmann::json& name) {
           return name.is_string() &&
                  name.get_ref<const std::string&>().ends_with("ForMultipleChoice");
         });
}

/// Infers the head from the canonical names of a checkpoint or packed folder. The number of labels
/// is no evidence: old programs wrote num_labels 2 for every model.
inline head_kind head_by_tensors(const named_tensors& tensors) {
  const auto has = [&](std::string_view part) {
    return std::any_of(tensors.begin(), tensors.end(),
                       [&](const auto& t) { return t.first.find(part) != std::string::npos; });
  };
  // Compares parts of names: encoded matrices have suffixes, split models have _1 and _2.
  if (has("qa_outputs.weight")) return head_kind::span;
  if (tensors.contains("classifier.weight") || has("classifier.weight."))
    return has("bert.pooler.dense") ? head_kind::sequence : head_kind::token;
  if (has("cls.predictions.transform.")) return head_kind::masked_lm;
  return head_kind::mean_embedding;
}

/// True if the files have what a family's class without a head saves. Its config.json may name the
/// class that it was pre-trained with (sentence-transformers/all-mpnet-base-v2).
inline bool is_bare_encoder(const checkpoint_tensors& files, const model_family& family,
                            const named_tensors& tensors) {
  return head_by_tensors(tensors) == head_kind::mean_embedding &&
         std::none_of(files.tensors().begin(), files.tensors().end(),
                      [&](const tensor_view& t) { return t.name.starts_with(family.prefix); });
}

/// Sets head and labels of config.shape.
/// Errors: not_found for a classifier with an unknown number of labels; unsupported for an
/// unsupported
///         architecture, or a masked language model with an untied decoder
inline status find_head(model_config& config, const checkpoint_tensors& files,
                        const named_tensors& tensors, std::string_view place) {
  model_shape& shape = config.shape;
  const auto named = head_by_architecture(config.raw, *config.family, place);
  if (!named) return named.status();
  shape.head = *named ? **named : head_by_tensors(tensors);
  if (shape.head == head_kind::masked_lm && is_bare_encoder(files, *config.family, tensors)) {
    shape.head = head_kind::mean_embedding;
    config.raw["architectures"] =
        nlohmann::json::array({config.family->model_class});  // for a packed folder
  }
  if (shape.head == head_kind::span && shape.labels == 0) shape.labels = 2;
  config.multiple_choice = *named && is_multiple_choice(config.raw);
  if (config.multiple_choice) {  // num_labels and id2label are BertConfig's defaults
    shape.labels = 1;
    config.labels.clear();
  }
  if (shape.head == head_kind::masked_lm) {
    LOWBIT_TRY_ASSIGN(const auto tied, json_bool(config.raw, "tie_word_embeddings", place, true));
    if (!tied) {
      return status::error(errc::unsupported, place,
                           ": tie_word_embeddings is false, expected a decoder that is the word "
                           "embeddings");
    }
  }
  if (!shape.has_labels() || shape.labels != 0) return {};
  for (const char* name : {"classifier.weight", "classifier.weight.codes"}) {
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second->shape.empty()) continue;
    shape.labels = found->second->shape[0];
    return {};
  }
  return missing_tensor(files, *config.family, "classifier.weight", place, name_of(shape.head));
}

/// Checks that a tensor stored twice by Hugging Face is identical to the original: the decoder of a
/// masked language model is tied to the word embeddings here.
inline status check_same(const tensor_view& copy, const tensor_view& original) {
  const bool same = copy.type == original.type && copy.shape == original.shape &&
                    std::equal(copy.data.begin(), copy.data.end(), original.data.begin());
  if (same) return {};
  return status::error(errc::unsupported, copy.place(), " differs from ", quote_name(original.name),
                       ", expected a tied copy of it");
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
