// SPDX-License-Identifier: Apache-2.0
// Scores of passages for a query, by a cross-encoder: a classifier of pairs with one logit.
#pragma once

#include "lowbit/pipeline/text_model.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct ranked_passage {
  std::size_t index = 0;  // among the passages given
  float score = 0;        // sigmoid of the logit; for regression, the logit itself
  float logit = 0;
};

/// Policy: of the library or any_policy. Const functions may run concurrently.
template <class Policy, class Arch = native>
class reranker {
  using runner = typename runner_of<Policy, head_kind::sequence, Arch>::type;

 public:
  /// Errors: unsupported for more than one label; invalid_argument for a folder of another policy,
  ///         scheme or head; all of open_model
  static result<reranker> load(const model_files& folder, const open_options& options = {}) {
    LOWBIT_TRY_ASSIGN(auto parts, text_model<runner>::load(folder, head_kind::sequence, options));
    if (parts.shape().labels != 1) {
      return status::error(errc::unsupported, folder.native(), ": the model has ",
                           parts.shape().labels, " labels, expected 1: the score of a pair");
    }
    return reranker(std::move(parts));
  }

  /// The passages, best first; equal ones in their order. Longer pairs are truncated.
  /// Errors: malformed for invalid UTF-8; not_finite if the run overflows
  result<std::vector<ranked_passage>> rank(std::string_view query,
                                           std::span<const std::string> passages) const {
    serial here;
    return rank(query, passages, here);
  }
  template <executor Executor>
  result<std::vector<ranked_passage>> rank(std::string_view query,
                                           std::span<const std::string> passages, Executor& threads,
                                           run_memory* memory = nullptr) const {
    return detail::without_exceptions(
        parts_.folder().native(), [&]() -> result<std::vector<ranked_passage>> {
          run_memory own;
          if (memory == nullptr) memory = &own;
          std::vector<ranked_passage> ranked;
          std::vector<encoding> pairs;
          for (std::size_t i = 0; i < passages.size(); ++i) {
            LOWBIT_TRY_ASSIGN(auto e, parts_.encode_pair(query, passages[i]));
            pairs.push_back(std::move(e));
            if (pairs.size() < parts_.batch() && i + 1 < passages.size()) continue;
            LOWBIT_TRY_ASSIGN(const auto logits, parts_.run(pairs, threads, memory));
            for (const float logit : logits) {
              const float score = label_scores(parts_.config().problem, &logit, 1)[0];
              ranked.push_back({ranked.size(), score, logit});
            }
            pairs.clear();
          }
          std::stable_sort(ranked.begin(), ranked.end(),
                           [](const auto& a, const auto& b) { return a.logit > b.logit; });
          return ranked;
        });
  }

  [[nodiscard]] const text_model<runner>& parts() const { return parts_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return parts_.warnings(); }

 private:
  explicit reranker(text_model<runner> parts) : parts_(std::move(parts)) {}

  text_model<runner> parts_;
};

}  // namespace lowbit::inline LOWBIT_ISA
