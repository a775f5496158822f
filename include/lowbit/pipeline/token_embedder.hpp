// SPDX-License-Identifier: Apache-2.0
// From texts to a vector for each token (ColBERT, late interaction), as the modules of a
// sentence-transformers or PyLate folder say: Dense and Normalize on every token; without them the
// encoder's hidden rows with length 1. model/max_sim.hpp scores the result.
#pragma once

#include <algorithm>
#include <cmath>

#include "lowbit/pipeline/embedding_modules.hpp"
#include "lowbit/pipeline/text_model.hpp"
#include "lowbit/pipeline/text_prompt.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// A row for each token of a text, special tokens included.
struct token_vectors {
  std::vector<float> values;        // (tokens, width)
  std::vector<std::size_t> tokens;  // of each row, in the text's encoding
  std::size_t width = 0;

  [[nodiscard]] std::size_t size() const { return tokens.size(); }
  [[nodiscard]] std::span<const float> operator[](std::size_t i) const {
    return std::span(values).subspan(i * width, width);
  }
  /// For max_sim.
  [[nodiscard]] matrix_view<const float> view() const {
    return {values.data(), size(), width, width};
  }
};

/// Policy: of the library or any_policy. Const functions may run concurrently.
template <class Policy, class Arch = native>
class token_embedder {
  using runner = typename runner_of<Policy, head_kind::token, Arch>::type;

 public:
  /// Opens a folder of any head.
  /// Errors: unsupported for modules that are not known, by name; all of open_model
  static result<token_embedder> load(const model_files& folder, open_options options = {}) {
    options.pooling = embedding_format::tokens;
    LOWBIT_TRY_ASSIGN(auto parts, text_model<runner>::load(folder, head_kind::token, options));
    auto modules = embedding_modules<Arch>::load(parts.model());
    if (!modules) return modules.status().in(folder.native());
    token_embedder out(std::move(parts), *std::move(modules));
    LOWBIT_TRY(out.prompt_.choose_default(out.parts_.config().embedding).in(folder.native()));
    return out;
  }

  /// The prompt, by its name in the folder, that is put before every text: for ColBERT "query" or
  /// "document". Punctuation that the folder skips is left out of every text but a query.
  ///
  /// Errors: invalid_argument listing the names; unsupported for a token of the vocabulary that the
  ///         tokenizer would split
  status set_prompt(std::string_view name) {
    text_prompt chosen;
    LOWBIT_TRY(chosen.choose(parts_.config().embedding, name));
    const std::string_view text = chosen.text();
    const std::string_view marker = text.substr(0, text.find(' '));
    const auto id = parts_.tokenizer().id(marker);
    if (id) {
      LOWBIT_TRY_ASSIGN(const auto pieces, parts_.tokenizer().encode_plain(text));
      if (pieces.ids.empty() || pieces.ids[0] != *id) {
        return status::error(errc::unsupported, "prompt ", detail::quote_name(name),
                             " begins with ", detail::quote_name(marker),
                             ", a token of the vocabulary that the tokenizer splits: expected it "
                             "among the added tokens");
      }
    }
    prompt_ = std::move(chosen);
    return {};
  }

  /// The vectors of the texts, in order. Texts longer than the model's limit are truncated.
  /// Errors: malformed for invalid UTF-8; not_finite if the run overflows
  result<std::vector<token_vectors>> embed(std::span<const std::string> texts) const {
    serial here;
    return embed(texts, here);
  }
  template <executor Executor>
  result<std::vector<token_vectors>> embed(std::span<const std::string> texts, Executor& threads,
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
  template <executor Executor>
  result<std::vector<token_vectors>> embed_encoded(std::span<const encoding> texts,
                                                   Executor& threads,
                                                   run_memory* memory = nullptr) const {
    return detail::without_exceptions(
        parts_.folder().native(), [&]() -> result<std::vector<token_vectors>> {
          LOWBIT_TRY_ASSIGN(auto hidden, parts_.run(texts, threads, memory));
          std::size_t tokens = 0;
          for (const encoding& text : texts) tokens += text.ids.size();
          const std::size_t width = modules_.dimensions();
          const auto rows = modules_.run(std::move(hidden), tokens, width, threads);
          if (!std::all_of(rows.begin(), rows.end(), [](float v) { return std::isfinite(v); })) {
            return status::error(errc::not_finite,
                                 "the modules behind the encoder: a value is not finite; the "
                                 "weights are too large for float32");
          }
          std::vector<token_vectors> out;
          const float* row = rows.data();
          for (const encoding& text : texts) {
            token_vectors found{{}, {}, width};
            for (std::size_t t = 0; t < text.ids.size(); ++t, row += width) {
              if (skips(text.ids[t])) continue;
              found.values.insert(found.values.end(), row, row + width);
              found.tokens.push_back(t);
            }
            out.push_back(std::move(found));
          }
          return out;
        });
  }

  [[nodiscard]] const text_model<runner>& parts() const { return parts_; }
  [[nodiscard]] const model_config& config() const { return parts_.config(); }
  [[nodiscard]] std::size_t dimensions() const { return modules_.dimensions(); }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return parts_.warnings(); }

 private:
  token_embedder(text_model<runner> parts, embedding_modules<Arch> modules)
      : parts_(std::move(parts)), modules_(std::move(modules)) {
    for (const std::string& word : parts_.config().embedding->skipped) {
      if (const auto id = parts_.tokenizer().id(word)) skipped_.push_back(*id);
    }
  }

  [[nodiscard]] bool skips(std::int32_t id) const {
    return prompt_.name() != "query" &&
           std::find(skipped_.begin(), skipped_.end(), id) != skipped_.end();
  }

  text_model<runner> parts_;
  embedding_modules<Arch> modules_;
  text_prompt prompt_;
  std::vector<std::int32_t> skipped_;  // tokens
};

}  // namespace lowbit::inline LOWBIT_ISA
