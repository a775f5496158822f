// SPDX-License-Identifier: Apache-2.0
// Shared by the commands of `lowbit`: the engine for this CPU, a model loaded into it, and its
// thread pool.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lowbit/core/thread_pool.hpp"
#include "lowbit/io/model_checks.hpp"
#include "lowbit/pipeline/dispatch_runner.hpp"
#include "lowbit/pipeline/text_groups.hpp"

namespace lowbit_tool {

/// Which encoder of an engine runs the model. Its policy is a known one.
std::size_t encoder_of(const lowbit::canonical_model& model);

using lowbit::token_rows;

/// A runner with threads and workspace of its own.
class session {
 public:
  /// Packs the model for the engine. threads >= 1.
  static lowbit::result<session> start(lowbit::canonical_model model, const std::string& arch,
                                       std::size_t threads);
  /// `wanted` is the head that the caller needs: it is an error if the model has another one. To
  /// use any model as an embedder, see load_options::pooling.
  static lowbit::result<session> open(const std::string& folder,
                                      const lowbit::load_options& options, const std::string& arch,
                                      std::size_t threads,
                                      std::optional<lowbit::head_kind> wanted = std::nullopt);

  /// Output of the model's head for a batch, output(rows).rows x .cols values.
  lowbit::result<std::vector<float>> run(const token_rows& rows,
                                         const lowbit::run_observer* watch = nullptr) {
    return runner_.run(rows, *pool_, memory_, watch);
  }
  [[nodiscard]] std::size_t workers() const { return pool_->workers(); }
  /// Calls work(i, run) for every group, where run(rows) is run() on the threads of that group.
  template <class Work>
  void for_each_group(const lowbit::text_groups& groups, const Work& work) {
    lowbit::for_each_group(
        groups, *pool_, memory_, [&](std::size_t i, auto& threads, auto& memory) {
          work(i, [&](const token_rows& rows) { return runner_.run(rows, threads, memory); });
        });
  }
  /// Whether results depend on the batch and its padding, which run() adds if it is missing.
  [[nodiscard]] bool pads() const { return runner_.pads(); }
  /// Encoder layer `index` alone on hidden rows (tokens, D), in place.
  lowbit::status run_layer(std::size_t index, const token_rows& rows, std::vector<float>& hidden) {
    return runner_.run_layer(index, rows, hidden, *pool_, memory_);
  }

  [[nodiscard]] const lowbit::canonical_model& model() const { return runner_.model(); }
  [[nodiscard]] const lowbit::model_shape& shape() const { return runner_.shape(); }
  [[nodiscard]] const char* arch() const { return runner_.arch(); }
  [[nodiscard]] std::size_t packed_bytes() const { return runner_.packed_bytes(); }
  /// Bytes of workspace that run(rows) needs.
  [[nodiscard]] std::size_t workspace_bytes(const token_rows& rows) const {
    return runner_.workspace_bytes(rows, pool_->workers());
  }
  /// The label of logit i: from id2label, else LABEL_i.
  [[nodiscard]] std::string label(std::size_t i) const { return model().config.label(i); }
  /// The scores of one row of logits of a sequence classifier.
  [[nodiscard]] std::vector<float> scores(const float* logits) const {
    return lowbit::label_scores(model().config.problem, logits, shape().labels);
  }

 private:
  session(lowbit::dispatch_runner runner, std::unique_ptr<lowbit::thread_pool> pool)
      : runner_(std::move(runner)), pool_(std::move(pool)) {}

  lowbit::dispatch_runner runner_;
  lowbit::run_memory memory_;
  std::unique_ptr<lowbit::thread_pool> pool_;
};

/// A model with random weights for benchmarks: canonical tensors of `policy`, nothing is read from
/// disk.
lowbit::result<lowbit::canonical_model> random_model(const lowbit::model_shape& shape,
                                                     const std::string& policy,
                                                     const std::string& zero, std::uint64_t seed);

/// A name of tools/lowbit/shapes.cpp, or "L,H,A,I".
lowbit::result<lowbit::model_shape> named_shape(const std::string& name);

}  // namespace lowbit_tool
