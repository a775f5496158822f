// SPDX-License-Identifier: Apache-2.0
// Reads checkpoint tensors by canonical Hugging Face name: handles old names and unused parameters,
// and tracks which tensors an import has read. Every tensor is read, known to be unused, or an
// error.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "lowbit/io/canonical_model.hpp"
#include "lowbit/io/import_heads.hpp"
#include "lowbit/io/model_layout.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

inline bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view e) { return name.ends_with(e); });
}

/// Parameters that the official forward passes never read, and heads of other tasks.
inline bool unused_by_inference(std::string_view name) {
  return ends_with_any(name,
                       {".dense.scale", ".query.scale", ".key.scale",
                        ".value.scale",  // BiBERT, registered but unused
                        ".output.gate", ".weight_clip_val", ".act_clip_val", ".move_q.bias",
                        ".move_k.bias", ".move_v.bias",  // BiT, overwritten before use
                        "embeddings.position_ids", "embeddings.token_type_ids"}) ||  // buffers
         name.starts_with("cls.") ||
         name.starts_with("fit_dense");
}

/// Checks that an activation range is finite and positive.
inline status check_range(std::string_view place, float range) {
  if (range > 0.0F && std::isfinite(range)) return {};
  return status::error(errc::malformed, place, " is ", std::to_string(range),
                       ", expected a finite number above 0");
}

/// The layer index in a tensor name if the model has no such layer.
inline std::optional<std::size_t> layer_beyond(std::string_view name, const model_shape& shape) {
  const auto index = layer_of(name);
  return index && *index >= shape.layers ? index : std::nullopt;
}

/// The error for a tensor that does not belong to the model.
inline status not_part_of(const tensor_view& tensor, std::string_view name,
                          const canonical_model& model) {
  const model_shape& s = model.config.shape;
  if (const auto layer = layer_beyond(name, s)) {
    return status::error(errc::malformed, tensor.place(), " belongs to layer ", *layer,
                         ", but num_hidden_layers is ", s.layers);
  }
  return status::error(errc::unsupported, tensor.place(), " is not part of a BERT ",
                       name_of(s.head), " model under policy ", model.policy);
}

/// Reads the tensors of one checkpoint by canonical Hugging Face name and tracks which were used.
class checkpoint_reader {
 public:
  /// `files` must outlive the reader.
  /// Errors: malformed if two tensors map to the same parameter
  static result<checkpoint_reader> open(const checkpoint_tensors& files, std::string place) {
    checkpoint_reader reader(files, std::move(place));
    for (const tensor_view& t : files.tensors()) {
      const auto [at, inserted] = reader.by_name_.emplace(canonical_name(t.name), &t);
      if (!inserted) {
        return status::error(errc::malformed, t.place(), " and ", quote_name(at->second->name),
                             " are both the parameter ", quote_name(at->first), ", expected one");
      }
    }
    return reader;
  }

  [[nodiscard]] const tensor_view* find(const std::string& name) {
    const auto it = by_name_.find(name);
    if (it == by_name_.end()) return nullptr;
    used_.insert(name);
    return it->second;
  }

  /// Reads a tensor as floats; it must have exactly this shape (a scalar matches [1]) and be
  /// finite.
  result<std::vector<float>> read(const std::string& name, const std::vector<std::size_t>& shape) {
    const tensor_view* t = find(name);
    if (t == nullptr) return missing_tensor(*files_, name, place_);
    const bool scalar = shape.size() == 1 && shape[0] == 1 && t->element_count() == 1;
    if (t->shape != shape && !scalar) {
      return status::error(errc::shape_mismatch, t->place(), " has shape ", shape_text(t->shape),
                           ", expected ", shape_text(shape));
    }
    auto values = read_f32(*t);
    if (!values) return values;
    if (const status s = check_finite(t->place(), *values); !s.ok()) return s;
    return values;
  }

  /// Records unused tensors that are known in model.ignored; any other unused tensor is an error.
  status check_all_known(canonical_model& model) const {
    for (const auto& [name, tensor] : by_name_) {
      if (used_.contains(name)) continue;
      const bool bibert_clip =
          model.config.recognised == scheme::bibert &&
          ends_with_any(name, {".clip_query", ".clip_key", ".clip_value", ".clip_attn"});
      const bool pooler = model.config.shape.head != head_kind::sequence &&
                          name.starts_with(part_name(model_part::pooler).view());
      if ((!unused_by_inference(name) && !bibert_clip && !pooler) ||
          layer_beyond(name, model.config.shape)) {
        return not_part_of(*tensor, name, model);
      }
      model.ignored.push_back(tensor->name);
    }
    return {};
  }

  [[nodiscard]] const std::string& place() const { return place_; }

 private:
  checkpoint_reader(const checkpoint_tensors& files, std::string place)
      : files_(&files), place_(std::move(place)) {}

  /// Old checkpoints call layer-norm parameters gamma and beta; a bare BertModel has no "bert."
  /// prefix.
  static std::string canonical_name(std::string name) {
    if (name.ends_with("LayerNorm.gamma")) name.replace(name.size() - 5, 5, "weight");
    if (name.ends_with("LayerNorm.beta")) name.replace(name.size() - 4, 4, "bias");
    for (const char* part : {"embeddings.", "encoder.", "pooler."}) {
      if (name.starts_with(part)) return "bert." + name;
    }
    return name;
  }

  const checkpoint_tensors* files_;
  std::string place_;
  std::map<std::string, const tensor_view*> by_name_;
  std::set<std::string> used_;
};

}  // namespace detail

}  // namespace lowbit::inline LOWBIT_ISA
