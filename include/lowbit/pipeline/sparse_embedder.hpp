// SPDX-License-Identifier: Apache-2.0
// From texts to sparse vectors (SPLADE): a weight for each word of the vocabulary that a masked
// language model expects in the text, as the SpladePooling of sentence-transformers says; without
// one, the largest log(1 + relu(logit)) of the tokens.
#pragma once

#include <algorithm>
#include <cmath>

#include "lowbit/pipeline/text_model.hpp"
#include "lowbit/pipeline/text_prompt.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct weighted_token {
  std::size_t id = 0;  // in the vocabulary: the dimension of the vector
  float weight = 0;    // above 0
};
/// Its weights, largest first, equal ones by id. All other dimensions are 0.
using sparse_vector = std::vector<weighted_token>;

/// Requires: no id twice in a vector
[[nodiscard]] inline float dot_product(sparse_vector a, sparse_vector b) {
  const auto by_id = [](const weighted_token& x, const weighted_token& y) { return x.id < y.id; };
  std::sort(a.begin(), a.end(), by_id);
  std::sort(b.begin(), b.end(), by_id);
  float sum = 0;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    if (i->id == j->id)
      sum += i++->weight * j++->weight;
    else if (i->id < j->id)
      ++i;
    else
      ++j;
  }
  return sum;
}

/// Weights of the vocabulary from the logits (tokens, V) of a text, at least one token.
///
/// Source: https://arxiv.org/abs/2109.10086 (max), 2107.05720 (sum), 2504.14839 (two logarithms)
[[nodiscard]] inline sparse_vector splade(matrix_view<const float> logits,
                                          const splade_options& options) {
  const auto weight_of = [&](float logit) {
    const float once = std::log1p(std::max(logit, 0.0F));
    return options.twice ? std::log1p(once) : once;
  };
  std::vector<float> pooled(logits.cols);  // at first the largest logits: weight_of is monotonic
  for (std::size_t t = 0; t < logits.rows; ++t) {
    const float* row = logits.row(t);
    for (std::size_t v = 0; v < logits.cols; ++v) {
      if (!options.sum) pooled[v] = std::max(pooled[v], row[v]);
      if (options.sum && row[v] > 0) pooled[v] += weight_of(row[v]);
    }
  }
  sparse_vector out;
  for (std::size_t v = 0; v < logits.cols; ++v) {
    const float weight = options.sum ? pooled[v] : weight_of(pooled[v]);
    if (weight > 0) out.push_back({v, weight});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  return out;
}

/// Policy: of the library or any_policy. Const functions may run concurrently.
template <class Policy, class Arch = native>
class sparse_embedder {
  using runner = typename runner_of<Policy, head_kind::masked_lm, Arch>::type;

 public:
  /// Errors: invalid_argument for a folder of another policy, scheme or head; all of open_model
  static result<sparse_embedder> load(const model_files& folder, const open_options& options = {}) {
    LOWBIT_TRY_ASSIGN(auto parts, text_model<runner>::load(folder, head_kind::masked_lm, options));
    sparse_embedder out(std::move(parts));
    LOWBIT_TRY(out.prompt_.choose_default(out.parts_.config().embedding).in(folder.native()));
    if (!out.parts_.config().embedding) {
      out.warnings_.push_back(folder.native() +
                              ": no SpladePooling in modules.json: the weight of a word is the "
                              "largest log(1 + relu(logit)) of the tokens");
    }
    return out;
  }

  /// The prompt, by its name in the folder, that is put before every text.
  /// Errors: invalid_argument listing the names
  status set_prompt(std::string_view name) {
    return prompt_.choose(parts_.config().embedding, name);
  }

  /// The vectors of the texts, in order. Texts longer than the model's limit are truncated.
  /// Errors: malformed for invalid UTF-8; not_finite if the run overflows
  result<std::vector<sparse_vector>> embed(std::span<const std::string> texts) const {
    serial here;
    return embed(texts, here);
  }
  template <executor Executor>
  result<std::vector<sparse_vector>> embed(std::span<const std::string> texts, Executor& threads,
                                           run_memory* memory = nullptr) const {
    LOWBIT_TRY_ASSIGN(
        const auto encoded,
        parts_.encode_all(texts, threads, [&](const std::string& text) { return encode(text); }));
    return embed_encoded(encoded, threads, memory);
  }

  /// With the prompt, truncated.
  [[nodiscard]] result<encoding> encode(std::string_view text) const {
    return parts_.encode(prompt_.before(text));
  }
  /// Memory: a text's logits, tokens * V floats, at a time.
  template <executor Executor>
  result<std::vector<sparse_vector>> embed_encoded(std::span<const encoding> texts,
                                                   Executor& threads,
                                                   run_memory* memory = nullptr) const {
    return detail::without_exceptions(
        parts_.folder().native(), [&]() -> result<std::vector<sparse_vector>> {
          run_memory own;
          if (memory == nullptr) memory = &own;
          const auto& format = parts_.config().embedding;
          const std::size_t vocabulary = parts_.shape().vocabulary;
          std::vector<sparse_vector> out;
          for (const encoding& text : texts) {
            token_rows rows = parts_.rows_of(std::span(&text, 1));
            for (std::size_t t = 0; t < text.ids.size(); ++t)
              rows.masked.push_back(static_cast<std::uint32_t>(t));
            LOWBIT_TRY_ASSIGN(const auto logits, parts_.run(rows, threads, memory));
            out.push_back(splade({logits.data(), text.ids.size(), vocabulary, vocabulary},
                                 format ? format->weights : splade_options()));
          }
          return out;
        });
  }

  [[nodiscard]] const text_model<runner>& parts() const { return parts_; }
  [[nodiscard]] const model_config& config() const { return parts_.config(); }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  explicit sparse_embedder(text_model<runner> parts)
      : parts_(std::move(parts)), warnings_(parts_.warnings()) {}

  text_model<runner> parts_;
  text_prompt prompt_;
  std::vector<std::string> warnings_;
};

}  // namespace lowbit::inline LOWBIT_ISA
