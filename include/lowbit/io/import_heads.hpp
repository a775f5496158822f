// SPDX-License-Identifier: Apache-2.0
// Which head a model folder has: what config.json calls its architecture, and where that says
// nothing, the tensors that are there.
#pragma once

#include "lowbit/io/checkpoint_tensors.hpp"
#include "lowbit/io/config.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// The head that the field architectures names; nothing when it names none that is known.
inline std::optional<head_kind> head_by_architecture(const nlohmann::json& config) {
  struct entry {
    std::string_view part;
    head_kind head;
  };
  constexpr entry entries[] = {
      {"ForSequenceClassification", head_kind::sequence},
      {"ForTokenClassification", head_kind::token},
      {"ForQuestionAnswering", head_kind::span},
      {"ForMaskedLM", head_kind::masked_lm},
      {"ForPreTraining", head_kind::masked_lm},
      {"BertModel", head_kind::mean_embedding},
  };
  const nlohmann::json* names = find_member(config, "architectures");
  if (names == nullptr || !names->is_array()) return std::nullopt;
  for (const nlohmann::json& name : *names) {
    if (!name.is_string()) continue;
    for (const entry& e : entries) {
      if (name.get_ref<const std::string&>().ends_with(e.part)) return e.head;
    }
  }
  return std::nullopt;
}

/// The head that the tensors of a checkpoint or packed folder make up. A file that says how many
/// labels it has is a classifier even when its tensor is missing.
inline head_kind head_by_tensors(const checkpoint_tensors& files, bool labelled) {
  const auto has = [&](std::string_view part) {
    return std::any_of(files.tensors().begin(), files.tensors().end(), [&](const tensor_view& t) {
      return t.name.find(part) != std::string::npos;
    });
  };
  if (files.find("qa_outputs.weight") != nullptr) return head_kind::span;
  if (labelled || files.find("classifier.weight") != nullptr)
    return has("pooler.dense.") ? head_kind::sequence : head_kind::token;
  if (has("cls.predictions.transform.")) return head_kind::masked_lm;
  return head_kind::mean_embedding;
}

/// Sets head and labels of config.shape.
/// Errors: not_found for a classifier whose number of labels nothing says; unsupported for a
///         masked language model with a decoder of its own
inline status find_head(model_config& config, const checkpoint_tensors& files,
                        std::string_view place) {
  model_shape& shape = config.shape;
  const auto named = head_by_architecture(config.raw);
  shape.head = named ? *named : head_by_tensors(files, shape.labels != 0);
  if (shape.head == head_kind::span && shape.labels == 0) shape.labels = 2;
  if (shape.head == head_kind::masked_lm) {
    const auto tied = json_bool(config.raw, "tie_word_embeddings", place, true);
    if (!tied) return tied.status();
    if (!*tied) {
      return status::error(errc::unsupported, place,
                           ": tie_word_embeddings is false, expected a decoder that is the word "
                           "embeddings");
    }
  }
  if (!shape.has_labels() || shape.labels != 0) return {};
  if (const tensor_view* head = files.find("classifier.weight");
      head != nullptr && !head->shape.empty()) {
    shape.labels = head->shape[0];
    return {};
  }
  return status::error(errc::not_found, place, ": tensor classifier.weight is missing, expected a ",
                       name_of(shape.head), " model");
}

/// A tensor that Hugging Face stores twice, or an error: the decoder of a masked language model is
/// the word embeddings here.
inline status check_same(const tensor_view& copy, const tensor_view& original) {
  const bool same = copy.type == original.type && copy.shape == original.shape &&
                    std::equal(copy.data.begin(), copy.data.end(), original.data.begin());
  if (same) return {};
  return status::error(errc::unsupported, copy.place(), " differs from ", quote_name(original.name),
                       ", expected a tied copy of it");
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
