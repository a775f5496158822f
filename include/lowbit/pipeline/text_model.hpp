// SPDX-License-Identifier: Apache-2.0
// What all pipelines share: a runner, the tokenizer of its folder, and batches of encoded texts.
// Does not know what a head's numbers mean.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/io/model_checks.hpp"
#include "lowbit/pipeline/policy_runner.hpp"
#include "lowbit/text/text_windows.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <model_runner Runner>
class text_model {
 public:
  /// Opens a folder, by path or by name (find_model_folder), or files in memory, whose model has
  /// the head `wanted`, or as an embedder if that is an embedding. chooses: a multiple choice
  /// model, whose head is the one for sequences.
  ///
  /// Errors: invalid_argument for another head; those of the runner and of the tokenizer
  static result<text_model> load(const model_files& path, head_kind wanted, open_options options,
                                 bool chooses = false) {
    return detail::without_exceptions(path.native(), [&]() -> result<text_model> {
      LOWBIT_TRY_ASSIGN(const auto at, locate_model(path));
      const model_files& folder = at.transformer;
      if (is_embedding(wanted) && options.pooling.empty()) options.pooling = "folder";
      LOWBIT_TRY_ASSIGN(auto runner, Runner::open(at.folder, options));
      const model_config& config = runner.model().config;
      if (chooses && !config.multiple_choice) {
        return status::error(errc::invalid_argument, folder.native(), ": this is a ", config.kind(),
                             " model, expected a multiple choice model");
      }
      if (!chooses && !is_embedding(wanted))
        LOWBIT_TRY(check_head(config, wanted).in(folder.native()));
      LOWBIT_TRY_ASSIGN(auto tokenizer, lowbit::tokenizer::load(folder, config.lower_case()));
      LOWBIT_TRY(check_vocabulary(tokenizer, config).in(folder.native()));
      text_model out(std::move(runner), std::move(tokenizer), folder);
      LOWBIT_TRY(out.runner_.pack().in(folder.native()));
      return out;
    });
  }

  [[nodiscard]] const Runner& runner() const { return runner_; }
  [[nodiscard]] const canonical_model& model() const { return runner_.model(); }
  [[nodiscard]] const model_config& config() const { return model().config; }
  [[nodiscard]] const model_shape& shape() const { return config().shape; }
  [[nodiscard]] const lowbit::tokenizer& tokenizer() const { return tokenizer_; }
  [[nodiscard]] const model_files& folder() const { return folder_; }
  /// Warnings about the folder, one sentence each.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// The label names, by index.
  [[nodiscard]] std::vector<std::string> labels() const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < shape().labels; ++i) names.push_back(config().label(i));
    return names;
  }
  /// Token `id` of the model's table, which may be padded beyond the tokenizer's vocabulary.
  [[nodiscard]] std::string token_name(std::size_t id) const {
    if (id >= tokenizer_.vocabulary_size()) return "[word " + std::to_string(id) + "]";
    return std::string(tokenizer_.token(static_cast<std::int32_t>(id)));
  }
  /// Texts that may run together without changing each other's results.
  [[nodiscard]] std::size_t batch() const { return runner_.pads() ? 1 : 32; }

  /// Truncated to the model's limit (encoding::truncated says so).
  /// Errors: malformed for invalid UTF-8
  [[nodiscard]] result<encoding> encode(std::string_view text) const {
    return tokenizer_.encode(text, config().max_tokens());
  }
  [[nodiscard]] result<encoding> encode_pair(std::string_view first,
                                             std::string_view second) const {
    return tokenizer_.encode_pair(first, second, config().max_tokens());
  }
  /// One part, truncated, or as many as the text needs if `overlap` says what they share.
  /// Errors: those of encode and split_text
  [[nodiscard]] result<text_windows> windows(std::string_view text,
                                             std::optional<std::size_t> overlap) const {
    return detail::without_exceptions(folder_.native(), [&]() -> result<text_windows> {
      if (overlap) return split_text(tokenizer_, text, config().max_tokens(), *overlap);
      text_windows out;
      out.text = text;
      LOWBIT_TRY_ASSIGN(auto e, encode(text));
      out.truncated = e.truncated;
      out.parts.push_back(std::move(e));
      return out;
    });
  }
  [[nodiscard]] result<std::vector<encoding>> encode_all(std::span<const std::string> texts) const {
    return detail::without_exceptions(folder_.native(), [&]() -> result<std::vector<encoding>> {
      std::vector<encoding> encoded;
      for (const std::string& text : texts) {
        LOWBIT_TRY_ASSIGN(auto e, encode(text));
        encoded.push_back(std::move(e));
      }
      return encoded;
    });
  }

  /// The head's output for the texts in one batch, row by row. Without `memory`, the workspace is
  /// allocated for this call.
  template <executor Executor>
  result<std::vector<float>> run(const token_rows& rows, Executor& threads,
                                 run_memory* memory) const {
    run_memory own;
    return runner_.run(rows, threads, memory == nullptr ? own : *memory);
  }
  template <executor Executor>
  result<std::vector<float>> run(std::span<const encoding> texts, Executor& threads,
                                 run_memory* memory) const {
    return run(rows_of(texts), threads, memory);
  }
  /// The output for each part of each text, as many parts in a batch as batch() allows.
  template <executor Executor>
  result<std::vector<std::vector<float>>> run_windows(std::span<const text_windows> texts,
                                                      Executor& threads, run_memory* memory) const {
    run_memory own;
    if (memory == nullptr) memory = &own;
    std::vector<std::vector<float>> out;
    std::vector<encoding> parts;
    const auto run_batch = [&]() -> status {
      if (parts.empty()) return {};
      LOWBIT_TRY_ASSIGN(const auto values, run(parts, threads, memory));
      const bool by_token = shape().head == head_kind::token;
      std::size_t units = 0;
      for (const encoding& e : parts) units += by_token ? e.ids.size() : 1;
      const std::size_t cols = values.size() / units;
      const float* from = values.data();
      for (const encoding& e : parts) {
        const float* end = from + (by_token ? e.ids.size() : 1) * cols;
        out.emplace_back(from, end);
        from = end;
      }
      parts.clear();
      return {};
    };
    for (const text_windows& text : texts) {
      for (const encoding& e : text.parts) {
        parts.push_back(e);
        if (parts.size() == batch()) LOWBIT_TRY(run_batch());
      }
    }
    LOWBIT_TRY(run_batch());
    return out;
  }
  [[nodiscard]] static token_rows rows_of(std::span<const encoding> texts) {
    token_rows rows;
    for (const encoding& e : texts) rows.add(e.ids, e.type_ids);
    return rows;
  }

 private:
  text_model(Runner runner, lowbit::tokenizer tokenizer, model_files folder)
      : runner_(std::move(runner)),
        tokenizer_(std::move(tokenizer)),
        folder_(std::move(folder)),
        warnings_(model().warnings) {
    if (tokenizer_.vocabulary_size() < shape().vocabulary) {  // the table may be padded
      warnings_.push_back(folder_.native() + ": the tokenizer has " +
                          std::to_string(tokenizer_.vocabulary_size()) +
                          " tokens, but the model's word embedding table has " +
                          std::to_string(shape().vocabulary));
    }
  }

  Runner runner_;
  lowbit::tokenizer tokenizer_;
  model_files folder_;
  std::vector<std::string> warnings_;
};

}  // namespace lowbit::inline LOWBIT_ISA
