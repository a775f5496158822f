// SPDX-License-Identifier: Apache-2.0
// Checks for unexpected tensors in a packed folder (docs/format.md#canonical-tensors). An engine
// ignores tensors it does not ask for, so a config.json with fewer layers or another policy would
// silently run part of the model.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "lowbit/io/canonical_model.hpp"
#include "lowbit/io/checkpoint_reader.hpp"
#include "lowbit/io/model_layout.hpp"
#include "lowbit/io/named_policy.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

class packed_tensor_check {
 public:
  explicit packed_tensor_check(const canonical_model& model) : model_(model) {
    const model_shape& s = model.config.shape;
    const auto named = find_policy(model.policy);
    const bool split = named && named->split;
    for (const linear_layout& layer : linear_layers(s))
      add_matrix(layer.name, split && layer.at != site::classifier);
    for (const norm_layout& norm : layer_norms(s)) parts_.insert(norm.name);
    add_matrix(part_text(model_part::word_embeddings), split);
    for (const table_layout& table : small_tables(s)) parts_.insert(part_text(table.part));
    for (std::size_t l = 0; l < s.stored_layers(); ++l) {
      for (const char* site : {".query.output", ".key.output", ".value.output", ".probability"})
        parts_.insert(part_text(model_part::attention, l, site));  // one even in a split model
    }
    parts_.insert(part_text(model_part::encoder_output));
    if (model.config.embedding) {
      for (std::size_t i = 0; i < model.config.embedding->modules.size(); ++i)
        if (model.config.embedding->modules[i].is_dense()) parts_.insert(dense_name(i));
    }
    parts_.insert(part_text(model_part::masked_lm));
  }

  /// Errors: malformed or unsupported naming a tensor that the model does not read
  [[nodiscard]] status run() const {
    const auto named = find_policy(model_.policy);
    std::unordered_map<std::string_view, const tensor_view*> first;  // first tensor of each matrix
    for (const tensor_view& t : model_.files().tensors()) {
      const std::string_view name = t.name;
      const auto [part, rest] = split(name);
      if (part.empty()) return not_part_of(t, name, model_);
      if (!named) continue;  // a caller's policy: its codecs define their own tensors
      if (!is_known(rest) || (!rest.starts_with("weight") && !reads(*named, part, rest)))
        return not_part_of(t, name, model_);
      if (rest.starts_with("weight")) LOWBIT_TRY(check_weight(t, part, rest, first));
    }
    return {};
  }

 private:
  /// A split model has two matrices instead of one.
  void add_matrix(const std::string& name, bool split) {
    if (split) {
      parts_.insert({name + "_1", name + "_2"});
    } else {
      parts_.insert(name);
    }
  }

  struct name_parts {
    std::string_view part, rest;
  };
  /// Splits "NAME.input.scale" into NAME and input.scale; empty if NAME is not a part of the model.
  [[nodiscard]] name_parts split(std::string_view name) const {
    for (std::size_t dot = name.rfind('.'); dot != std::string_view::npos && dot > 0;
         dot = name.rfind('.', dot - 1)) {
      const std::string_view part = name.substr(0, dot);
      if (parts_.contains(std::string(part))) return {part, name.substr(dot + 1)};
    }
    return {};
  }

  [[nodiscard]] static bool is_known(std::string_view rest) {
    constexpr std::string_view known[] = {"weight",
                                          "weight.format",
                                          "weight.codes",
                                          "weight.scale",
                                          "weight.offsets",
                                          "weight.outliers.index",
                                          "weight.outliers.value",
                                          "weight.mask",
                                          "weight.values",
                                          "weight.centroids",
                                          "bias",
                                          "input.scale",
                                          "input.shift",
                                          "input.clip",
                                          "scale",
                                          "clip"};
    return std::find(std::begin(known), std::end(known), rest) != std::end(known);
  }

  /// True if a policy reads this bias or activation encoding.
  [[nodiscard]] static bool reads(const named_policy& p, std::string_view part,
                                  std::string_view rest) {
    if (rest == "bias") return true;
    if (p.integer) return rest == "input.scale" || (rest == "scale" && part.ends_with(".output"));
    if (p.ranges) return rest == "input.scale";
    if (p.padded) return rest != "input.shift";
    return p.own_training && !rest.ends_with("clip");
  }

  /// Checks that all tensors of a matrix belong to one encoding; two would be two matrices.
  [[nodiscard]] static status check_weight(
      const tensor_view& t, std::string_view part, std::string_view rest,
      std::unordered_map<std::string_view, const tensor_view*>& first) {
    if (rest == "weight.format") return {};
    const auto [at, inserted] = first.emplace(part, &t);
    const std::string_view other = std::string_view(at->second->name).substr(part.size() + 1);
    const bool scaled = rest == "weight.scale" && other != "weight";
    if (inserted || scaled || kind(rest) == kind(other)) return {};
    return status::error(errc::malformed, t.place(), " and ", quote_name(at->second->name),
                         " are both the matrix ", quote_name(part), ", expected one");
  }
  [[nodiscard]] static int kind(std::string_view rest) {
    if (rest == "weight") return 0;
    return rest == "weight.mask" || rest == "weight.offsets" || rest == "weight.values" ? 1 : 2;
  }

  const canonical_model& model_;
  std::unordered_set<std::string> parts_;  // names of layers, norms and tables
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
