// SPDX-License-Identifier: Apache-2.0
// Options common to all recipes; each recipe derives its own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "lowbit/io/labelled_text.hpp"
#include "lowbit/train/loop/fit_job.hpp"
#include "lowbit/train/loop/workers.hpp"

namespace lowbit::train {

struct recipe_options {
  std::filesystem::path data, out;
  std::filesystem::path teacher;  ///< empty in recipes without one
  std::filesystem::path student;  ///< initial weights; empty: up to the recipe
  std::filesystem::path packed;   ///< packed runtime folder, written at the end by the program
  labelling asked = labelling::sentences;
  std::size_t max_length = 0;  ///< maximum sentence length in tokens; 0: the number of positions
  bool test = false;           ///< evaluate the final parameters on the test split, once
  bool replace = false;        ///< replace an existing output folder
  fit_options fit;
  std::shared_ptr<const workers> group = std::make_shared<workers>();
};

}  // namespace lowbit::train
