// SPDX-License-Identifier: Apache-2.0
// Runs whatever policy a folder names, with any head, on the engine of this CPU: text_embedder<
// any_policy> and so on. For programs that link a library of lowbit_add_engine().
#pragma once

#include <filesystem>
#include <utility>

#include "lowbit/dispatch/dispatch.hpp"
#include "lowbit/pipeline/runner.hpp"

namespace lowbit::inline LOWBIT_ISA {

class dispatch_runner {
 public:
  /// Opens a Hugging Face or packed folder, or its files in memory.
  /// Errors: those of open_model and find_engine
  static result<dispatch_runner> open(const model_files& folder, const open_options& options) {
    LOWBIT_TRY_ASSIGN(auto model, open_model(folder, options));
    auto made = make(std::move(model), options.arch);
    if (!made) return made.status().in(folder.native());
    return made;
  }
  /// `source` is the start of messages about `arch`.
  /// Errors: those of find_engine and find_policy
  static result<dispatch_runner> make(canonical_model model, std::string_view arch = {},
                                      std::string_view source = "arch") {
    LOWBIT_TRY_ASSIGN(const auto engine, find_engine(arch, source));
    LOWBIT_TRY_ASSIGN(const auto named, find_policy(model.policy, model.zero));
    return dispatch_runner(std::move(model), *engine, named);
  }

  /// Packs the weights.
  /// Errors: io_error if memory runs out; those of bert::load
  status pack() {
    const weight_set weights = model_.weights();
    packed_ = aligned_buffer(engine_->model_bytes(encoder_, weights, shape()));
    if (packed_.data() == nullptr)
      return status::error(errc::io_error, "out of memory for the packed weights");
    model_.release_pages();  // pages that were read for validation
    LOWBIT_TRY(engine_->load(encoder_, weights, shape(), packed_.data(), packed_.size()));
    model_.release_pages();
    return {};
  }

  [[nodiscard]] const canonical_model& model() const { return model_; }
  [[nodiscard]] const model_shape& shape() const { return model_.config.shape; }
  [[nodiscard]] bool pads() const { return pads_; }
  /// The instruction set in use.
  [[nodiscard]] const char* arch() const { return engine_->arch; }
  [[nodiscard]] std::size_t packed_bytes() const { return packed_.size(); }
  /// Bytes of workspace that run(rows) needs.
  [[nodiscard]] std::size_t workspace_bytes(const token_rows& rows, std::size_t workers,
                                            bool observed = false) const {
    return engine_->workspace_bytes(encoder_, shape(), rows.view().batch, workers, observed);
  }

  /// The output of the head for a batch, row by row. `watch` sees intermediate values; everything
  /// then runs on the calling thread.
  /// Errors: those of bert::run; io_error if memory runs out
  template <executor Executor>
  result<std::vector<float>> run(const token_rows& rows, Executor& threads, run_memory& memory,
                                 const run_observer* watch = nullptr) const {
    if (pads_ && rows.valid.empty()) {
      return detail::run_padded(rows, shape().head, [&](const token_rows& padded) {
        return run(padded, threads, memory, watch);
      });
    }
    const token_input in = rows.view();
    LOWBIT_TRY(memory.reserve(workspace_bytes(rows, threads.workers(), watch != nullptr)));
    const output_extents out = engine_->output(encoder_, shape(), in);
    std::vector<float> values(out.rows * out.cols);
    LOWBIT_TRY(engine_->run(encoder_, shape(), packed_.data(), in, memory.data(), memory.size(),
                            threads_of(threads), watch, values.data()));
    return values;
  }
  /// Encoder layer `index` alone on hidden rows (tokens, D), in place.
  template <executor Executor>
  status run_layer(std::size_t index, const token_rows& rows, std::vector<float>& hidden,
                   Executor& threads, run_memory& memory) const {
    LOWBIT_TRY(memory.reserve(workspace_bytes(rows, threads.workers())));
    return engine_->run_layer(encoder_, shape(), packed_.data(), index, rows.view().batch,
                              memory.data(), memory.size(), threads_of(threads), hidden.data());
  }

 private:
  dispatch_runner(canonical_model model, const engine& best, const named_policy& named)
      : model_(std::move(model)),
        encoder_(named.encoder),
        engine_(best.has(encoder_) ? &best : best.below),
        pads_(named.padded) {}

  canonical_model model_;
  std::size_t encoder_;
  const engine* engine_;
  bool pads_;
  aligned_buffer packed_;
};

template <head_kind Head, class Arch>
struct runner_of<any_policy, Head, Arch> {
  using type = dispatch_runner;
};

}  // namespace lowbit::inline LOWBIT_ISA
