// SPDX-License-Identifier: Apache-2.0
// The meaning of sequence classifier logits (problem_type of config.json) and their conversion to
// scores, as in Hugging Face's text-classification pipeline. Independent of sentences and label
// names.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/json.hpp"

namespace lowbit::inline LOWBIT_ISA {

enum class problem_type : std::uint8_t {
  single_label,  ///< one of several labels: softmax; sigmoid if there is only one logit
  multi_label,   ///< any number of labels: a sigmoid each
  regression,    ///< values, no probabilities
};

[[nodiscard]] constexpr std::string_view name_of(problem_type problem) {
  constexpr std::string_view names[] = {"single_label_classification", "multi_label_classification",
                                        "regression"};
  return names[static_cast<std::size_t>(problem)];
}

/// Errors: unsupported for an unknown problem_type
inline result<problem_type> parse_problem(const nlohmann::json& config, std::string_view name) {
  LOWBIT_TRY_ASSIGN(const auto text, json_string(config, "problem_type", name,
                                                 std::string(name_of(problem_type::single_label))));
  for (const auto known :
       {problem_type::single_label, problem_type::multi_label, problem_type::regression}) {
    if (text == name_of(known)) return known;
  }
  return status::error(errc::unsupported, name, ": problem_type is ", detail::quote_name(text),
                       ", expected \"single_label_classification\", "
                       "\"multi_label_classification\" or \"regression\"");
}

/// The index of the largest logit; the first one if tied. Requires: count >= 1
[[nodiscard]] inline std::size_t largest_logit(const float* logits, std::size_t count) {
  return static_cast<std::size_t>(std::max_element(logits, logits + count) - logits);
}

/// Softmax of logits, for display. Requires: count >= 1
[[nodiscard]] inline std::vector<float> probabilities(const float* logits, std::size_t count) {
  std::vector<float> p(logits, logits + count);
  const float top = *std::max_element(p.begin(), p.end());
  float sum = 0;
  for (float& value : p) sum += value = std::exp(value - top);
  for (float& value : p) value /= sum;
  return p;
}

/// A score per logit, in the same order: a probability, except for regression.
[[nodiscard]] inline std::vector<float> label_scores(problem_type problem, const float* logits,
                                                     std::size_t labels) {
  std::vector<float> scores(logits, logits + labels);
  if (problem == problem_type::regression || labels == 0) return scores;
  if (problem == problem_type::multi_label || labels == 1) {
    for (float& s : scores) {  // exp of a nonpositive value cannot overflow
      const float e = std::exp(-std::abs(s));
      s = s < 0 ? e / (1.0F + e) : 1.0F / (1.0F + e);
    }
    return scores;
  }
  return probabilities(logits, labels);
}

}  // namespace lowbit::inline LOWBIT_ISA
