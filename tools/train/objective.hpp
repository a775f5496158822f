// SPDX-License-Identifier: Apache-2.0
// Options of recipes that train on labels and, if given, on a teacher.
#pragma once

#include "lowbit/train/recipe/supervision.hpp"
#include "options.hpp"

namespace lowbit_train {

inline void add_objective_options(CLI::App& verb, train::recipe_options& o,
                                  train::soft_target_options& objective) {
  auto* teacher =
      verb.add_option("--teacher", o.teacher, "folder of a teacher model to distill from as well");
  verb.add_option("--hard-weight", objective.hard_weight,
                  "weight of the cross-entropy with the labels")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb.add_option("--soft-weight", objective.soft_weight,
                  "weight of the divergence from the teacher")
      ->needs(teacher)
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb.add_option("--temperature", objective.temperature,
                  "temperature of the divergence from the teacher")
      ->needs(teacher)
      ->check(lowbit_tool::positive())
      ->capture_default_str();
}

}  // namespace lowbit_train
