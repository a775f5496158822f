// SPDX-License-Identifier: Apache-2.0
// Reads checkpoint tensors of any family (io/families.hpp) by canonical name and tracks which of
// them an import has read. Every tensor is read, known to be unused, or an error.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lowbit/io/canonical_model.hpp"
#include "lowbit/io/import_heads.hpp"
#include "lowbit/io/model_layout.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Buffers, heads of other tasks, and what the family's row lists. The pooler is read by no other
/// head than a sequence head.
inline bool unused_by_inference(const model_config& config, std::string_view name) {
  constexpr unused_tensors of_any_family[] = {
      {"", "embeddings.position_ids"}, {"", "embeddings.token_type_ids"}, {"cls."}};
  const auto matches = [&](const unused_tensors& u) {
    return u.match(name) && (!u.only || *u.only == config.recognised);
  };
  const auto& unused = config.family->unused;
  return std::any_of(std::begin(of_any_family), std::end(of_any_family), matches) ||
         std::any_of(unused.begin(), unused.end(), matches) ||
         (config.shape.head != head_kind::sequence &&
          name.starts_with(part_name(model_part::pooler).view()));
}

/// The name of the word embeddings after the family's prefix.
inline std::string_view words_in_files(const model_family& family) {
  for (const part_alias& a : family.aliases) {
    if (a.part == model_part::word_embeddings) return a.found;
  }
  return "embeddings.word_embeddings";
}

/// What wraps a whole model in a checkpoint: DataParallel's module., torch.compile's _orig_mod.,
/// sentence-transformers' 0.auto_model., or the family's own prefix twice. Empty if nothing does,
/// or something else.
inline std::string_view wrapper_of(const checkpoint_tensors& files, const model_family& family) {
  const std::string_view known[] = {"module.", "_orig_mod.", "0.auto_model.", "auto_model.",
                                    "model."};
  for (const tensor_view& t : files.tensors()) {
    std::string_view name = t.name;
    const std::string_view table = words_in_files(family);
    const std::size_t words = name.find(table);
    if (words == std::string_view::npos) continue;
    std::string_view prefix = name.substr(0, words);
    if (prefix.ends_with(family.prefix)) prefix.remove_suffix(family.prefix.size());
    std::string_view rest = prefix;
    while (!rest.empty()) {
      const std::string_view* found =
          std::find_if(std::begin(known), std::end(known),
                       [&](std::string_view w) { return rest.starts_with(w); });
      if (found != std::end(known)) {
        rest.remove_prefix(found->size());
      } else if (rest.starts_with(family.prefix)) {
        rest.remove_prefix(family.prefix.size());
      } else {
        return {};
      }
    }
    return prefix;
  }
  return {};
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
  return status::error(errc::unsupported, tensor.place(), " is not part of a ",
                       model.config.family->model_type, " ", name_of(s.head),
                       " model under policy ", model.policy);
}

/// Reads the tensors of one checkpoint by canonical name and tracks which were used.
class checkpoint_reader {
 public:
  /// `files` must outlive the reader.
  /// Errors: malformed if two tensors map to the same parameter; shape_mismatch for one that does
  /// not divide into those whose rows it has
  static result<checkpoint_reader> open(const checkpoint_tensors& files, const model_family& family,
                                        std::string place) {
    checkpoint_reader reader(files, family, std::move(place));
    const std::string_view wrapper = wrapper_of(files, family);
    for (const tensor_view& t : files.tensors()) {
      std::string name = t.name;
      if (name.starts_with(wrapper)) name.erase(0, wrapper.size());
      name = canonical_name(family, std::move(name));
      const auto fused = find_fused(family, name);
      if (!fused) {
        LOWBIT_TRY(reader.add(std::move(name), t));
        continue;
      }
      const std::size_t parts = fused->of->parts.size();
      if (t.shape.empty() || t.shape[0] % parts != 0) {
        return status::error(errc::shape_mismatch, t.place(), " has shape ", shape_text(t.shape),
                             ", expected a multiple of ", parts, " rows");
      }
      for (std::size_t i = 0; i < parts; ++i)
        LOWBIT_TRY(reader.add(fused->part(i), reader.rows_of(t, i, parts)));
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
    if (t == nullptr) return missing_tensor(*files_, *family_, name, place_);
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
      if (!unused_by_inference(model.config, name) || layer_beyond(name, model.config.shape)) {
        return not_part_of(*tensor, name, model);
      }
      model.ignored.push_back(tensor->name);
    }
    return {};
  }

  [[nodiscard]] const std::string& place() const { return place_; }
  [[nodiscard]] const named_tensors& tensors() const { return by_name_; }

 private:
  checkpoint_reader(const checkpoint_tensors& files, const model_family& family, std::string place)
      : files_(&files), family_(&family), place_(std::move(place)) {}

  status add(std::string name, const tensor_view& t) {
    const auto [at, inserted] = by_name_.emplace(std::move(name), &t);
    if (inserted) return {};
    return status::error(errc::malformed, t.place(), " and ", quote_name(at->second->name),
                         " are both the parameter ", quote_name(at->first), ", expected one");
  }
  /// Part i of `parts` of the rows of t, as a tensor.
  const tensor_view& rows_of(const tensor_view& t, std::size_t i, std::size_t parts) {
    auto part = std::make_unique<tensor_view>(t);
    part->shape[0] /= parts;
    part->data = t.data.subspan(i * (t.data.size() / parts), t.data.size() / parts);
    const std::size_t first = i * part->shape[0];
    part->name += '[' + std::to_string(first) + ':' + std::to_string(first + part->shape[0]) + ']';
    slices_.push_back(std::move(part));
    return *slices_.back();
  }

  const checkpoint_tensors* files_;
  const model_family* family_;
  std::vector<std::unique_ptr<tensor_view>> slices_;
  std::string place_;
  named_tensors by_name_;
  std::set<std::string> used_;
};

}  // namespace detail

}  // namespace lowbit::inline LOWBIT_ISA
