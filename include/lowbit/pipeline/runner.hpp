// SPDX-License-Identifier: Apache-2.0
// What a pipeline runs: a model whose encoder is chosen at compile time (policy_runner.hpp) or, by
// the folder and the CPU, at run time (dispatch_runner.hpp). Immutable once loaded: any number of
// threads may run one at the same time, each with its own executor and memory.
#pragma once

#include <concepts>
#include <string>
#include <vector>

#include "lowbit/core/executor.hpp"
#include "lowbit/io/model_folder.hpp"
#include "lowbit/io/token_rows.hpp"
#include "lowbit/tensor/arena.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Workspace of one caller, kept between calls. It grows to the largest batch. Threads that run
/// batches of their own have a part each.
class run_memory {
 public:
  /// Provides a part for each of `workers` threads. Throws std::bad_alloc.
  void divide(std::size_t workers) {
    if (parts_.size() < workers) parts_.resize(workers);
  }
  [[nodiscard]] run_memory& of(std::size_t worker) { return parts_[worker]; }
  /// Errors: io_error if memory runs out
  status reserve(std::size_t bytes) {
    if (buffer_.size() >= bytes) return {};
    buffer_ = aligned_buffer(bytes);
    if (buffer_.data() != nullptr) return {};
    return status::error(errc::io_error, "out of memory for the workspace");
  }
  [[nodiscard]] std::byte* data() const { return buffer_.data(); }
  [[nodiscard]] std::size_t size() const { return buffer_.size(); }

 private:
  aligned_buffer buffer_;
  std::vector<run_memory> parts_;
};

/// How a folder is opened. A policy chosen at compile time ignores all but the pooling.
struct open_options : load_options {
  std::string arch{};  ///< the instruction set by name; empty: the best that this CPU runs
};

template <class R>
concept model_runner = requires(const R& r, const token_rows& rows, serial& threads,
                                run_memory& memory) {
  { r.model() } -> std::same_as<const canonical_model&>;
  { r.run(rows, threads, memory) } -> std::same_as<result<std::vector<float>>>;
  { r.pads() } -> std::same_as<bool>;  // ranges span a padded batch: results depend on the batch
};

/// The policy that a folder names, on the best instruction set of this CPU: the `Policy` of a
/// pipeline. Include pipeline/dispatch_runner.hpp and link a library of lowbit_add_engine().
struct any_policy {};

/// The runner of a policy for one kind of head; specialized where the runners are defined.
template <class Policy, head_kind Head, class Arch>
struct runner_of;

namespace detail {

/// Runs rows through `run`, padded to one length first; padding rows of the output are dropped.
template <class Run>
result<std::vector<float>> run_padded(const token_rows& rows, head_kind head, const Run& run) {
  const token_rows padded = rows.padded();
  auto values = run(padded);
  const bool row_per_token = head == head_kind::token || head == head_kind::span;
  if (!values || !row_per_token || padded.ids.size() == rows.ids.size()) return values;
  const std::size_t cols = values->size() / padded.ids.size();
  std::vector<float> kept;
  for (std::size_t s = 0; s < padded.sentences(); ++s) {
    const auto* first = values->data() + padded.offsets[s] * cols;
    kept.insert(kept.end(), first, first + padded.valid[s] * cols);
  }
  return kept;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
