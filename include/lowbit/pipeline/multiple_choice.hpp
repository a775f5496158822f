// SPDX-License-Identifier: Apache-2.0
// The best of several answers to a question: BertForMultipleChoice.
#pragma once

#include "lowbit/pipeline/text_model.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct chosen_answer {
  std::size_t best = 0;
  std::vector<float> probabilities;  // (choices)
  std::vector<float> logits;         // (choices)
};

/// Policy: of the library or any_policy. Const functions may run concurrently.
template <class Policy, class Arch = native>
class multiple_choice {
  using runner = typename runner_of<Policy, head_kind::sequence, Arch>::type;

 public:
  /// Errors: invalid_argument for a folder of another policy, scheme or kind; all of open_model
  static result<multiple_choice> load(const model_files& folder, const open_options& options = {}) {
    LOWBIT_TRY_ASSIGN(auto parts, text_model<runner>::load(folder, head_kind::sequence, options,
                                                           /*chooses=*/true));
    return multiple_choice(std::move(parts));
  }

  /// Softmax over the scores of the pairs (question, choice). Longer pairs are truncated.
  /// Errors: invalid_argument without a choice; malformed for invalid UTF-8; not_finite if the run
  ///         overflows
  result<chosen_answer> choose(std::string_view question,
                               std::span<const std::string> choices) const {
    serial here;
    return choose(question, choices, here);
  }
  template <executor Executor>
  result<chosen_answer> choose(std::string_view question, std::span<const std::string> choices,
                               Executor& threads, run_memory* memory = nullptr) const {
    return detail::without_exceptions(parts_.folder().native(), [&]() -> result<chosen_answer> {
      if (choices.empty()) return status::error(errc::invalid_argument, "no choice");
      std::vector<encoding> pairs;
      for (const std::string& choice : choices) {
        LOWBIT_TRY_ASSIGN(auto e, parts_.encode_pair(question, choice));
        pairs.push_back(std::move(e));
      }
      LOWBIT_TRY_ASSIGN(auto logits, parts_.run(pairs, threads, memory));
      chosen_answer out;
      out.best = largest_logit(logits.data(), logits.size());
      out.probabilities = probabilities(logits.data(), logits.size());
      out.logits = std::move(logits);
      return out;
    });
  }

  [[nodiscard]] const text_model<runner>& parts() const { return parts_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return parts_.warnings(); }

 private:
  explicit multiple_choice(text_model<runner> parts) : parts_(std::move(parts)) {}

  text_model<runner> parts_;
};

}  // namespace lowbit::inline LOWBIT_ISA
