// SPDX-License-Identifier: Apache-2.0
// From texts to vectors, as the modules of a sentence-transformers folder say (docs/format.md);
// without modules, the mean of the tokens with length 1.
#pragma once

#include <cmath>

#include "lowbit/pipeline/embedding_modules.hpp"
#include "lowbit/pipeline/text_model.hpp"
#include "lowbit/pipeline/text_prompt.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// One vector per text.
struct text_embeddings {
  std::vector<float> values;  // (texts, width)
  std::size_t width = 0;

  [[nodiscard]] std::size_t size() const { return width == 0 ? 0 : values.size() / width; }
  [[nodiscard]] std::span<const float> operator[](std::size_t i) const {
    return std::span(values).subspan(i * width, width);
  }
};

/// Requires: a.size() == b.size(). NaN if one has no direction.
[[nodiscard]] inline double cosine_similarity(std::span<const float> a, std::span<const float> b) {
  double dot = 0, left = 0, right = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    dot += x * y;
    left += x * x;
    right += y * y;
  }
  return dot / std::sqrt(left * right);
}

/// Policy: of the library or any_policy. Const functions may run concurrently.
template <class Policy, class Arch = native>
class text_embedder {
  using runner = typename runner_of<Policy, head_kind::mean_embedding, Arch>::type;

 public:
  /// Opens a folder of any head; options.pooling replaces the pooling of the folder.
  /// Errors: unsupported for modules that are not known, by name; all of open_model
  static result<text_embedder> load(const model_files& folder, const open_options& options = {}) {
    LOWBIT_TRY_ASSIGN(auto parts,
                      text_model<runner>::load(folder, head_kind::mean_embedding, options));
    auto modules = embedding_modules<Arch>::load(parts.model());
    if (!modules) return modules.status().in(folder.native());
    text_embedder out(std::move(parts), *std::move(modules));
    const auto& format = out.parts_.config().embedding;
    if (format && !format->default_prompt.empty())
      LOWBIT_TRY(out.set_prompt(format->default_prompt).in(folder.native()));
    if (!format && (options.pooling.empty() || options.pooling == "folder")) {
      out.warnings_.push_back(folder.native() +
                              ": no modules.json says how to embed: mean of the tokens, length 1");
    }
    return out;
  }

  /// Keeps the first n dimensions, for models trained so (Matryoshka). If the whole vectors have
  /// length 1, so have the cut ones.
  /// Errors: invalid_argument
  status set_dimensions(std::size_t n) {
    if (n == 0 || n > modules_.width()) {
      return status::error(errc::invalid_argument, "dimensions is ", n, ", expected 1 to ",
                           modules_.width());
    }
    dimensions_ = n;
    return {};
  }
  /// The prompt, by its name in the folder, that is put before every text.
  /// Errors: invalid_argument listing the names; unsupported if its tokens are not to be pooled
  status set_prompt(std::string_view name) {
    text_prompt chosen;
    LOWBIT_TRY(chosen.choose(parts_.config().embedding, name));
    if (!parts_.config().embedding->pools_prompt && !chosen.text().empty()) {
      return status::error(errc::unsupported,
                           "include_prompt is false, expected true with a "
                           "prompt: its tokens are pooled");
    }
    prompt_ = std::move(chosen);
    return {};
  }

  /// The vectors of the texts, in order. Texts longer than the model's limit are truncated.
  /// Errors: malformed for invalid UTF-8; not_finite if the run overflows
  result<text_embeddings> embed(std::span<const std::string> texts) const {
    serial here;
    return embed(texts, here);
  }
  template <executor Executor>
  result<text_embeddings> embed(std::span<const std::string> texts, Executor& threads,
                                run_memory* memory = nullptr) const {
    LOWBIT_TRY_ASSIGN(
        const auto encoded,
        parts_.encode_all(texts, threads, [&](const std::string& text) { return encode(text); }));
    return embed_encoded(encoded, threads, memory);
  }
  result<std::vector<float>> embed(const std::string& text) const {
    LOWBIT_TRY_ASSIGN(auto one, embed(std::span(&text, 1)));
    return std::move(one.values);
  }

  /// With the prompt, truncated.
  [[nodiscard]] result<encoding> encode(std::string_view text) const {
    return parts_.encode(prompt_.before(text));
  }
  template <executor Executor>
  result<text_embeddings> embed_encoded(std::span<const encoding> texts, Executor& threads,
                                        run_memory* memory = nullptr) const {
    return detail::without_exceptions(parts_.folder().native(), [&]() -> result<text_embeddings> {
      LOWBIT_TRY_ASSIGN(auto rows, parts_.run(texts, threads, memory));
      text_embeddings out{modules_.run(std::move(rows), texts.size(), dimensions_, threads),
                          dimensions_};
      for (const float v : out.values) {
        if (!std::isfinite(v))
          return status::error(errc::not_finite,
                               "the modules behind the pooling: a value is not "
                               "finite; the weights are too large for float32");
      }
      return out;
    });
  }

  [[nodiscard]] const text_model<runner>& parts() const { return parts_; }
  [[nodiscard]] const model_config& config() const { return parts_.config(); }
  [[nodiscard]] std::size_t dimensions() const { return dimensions_; }
  /// Whether the vectors have length 1: dot products are then cosine similarities.
  [[nodiscard]] bool unit_length() const { return modules_.unit_length(); }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  text_embedder(text_model<runner> parts, embedding_modules<Arch> modules)
      : parts_(std::move(parts)),
        modules_(std::move(modules)),
        dimensions_(modules_.dimensions()),
        warnings_(parts_.warnings()) {}

  text_model<runner> parts_;
  embedding_modules<Arch> modules_;
  std::size_t dimensions_;
  text_prompt prompt_;
  std::vector<std::string> warnings_;
};

}  // namespace lowbit::inline LOWBIT_ISA
