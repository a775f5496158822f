// SPDX-License-Identifier: Apache-2.0
// Recorded inputs and outputs of another implementation: inputs.json (input_ids, token_type_ids,
// attention_mask as rectangular arrays) and a safetensors file of expected tensors. Masked tokens
// are dropped and the others keep their positions. Padding is kept if results depend on it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "session.hpp"

namespace lowbit_tool {

/// An unmasked token and its place in the padded arrays.
struct kept_token {
  std::size_t sentence;
  std::size_t column;
};

struct recorded_inputs {
  token_rows rows;
  std::vector<kept_token> tokens;  // (T), in the order of rows
  std::size_t sentences = 0;
  std::size_t columns = 0;  // N of the padded arrays
};

/// padded: masked tokens are kept at the end of each sentence.
lowbit::result<recorded_inputs> read_recorded_inputs(const std::string& path, bool padded);

/// The comparison of one expected tensor.
struct comparison {
  std::vector<std::size_t> shape;
  std::size_t values = 0;
  std::size_t above = 0;       // values that differ by more than the tolerance
  float largest = 0;           // difference; NaN if any difference is
  std::size_t largest_at = 0;  // its flat index
  void add(float found, float expected, std::size_t index, float tolerance);
  /// Index of the largest difference, per axis.
  [[nodiscard]] std::vector<std::size_t> place() const;
};

/// The expected tensors by name, and the comparison of each that inference computes.
class recorded_outputs {
 public:
  static lowbit::result<recorded_outputs> open(const std::string& path,
                                               const recorded_inputs& inputs,
                                               const lowbit::model_shape& shape, float tolerance);

  /// Compares one value of tensor `name` at the flat index; does nothing if the file does not have
  /// the tensor.
  void compare(const std::string& name, std::size_t index, float found);

  [[nodiscard]] const std::map<std::string, comparison>& compared() const { return compared_; }
  [[nodiscard]] const std::vector<std::string>& skipped() const { return skipped_; }

 private:
  float tolerance_ = 0;
  std::map<std::string, std::vector<float>> expected_;
  std::map<std::string, comparison> compared_;
  std::vector<std::string> skipped_;
};

}  // namespace lowbit_tool
