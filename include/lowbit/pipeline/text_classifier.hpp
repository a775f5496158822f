// SPDX-License-Identifier: Apache-2.0
// From texts to labels. Its parts (open_model, the tokenizer, classifier) can also be used
// directly, as an embedded build does.
#pragma once

#include "lowbit/pipeline/text_model.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct prediction {
  std::string label;          // label of the largest logit
  float probability = 0;      // of the label; for regression, the value itself
  std::vector<float> logits;  // (labels)
  std::vector<float> scores;  // (labels) probabilities, see label_scores
};

/// Policy: of the library or any_policy. Const functions may run concurrently.
template <class Policy, class Arch = native>
class text_classifier {
  using runner = typename runner_of<Policy, head_kind::sequence, Arch>::type;

 public:
  /// Opens a Hugging Face or packed folder.
  /// Errors: invalid_argument for a folder of another policy, scheme or head; all of open_model
  static result<text_classifier> load(const model_files& folder, const open_options& options = {}) {
    LOWBIT_TRY_ASSIGN(auto model, text_model<runner>::load(folder, head_kind::sequence, options));
    return text_classifier(std::move(model));
  }

  /// The most probable label of each text, in order. Texts longer than the model's limit are
  /// truncated.
  /// Errors: malformed for invalid UTF-8; not_finite if the run overflows
  result<std::vector<prediction>> classify(std::span<const std::string> texts) const {
    serial here;
    return classify(texts, here);
  }
  template <executor Executor>
  result<std::vector<prediction>> classify(std::span<const std::string> texts, Executor& threads,
                                           run_memory* memory = nullptr) const {
    LOWBIT_TRY_ASSIGN(const auto encoded, parts_.encode_all(texts, threads));
    return classify_encoded(encoded, threads, memory);
  }
  result<prediction> classify(const std::string& text) const {
    LOWBIT_TRY_ASSIGN(auto all, classify(std::span(&text, 1)));
    return std::move(all.front());
  }
  /// Classifies a pair of texts, such as a premise and a hypothesis.
  result<prediction> classify_pair(std::string_view first, std::string_view second) const {
    LOWBIT_TRY_ASSIGN(auto e, parts_.encode_pair(first, second));
    serial here;
    LOWBIT_TRY_ASSIGN(auto all, classify_encoded(std::span<const encoding>(&e, 1), here));
    return std::move(all.front());
  }
  template <executor Executor>
  result<std::vector<prediction>> classify_encoded(std::span<const encoding> texts,
                                                   Executor& threads,
                                                   run_memory* memory = nullptr) const {
    return detail::without_exceptions(
        parts_.folder().native(), [&]() -> result<std::vector<prediction>> {
          LOWBIT_TRY_ASSIGN(const auto logits, parts_.run(texts, threads, memory));
          std::vector<prediction> out;
          for (std::size_t s = 0; s < texts.size(); ++s)
            out.push_back(best(logits.data() + s * shape().labels));
          return out;
        });
  }

  /// A text of several parts has the mean of their logits.
  template <executor Executor>
  result<std::vector<prediction>> classify_windows(std::span<const text_windows> texts,
                                                   Executor& threads,
                                                   run_memory* memory = nullptr) const {
    return detail::without_exceptions(
        parts_.folder().native(), [&]() -> result<std::vector<prediction>> {
          LOWBIT_TRY_ASSIGN(const auto logits, parts_.run_windows(texts, threads, memory));
          std::vector<prediction> out;
          std::size_t part = 0;
          for (const text_windows& text : texts) {
            std::vector<float> mean = logits[part];
            for (std::size_t p = 1; p < text.parts.size(); ++p) {
              for (std::size_t c = 0; c < mean.size(); ++c) mean[c] += logits[part + p][c];
            }
            if (text.parts.size() > 1) {
              for (float& value : mean) value /= static_cast<float>(text.parts.size());
            }
            part += text.parts.size();
            out.push_back(best(mean.data()));
          }
          return out;
        });
  }

  [[nodiscard]] const text_model<runner>& parts() const { return parts_; }
  [[nodiscard]] const model_shape& shape() const { return parts_.shape(); }
  [[nodiscard]] const model_config& config() const { return parts_.config(); }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return parts_.warnings(); }
  [[nodiscard]] const lowbit::tokenizer& tokenizer() const { return parts_.tokenizer(); }

  /// Writes a packed folder that load() can open, atomically.
  status save(const std::filesystem::path& target, existing overwrite = existing::refuse) const {
    return save_packed(parts_.model(), target, parts_.folder(), overwrite);
  }

 private:
  explicit text_classifier(text_model<runner> parts) : parts_(std::move(parts)) {}

  [[nodiscard]] prediction best(const float* logits) const {
    const std::size_t labels = shape().labels;
    const std::size_t top = largest_logit(logits, labels);
    std::vector<float> scores = label_scores(config().problem, logits, labels);
    return {config().label(top), scores[top], {logits, logits + labels}, std::move(scores)};
  }

  text_model<runner> parts_;
};

/// load<policy::bibert>(folder)
template <class Policy, class Arch = native>
result<text_classifier<Policy, Arch>> load(const model_files& folder) {
  return text_classifier<Policy, Arch>::load(folder);
}

}  // namespace lowbit::inline LOWBIT_ISA
