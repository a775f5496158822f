// SPDX-License-Identifier: Apache-2.0
// TinyBERT's intermediate-layer terms as a training job: the general stage, and the first stage of
// a task.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "lowbit/train/loss/tinybert.hpp"
#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train::detail {

/// The inputs of TinyBERT's losses for one run.
struct layer_matcher {
  bert &teacher, &student;
  layer_map map;
  width_map fit;
  tinybert_terms terms;

  /// The sum of the intermediate-layer terms for a batch; each is recorded in the history.
  [[nodiscard]] Tensor operator()(const batch& in, const forward_options& forward,
                                  const step_info& info) const {
    const trace target = teach(teacher, in, {.type = forward.type});
    const trace found = student.forward(in, forward);
    Tensor sum = at::zeros({}, found.hidden[0].options());
    const auto add = [&](const char* name, const Tensor& term) {
      info.measure(name, term.item<double>());
      sum = sum + term;
    };
    if (terms.attention) add("attention", attention_matching(found, target, map));
    if (terms.hidden) add("hidden", layer_matching(found, target, map, fit));
    if (terms.embedding) add("embedding", embedding_matching(found, target, map, fit));
    return sum;
  }

  /// The training job that minimizes them.
  [[nodiscard]] fit_job job(const forward_options& forward) const {
    fit_job out;
    for (const auto& parameters : {student.parameters(), fit.parameters()}) {
      for (trained_parameter& p : trained(parameters)) out.parameters.push_back(std::move(p));
    }
    out.unit = loss_unit::sentence;
    out.loss = [this, forward](const batch& in, const step_info& info) {
      return (*this)(in, forward, info);
    };
    return out;
  }
};

/// Loads the width map that a general stage stored in the student's folder; without one it stays
/// random.
inline status load_width_map(const std::filesystem::path& folder, const width_map& fit) {
  if (folder.empty()) return {};
  LOWBIT_TRY_ASSIGN(const auto tensors, checkpoint_tensors::open(folder));
  for (const auto& [name, tensor] : fit.parameters()) {
    const tensor_view* found = tensors.find(name);
    if (found == nullptr) return {};
    LOWBIT_TRY(copy_into(*found, tensor));
  }
  return {};
}

}  // namespace lowbit::train::detail
