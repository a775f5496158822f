// SPDX-License-Identifier: Apache-2.0
// Checks that a model and its tokenizer meet a caller's requirements, shared by the library's
// classes and programs.
#pragma once

#include <string>

#include "lowbit/core/status.hpp"
#include "lowbit/io/config.hpp"
#include "lowbit/text/tokenizer.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Errors: invalid_argument if the model has another head
[[nodiscard]] inline status check_head(const model_config& config, head_kind wanted) {
  if (config.shape.head == wanted && !config.multiple_choice) return {};
  return status::error(errc::invalid_argument, "this is a ", config.kind(), " model, expected a ",
                       name_of(wanted), " model");
}

/// Errors: shape_mismatch for a tokenizer with more ids than the model's table
[[nodiscard]] inline status check_vocabulary(const lowbit::tokenizer& tokenizer,
                                             const model_config& config) {
  if (tokenizer.vocabulary_size() > config.shape.vocabulary) {
    return status::error(errc::shape_mismatch, "the tokenizer has ", tokenizer.vocabulary_size(),
                         " tokens, the model's word table ", config.shape.vocabulary);
  }
  return {};
}

/// Errors: unsupported for a classifier that does not assign a single label
[[nodiscard]] inline status check_one_label(const model_config& config) {
  if (config.problem == problem_type::single_label) return {};
  return status::error(errc::unsupported, "problem_type is ", name_of(config.problem), " with ",
                       config.shape.labels, " labels, expected one label for each text");
}

}  // namespace lowbit::inline LOWBIT_ISA
