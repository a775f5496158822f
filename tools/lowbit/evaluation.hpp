// SPDX-License-Identifier: Apache-2.0
// One model on labelled data: what its head is decides how the file is read and which scores there
// are.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {

struct eval_options : model_options {
  std::vector<std::string> models;
  std::string data;
  std::string split = "test";
  std::string metric;   // empty: the task's usual one
  std::string pooling;  // mean or cls: similarity of pairs, whatever the model's head
  std::string svg;
  bool truncate = false;
};

struct evaluation {
  std::string model;  // folder
  std::string policy;
  std::size_t bytes = 0;  // canonical tensors: what a packed folder holds
  double seconds = 0;     // per sentence or pair
  std::size_t examples = 0;
  std::size_t right = 0;                               // of those, where there is a right
  std::vector<std::pair<std::string, double>> scores;  // the task's usual one first
  double score = 0;                                    // the one that was asked for
  std::string metric;                                  // its name

  /// Sets score and metric. Errors: invalid_argument that lists the scores there are
  lowbit::status choose(const std::string& wanted);
};

/// Sentences that are run at once.
inline constexpr std::size_t eval_batch = 32;

/// Errors: those of the model, of the data file (with its line), and unsupported for a head whose
/// answers no file here holds
lowbit::result<evaluation> evaluate(const std::string& model, const eval_options& options);

}  // namespace lowbit_tool
