// SPDX-License-Identifier: Apache-2.0
// Options of recipes that learn from labels and, when one is given, from a teacher.
#pragma once

#include "lowbit/train/recipe/supervision.hpp"
#include "options.hpp"

namespace lowbit_train {

inline void add_objective_options(CLI::App& verb, train::recipe_options& o,
                                  train::soft_target_options& objective) {
  auto* teacher =
      verb.add_option("--teacher", o.teacher, "folder of a model whose logits are learnt, too");
  verb.add_option("--hard-weight", objective.hard_weight, "of the cross entropy with the labels")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb.add_option("--soft-weight", objective.soft_weight, "of the divergence from the teacher")
      ->needs(teacher)
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb.add_option("--temperature", objective.temperature, "of the teacher's divergence")
      ->needs(teacher)
      ->check(lowbit_tool::positive())
      ->capture_default_str();
}

}  // namespace lowbit_train
