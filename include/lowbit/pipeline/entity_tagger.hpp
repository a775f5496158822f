// SPDX-License-Identifier: Apache-2.0
// Entities of texts, found by a token classifier with BIO labels.
#pragma once

#include "lowbit/pipeline/text_model.hpp"
#include "lowbit/text/entities.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct tagging_options {
  aggregation how = aggregation::first;
  /// Tokens shared by adjacent windows of a text longer than the model; without it such a text is
  /// truncated. A token's label comes from the window in which it has the most context.
  std::optional<std::size_t> overlap{};
};

/// Policy: of the library or any_policy. Const functions may run concurrently.
template <class Policy, class Arch = native>
class entity_tagger {
  using runner = typename runner_of<Policy, head_kind::token, Arch>::type;

 public:
  /// Errors: invalid_argument for a folder of another policy, scheme or head; all of open_model
  static result<entity_tagger> load(const model_files& folder, const open_options& options = {}) {
    LOWBIT_TRY_ASSIGN(auto parts, text_model<runner>::load(folder, head_kind::token, options));
    return entity_tagger(std::move(parts));
  }

  /// The entities of a text in order, with their bytes in it.
  /// Errors: malformed for invalid UTF-8; not_finite if the run overflows; those of split_text
  result<std::vector<entity>> tag(std::string_view text, const tagging_options& o = {}) const {
    serial here;
    LOWBIT_TRY_ASSIGN(const auto windows, parts_.windows(text, o.overlap));
    LOWBIT_TRY_ASSIGN(auto all, tag_encoded(std::span(&windows, 1), o.how, here));
    return std::move(all.front());
  }
  template <executor Executor>
  result<std::vector<std::vector<entity>>> tag_encoded(std::span<const text_windows> texts,
                                                       aggregation how, Executor& threads,
                                                       run_memory* memory = nullptr) const {
    return detail::without_exceptions(
        parts_.folder().native(), [&]() -> result<std::vector<std::vector<entity>>> {
          LOWBIT_TRY_ASSIGN(const auto logits, parts_.run_windows(texts, threads, memory));
          const std::size_t labels = parts_.shape().labels;
          std::vector<std::vector<entity>> found;
          std::size_t part = 0;  // of the text's first part, among those of all texts
          for (const text_windows& text : texts) {
            const bool split = text.parts.size() > 1;
            const auto row = [&](std::size_t t) {
              const auto at = split ? text.best_place(t) : text_windows::place{0, t};
              return probabilities(logits[part + at.part].data() + at.row * labels, labels);
            };
            found.push_back(
                find_entities(text.text, split ? text.all : text.parts[0], labels_, row, how));
            part += text.parts.size();
          }
          return found;
        });
  }

  [[nodiscard]] const text_model<runner>& parts() const { return parts_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return parts_.warnings(); }

 private:
  explicit entity_tagger(text_model<runner> parts)
      : parts_(std::move(parts)), labels_(parts_.labels()) {}

  text_model<runner> parts_;
  std::vector<std::string> labels_;
};

}  // namespace lowbit::inline LOWBIT_ISA
