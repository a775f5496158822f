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
#include "lowbit/pipeline/text_groups.hpp"
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
  [[nodiscard]] std::size_t batch() const { return runner_.pads() ? 1 : group_size; }

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
  /// encode_one(text) of every text, in order; with several threads, of several at a time.
  template <executor Executor, class Encode>
  result<std::vector<encoding>> encode_all(std::span<const std::string> texts, Executor& threads,
                                           const Encode& encode_one) const {
    return detail::without_exceptions(folder_.native(), [&]() -> result<std::vector<encoding>> {
      std::vector<encoding> encoded(texts.size());
      const text_groups groups(texts.size(), group_size, threads.workers());
      LOWBIT_TRY(each_group(groups, threads, nullptr, [&](std::size_t i, auto&, auto&) -> status {
        for (std::size_t t = groups.begin(i); t < groups.begin(i + 1); ++t) {
          LOWBIT_TRY_ASSIGN(encoded[t], encode_one(texts[t]));
        }
        return {};
      }));
      return encoded;
    });
  }
  template <executor Executor>
  result<std::vector<encoding>> encode_all(std::span<const std::string> texts,
                                           Executor& threads) const {
    return encode_all(texts, threads, [&](const std::string& text) { return encode(text); });
  }

  /// The head's output for one batch, row by row.
  template <executor Executor>
  result<std::vector<float>> run(const token_rows& rows, Executor& threads,
                                 run_memory* memory) const {
    run_memory own;
    return runner_.run(rows, threads, memory == nullptr ? own : *memory);
  }
  /// The same for each text; if they do not depend on each other, several
  /// threads run some texts each. Without `memory`, the workspace is allocated for each call.
  template <executor Executor>
  result<std::vector<float>> run(std::span<const encoding> texts, Executor& threads,
                                 run_memory* memory) const {
    const text_groups groups(texts.size(), group_size, threads.workers());
    if (runner_.pads() || !groups.concurrent()) return run(rows_of(texts), threads, memory);
    std::vector<std::vector<float>> found(groups.size());
    const status done =
        each_group(groups, threads, memory, [&](std::size_t i, auto& pool, auto& space) -> status {
          const std::size_t first = groups.begin(i);
          const auto some = texts.subspan(first, groups.begin(i + 1) - first);
          LOWBIT_TRY_ASSIGN(found[i], runner_.run(rows_of(some), pool, space));
          return {};
        });
    // The message must name the sentence among all.
    if (!done.ok()) return run(rows_of(texts), threads, memory);
    std::vector<float> all;
    for (const auto& some : found) all.insert(all.end(), some.begin(), some.end());
    return all;
  }
  /// The output for each part of each text, as many parts in a batch as batch() allows.
  template <executor Executor>
  result<std::vector<std::vector<float>>> run_windows(std::span<const text_windows> texts,
                                                      Executor& threads, run_memory* memory) const {
    std::vector<const encoding*> parts;
    for (const text_windows& text : texts) {
      for (const encoding& e : text.parts) parts.push_back(&e);
    }
    std::vector<std::vector<float>> out(parts.size());
    const text_groups groups(parts.size(), batch(), threads.workers());
    LOWBIT_TRY(
        each_group(groups, threads, memory, [&](std::size_t i, auto& pool, auto& space) -> status {
          const std::size_t first = groups.begin(i), end = groups.begin(i + 1);
          token_rows rows;
          for (std::size_t p = first; p < end; ++p) rows.add(parts[p]->ids, parts[p]->type_ids);
          LOWBIT_TRY_ASSIGN(const auto values, runner_.run(rows, pool, space));
          const bool by_token = shape().head == head_kind::token;
          const std::size_t cols = values.size() / (by_token ? rows.ids.size() : end - first);
          const float* from = values.data();
          for (std::size_t p = first; p < end; ++p) {
            const float* stop = from + (by_token ? parts[p]->ids.size() : 1) * cols;
            out[p].assign(from, stop);
            from = stop;
          }
          return {};
        }));
    return out;
  }
  [[nodiscard]] static token_rows rows_of(std::span<const encoding> texts) {
    token_rows rows;
    for (const encoding& e : texts) rows.add(e.ids, e.type_ids);
    return rows;
  }

 private:
  static constexpr std::size_t group_size = 32;

  /// Calls work(i, threads, memory) -> status for every group. Errors: the first group's that
  /// failed; io_error if memory runs out
  template <executor Executor, class Work>
  status each_group(const text_groups& groups, Executor& threads, run_memory* memory,
                    const Work& work) const {
    run_memory own;
    std::vector<status> done(groups.size());
    for_each_group(groups, threads, memory == nullptr ? own : *memory,
                   [&](std::size_t i, auto& pool, run_memory& space) {
                     done[i] = detail::without_exceptions(folder_.native(),
                                                          [&] { return work(i, pool, space); });
                   });
    for (status& one : done) LOWBIT_TRY(std::move(one));
    return {};
  }

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
