// SPDX-License-Identifier: Apache-2.0
// Scores one model on labelled data: its head determines how the file is read and which metrics
// apply.
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
  std::string metric;          // empty: the default for the task
  std::string pooling;         // mean or cls: similarity of pairs, whatever the model's head
  std::string output = "f32";  // codes of embeddings to compare: f32, int8 or binary
  std::string svg;
  bool truncate = false;
};

struct evaluation {
  std::string model;  // folder
  std::string policy;
  std::size_t bytes = 0;  // canonical tensors, as in a packed folder
  double seconds = 0;     // per sentence or pair
  std::size_t examples = 0;
  std::size_t right = 0;                               // correct predictions, where defined
  std::vector<std::pair<std::string, double>> scores;  // the default for the task first
  double score = 0;                                    // the requested one
  std::string metric;                                  // its name

  /// Sets score and metric. Errors: invalid_argument that lists the available metrics
  lowbit::status choose(const std::string& wanted);
};

/// Sentences per batch.
inline constexpr std::size_t eval_batch = 32;

/// Errors: those of the model and of the data file (with the line); unsupported for a head that no
/// supported file format has labels for
lowbit::result<evaluation> evaluate(const std::string& model, const eval_options& options);

}  // namespace lowbit_tool
