// SPDX-License-Identifier: Apache-2.0
// Answers to questions, as parts of a text. A text longer than the model is read in overlapping
// windows.
#pragma once

#include <cmath>

#include "lowbit/pipeline/text_model.hpp"
#include "lowbit/text/spans.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct answering_options {
  std::size_t max_tokens = 384;  ///< of a window, with the question
  std::size_t overlap = 0;       ///< context tokens; 0: 128, at most a third of a window
  std::size_t longest = 30;      ///< tokens of an answer
};

struct text_answer {
  text_span at;           // bytes of the context, whole words
  float score = 0;        // start logit + end logit
  float probability = 0;  // among the best answers and no answer
};

struct text_answers {
  std::vector<text_answer> best;  // best first, each span once, at most 20
  float null_score = 0;           // of no answer: the minimum over all windows
  float null_probability = 0;
  std::size_t windows = 0;
};

/// Policy: of the library or any_policy. Const functions may run concurrently.
template <class Policy, class Arch = native>
class question_answerer {
  using runner = typename runner_of<Policy, head_kind::span, Arch>::type;

 public:
  /// Errors: invalid_argument for a folder of another policy, scheme or head; all of open_model
  static result<question_answerer> load(const model_files& folder,
                                        const open_options& options = {}) {
    LOWBIT_TRY_ASSIGN(auto parts, text_model<runner>::load(folder, head_kind::span, options));
    return question_answerer(std::move(parts));
  }

  /// Errors: those of answer_windows; not_finite if the run overflows
  result<text_answers> answer(std::string_view question, std::string_view context,
                              const answering_options& o = {}) const {
    serial here;
    return answer(question, context, o, here);
  }
  template <executor Executor>
  result<text_answers> answer(std::string_view question, std::string_view context,
                              const answering_options& o, Executor& threads,
                              run_memory* memory = nullptr) const {
    return detail::without_exceptions(parts_.folder().native(), [&]() -> result<text_answers> {
      const std::size_t tokens = std::min(o.max_tokens, parts_.shape().positions);
      const std::size_t overlap =
          o.overlap != 0 ? o.overlap : std::min<std::size_t>(128, tokens / 3);
      LOWBIT_TRY_ASSIGN(const auto windows,
                        answer_windows(parts_.tokenizer(), question, context, tokens, overlap));
      text_answers found;
      found.windows = windows.size();
      run_memory own;
      for (const answer_window& w : windows) {
        LOWBIT_TRY_ASSIGN(const auto logits, parts_.run(std::span(&w.tokens, 1), threads,
                                                        memory == nullptr ? &own : memory));
        const float null = null_score(logits);
        found.null_score = &w == &windows.front() ? null : std::min(found.null_score, null);
        for (const answer_span& a : best_answers(w, logits, kept, o.longest)) add(found.best, a);
      }
      std::stable_sort(found.best.begin(), found.best.end(),
                       [](const auto& a, const auto& b) { return a.score > b.score; });
      if (found.best.size() > kept) found.best.resize(kept);
      find_probabilities(found);
      return found;
    });
  }

  [[nodiscard]] const text_model<runner>& parts() const { return parts_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return parts_.warnings(); }

 private:
  static constexpr std::size_t kept = 20;  // answers that share the probability

  explicit question_answerer(text_model<runner> parts) : parts_(std::move(parts)) {}

  static void add(std::vector<text_answer>& best, const answer_span& a) {
    const auto same =
        std::find_if(best.begin(), best.end(), [&](const text_answer& b) { return b.at == a.at; });
    if (same == best.end()) {
      best.push_back({a.at, a.score, 0});
    } else {
      same->score = std::max(same->score, a.score);
    }
  }

  /// Softmax over the answers and no answer.
  static void find_probabilities(text_answers& found) {
    const float top =
        found.best.empty() ? found.null_score : std::max(found.null_score, found.best[0].score);
    const float null = std::exp(found.null_score - top);
    float sum = null;
    for (const text_answer& a : found.best) sum += std::exp(a.score - top);
    for (text_answer& a : found.best) a.probability = std::exp(a.score - top) / sum;
    found.null_probability = null / sum;
  }

  text_model<runner> parts_;
};

}  // namespace lowbit::inline LOWBIT_ISA
