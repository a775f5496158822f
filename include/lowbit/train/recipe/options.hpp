// SPDX-License-Identifier: Apache-2.0
// What every recipe is told; each adds its own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "lowbit/io/labelled_text.hpp"
#include "lowbit/train/loop/fit_job.hpp"
#include "lowbit/train/loop/workers.hpp"

namespace lowbit::train {

/// What all recipes are told.
struct recipe_options {
  std::filesystem::path data, out;
  std::filesystem::path teacher;  ///< of recipes that have one
  std::filesystem::path student;  ///< the first weights of what is trained; empty: the recipe's own
  std::filesystem::path packed;   ///< the runtime's folder, which the program writes afterwards
  labelling asked = labelling::sentences;
  std::size_t max_length = 0;  ///< tokens of a sentence; 0: the number of positions
  bool test = false;           ///< read the test split, once, with the final parameters
  bool replace = false;        ///< replace an existing output folder
  fit_options fit;
  std::shared_ptr<const workers> group = std::make_shared<workers>();
};

}  // namespace lowbit::train
