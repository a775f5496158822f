// SPDX-License-Identifier: Apache-2.0
// Runs one policy, chosen at compile time, on one instruction set.
#pragma once

#include <filesystem>
#include <utility>

#include "lowbit/io/import.hpp"
#include "lowbit/io/model_checks.hpp"
#include "lowbit/model/heads.hpp"
#include "lowbit/pipeline/runner.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Model: a bert<Policy, Head, Arch> (model/heads.hpp)
template <class Model>
class policy_runner {
  using policy = typename Model::policy;

 public:
  /// Opens a Hugging Face or packed folder, or its files in memory, under the policy.
  /// Errors: invalid_argument for a folder of another policy or scheme; all of open_model
  static result<policy_runner> open(const model_files& path, const open_options& options) {
    LOWBIT_TRY_ASSIGN(const auto at, locate_model(path));
    const model_files& folder = at.transformer;
    LOWBIT_TRY_ASSIGN(auto config, load_config(folder));
    const activation_function found = config.shape.hidden_act;
    if (!computes_activation<typename policy::hidden_act>(found)) {
      return status::error(errc::invalid_argument, folder.native(), ": hidden_act is ",
                           name_of(found), ", policy ", policy::name, " has ",
                           policy::hidden_act::name);
    }
    LOWBIT_TRY_ASSIGN(auto model, open_as(folder, std::move(config)));
    LOWBIT_TRY(detail::find_pooling(at.folder, options.pooling, model));
    return policy_runner(std::move(model));
  }

  /// Packs the weights. Its head is Model's.
  /// Errors: io_error if memory runs out; those of bert::load
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

  [[nodiscard]] const canonical_model& model() const { return model_; }
  [[nodiscard]] static constexpr bool pads() { return whole_batch_ranges<policy>; }

  /// The output of the head for a batch, row by row.
  /// Errors: those of bert::run; io_error if memory runs out
  template <executor Executor>
  result<std::vector<float>> run(const token_rows& rows, Executor& threads,
                                 run_memory& memory) const {
    if (pads() && rows.valid.empty()) {
      return detail::run_padded(rows, model_.config.shape.head, [&](const token_rows& padded) {
        return run(padded, threads, memory);
      });
    }
    const token_input in = rows.view();
    const model_shape& shape = encoder_.shape();
    LOWBIT_TRY(memory.reserve(
        Model::workspace_bytes(shape, Model::limits_of(in.batch, threads.workers()))));
    const std::size_t count = Model::head::output_rows(in);
    const std::size_t cols = Model::head::output_cols(shape);
    std::vector<float> values(count * cols);
    LOWBIT_TRY(encoder_.run(in, memory.data(), memory.size(), {values.data(), count, cols, cols},
                            threads));
    return values;
  }

 private:
  explicit policy_runner(canonical_model model) : model_(std::move(model)) {}

  static result<canonical_model> open_as(const model_files& folder, model_config config) {
    if (config.packed.has_value()) {
      auto model = detail::open_packed(folder, std::move(config), {policy::name, {}});
      if (model) LOWBIT_TRY(check(*model, folder));
      return model;
    }
    if (std::is_base_of_v<counting_op, typename policy::linear::op> &&
        config.recognised == scheme::fp32) {
      return status::error(errc::invalid_argument, folder.native(),
                           ": a plain BERT checkpoint, policy ", policy::name,
                           " needs one trained for it");
    }
    if (detail::is_quantized_bert(config.recognised)) {
      LOWBIT_TRY(detail::find_quantized_bert_policy(folder, config, policy::name).status());
    }
    canonical_model model;
    model.config = std::move(config);
    model.policy = policy::name;
    model.zero = zero;
    LOWBIT_TRY(check(model, folder));
    return import_checkpoint<policy>(folder, std::move(model));
  }

  static constexpr const char* zero = stored_zero<policy>;

  /// Checks what open_model checks for a named policy, and what is known only from the type.
  static status check(const canonical_model& model, const model_files& folder) {
    if (find_policy(policy::name)) LOWBIT_TRY(detail::check_policy(model, folder.native()));
    if (model.zero == zero) return {};
    return status::error(
        errc::invalid_argument, folder.native(), ": packed with zero \"", model.zero,
        "\", this policy ", policy::name, " has \"", zero,
        "\": load it as policy::", model.zero == "torch" ? "bibert" : "bibert_plus_one");
  }

  canonical_model model_;
  aligned_buffer packed_;
  Model encoder_;
};

namespace detail {

template <class Policy, head_kind Head, class Arch>
struct model_of {
  using type = embedder<Policy, Arch>;  // of any pooling
};
template <class Policy, class Arch>
struct model_of<Policy, head_kind::sequence, Arch> {
  using type = classifier<Policy, Arch>;
};
template <class Policy, class Arch>
struct model_of<Policy, head_kind::token, Arch> {
  using type = token_classifier<Policy, Arch>;
};
template <class Policy, class Arch>
struct model_of<Policy, head_kind::span, Arch> {
  using type = span_extractor<Policy, Arch>;
};
template <class Policy, class Arch>
struct model_of<Policy, head_kind::masked_lm, Arch> {
  using type = masked_lm<Policy, Arch>;
};

}  // namespace detail

template <class Policy, head_kind Head, class Arch>
struct runner_of {
  using type = policy_runner<typename detail::model_of<Policy, Head, Arch>::type>;
};

}  // namespace lowbit::inline LOWBIT_ISA
