// SPDX-License-Identifier: Apache-2.0
// From sentences to labels: a model folder, its tokenizer and their memory, for applications that
// have a heap. Its parts (open_model, tokenizer, classifier) can also be used directly,
// as an embedded build does.
#pragma once

#include "lowbit/io/model_checks.hpp"
#include "lowbit/io/model_folder.hpp"
#include "lowbit/io/token_rows.hpp"
#include "lowbit/model/classifier.hpp"
#include "lowbit/text/tokenizer.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct prediction {
  std::string label;          // label of the largest logit
  float probability = 0;      // of the label; for regression, the value itself
  std::vector<float> logits;  // (labels)
  std::vector<float> scores;  // (labels) probabilities, see label_scores
};

template <class Policy, class Arch = native>
class text_classifier {
 public:
  /// Opens a Hugging Face or packed folder under Policy.
  /// Errors: invalid_argument for a folder of another policy or scheme; all of open_model
  static result<text_classifier> load(const std::filesystem::path& folder) {
    return detail::without_exceptions(folder.native(), [&]() -> result<text_classifier> {
      LOWBIT_TRY_ASSIGN(auto config, load_config(folder));
      const activation_function found = config.shape.hidden_act;
      if (!computes_activation<typename Policy::hidden_act>(found)) {
        return status::error(errc::invalid_argument, folder.native(), ": hidden_act is ",
                             name_of(found), ", policy ", Policy::name, " has ",
                             Policy::hidden_act::name);
      }
      LOWBIT_TRY_ASSIGN(auto model, open_as(folder, std::move(config)));
      LOWBIT_TRY(check_head(model.config, head_kind::sequence).in(folder.native()));
      LOWBIT_TRY_ASSIGN(auto tokenizer, lowbit::tokenizer::load(folder));
      LOWBIT_TRY(check_vocabulary(tokenizer, model.config).in(folder.native()));
      text_classifier out(std::move(model), std::move(tokenizer), folder);
      LOWBIT_TRY(out.pack().in(folder.native()));
      return out;
    });
  }

  /// The most probable label of each text, in order. Texts longer than the model's limit are
  /// truncated.
  /// Errors: malformed for invalid UTF-8; not_finite if the run overflows
  result<std::vector<prediction>> classify(std::span<const std::string> texts) const {
    serial here;
    return classify(texts, here);
  }
  template <executor Executor>
  result<std::vector<prediction>> classify(std::span<const std::string> texts,
                                           Executor& executor) const {
    std::vector<encoding> encoded;
    for (const std::string& text : texts) {
      LOWBIT_TRY_ASSIGN(auto e, tokenizer_.encode(text, model_.config.shape.positions));
      encoded.push_back(std::move(e));
    }
    return classify_encoded(encoded, executor);
  }
  result<prediction> classify(const std::string& text) const {
    LOWBIT_TRY_ASSIGN(auto all, classify(std::span(&text, 1)));
    return std::move(all.front());
  }
  /// Classifies a pair of texts, such as a premise and a hypothesis.
  result<prediction> classify_pair(std::string_view first, std::string_view second) const {
    LOWBIT_TRY_ASSIGN(auto e, tokenizer_.encode_pair(first, second, model_.config.shape.positions));
    serial here;
    LOWBIT_TRY_ASSIGN(auto all, classify_encoded(std::span<const encoding>(&e, 1), here));
    return std::move(all.front());
  }

  [[nodiscard]] const model_shape& shape() const { return encoder_.shape(); }
  [[nodiscard]] const model_config& config() const { return model_.config; }
  /// Warnings about the folder, one sentence each.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return model_.warnings; }
  [[nodiscard]] const lowbit::tokenizer& tokenizer() const { return tokenizer_; }

  /// Writes a packed folder that load<Policy> can open, atomically.
  status save(const std::filesystem::path& target, existing overwrite = existing::refuse) const {
    return save_packed(model_, target, folder_, overwrite);
  }

 private:
  text_classifier(canonical_model model, lowbit::tokenizer tokenizer,
                  std::filesystem::path folder)
      : model_(std::move(model)), tokenizer_(std::move(tokenizer)), folder_(std::move(folder)) {}

  static result<canonical_model> open_as(const std::filesystem::path& folder, model_config config) {
    if (config.packed.has_value()) {
      auto model = detail::open_packed(folder, std::move(config), {Policy::name, {}});
      if (model) LOWBIT_TRY(check(*model, folder));
      return model;
    }
    if (std::is_base_of_v<counting_op, typename Policy::linear::op> &&
        config.recognised == scheme::fp32) {
      return status::error(errc::invalid_argument, folder.native(),
                           ": a plain BERT checkpoint, policy ", Policy::name,
                           " needs one trained for it");
    }
    if (detail::is_quantized_bert(config.recognised)) {
      LOWBIT_TRY(detail::find_quantized_bert_policy(folder, config, Policy::name).status());
    }
    canonical_model model;
    model.config = std::move(config);
    model.policy = Policy::name;
    model.zero = zero;
    LOWBIT_TRY(check(model, folder));
    return import_checkpoint<Policy>(folder, std::move(model));
  }

  static constexpr const char* zero = stored_zero<Policy>;

  /// Checks what open_model checks for a named policy, and what is known only from the type.
  static status check(const canonical_model& model, const std::filesystem::path& folder) {
    if (find_policy(Policy::name)) LOWBIT_TRY(detail::check_policy(model, folder.native()));
    if (model.zero == zero) return {};
    return status::error(
        errc::invalid_argument, folder.native(), ": packed with zero \"", model.zero,
        "\", this policy ", Policy::name, " has \"", zero,
        "\": load it as policy::", model.zero == "torch" ? "bibert" : "bibert_plus_one");
  }

  status pack() {
    packed_ = aligned_buffer(encoder_.model_bytes(model_.weights(), model_.config.shape));
    if (packed_.data() == nullptr)
      return status::error(errc::io_error, "out of memory for the packed weights");
    model_.release_pages();  // pages touched by the checks
    arena memory(packed_.data(), packed_.size());
    LOWBIT_TRY(encoder_.load(memory, model_.weights(), model_.config.shape));
    model_.release_pages();
    return {};
  }

  template <executor Executor>
  result<std::vector<prediction>> classify_encoded(std::span<const encoding> encoded,
                                                   Executor& executor) const {
    token_rows rows;
    for (const encoding& e : encoded) rows.add(e.ids, e.type_ids);
    if constexpr (whole_batch_ranges<Policy>) rows = rows.padded();
    const token_input in = rows.view();
    const std::size_t labels = model_.config.shape.labels;
    std::vector<float> logits(encoded.size() * labels);
    const aligned_buffer workspace(encoder_.workspace_bytes(
        encoder_.shape(), encoder_.limits_of(in.batch, executor.workers())));
    if (workspace.data() == nullptr)
      return status::error(errc::io_error, "out of memory for the workspace");
    LOWBIT_TRY(encoder_.run(in, workspace.data(), workspace.size(),
                            {logits.data(), encoded.size(), labels, labels}, executor));
    std::vector<prediction> out;
    for (std::size_t s = 0; s < encoded.size(); ++s)
      out.push_back(best(logits.data() + s * labels));
    return out;
  }

  [[nodiscard]] prediction best(const float* logits) const {
    const std::size_t labels = model_.config.shape.labels;
    const std::size_t top = largest_logit(logits, labels);
    std::vector<float> scores = label_scores(model_.config.problem, logits, labels);
    return {model_.config.label(top), scores[top], {logits, logits + labels}, std::move(scores)};
  }

  canonical_model model_;
  lowbit::tokenizer tokenizer_;
  std::filesystem::path folder_;  // source folder, from which tokenizer files are copied
  aligned_buffer packed_;
  classifier<Policy, Arch> encoder_;
};

/// load<policy::bibert>(folder)
template <class Policy, class Arch = native>
result<text_classifier<Policy, Arch>> load(const std::filesystem::path& folder) {
  return text_classifier<Policy, Arch>::load(folder);
}

}  // namespace lowbit::inline LOWBIT_ISA
