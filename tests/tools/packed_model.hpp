// SPDX-License-Identifier: Apache-2.0
// A model in an engine's own form, for tests that run one on several engines and threads.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "session.hpp"

namespace lowbit_test {

/// A model that is not written to once it is loaded.
class packed_model {
 public:
  packed_model(const lowbit::canonical_model& model, const lowbit_engine::engine& engine)
      : policy_(lowbit_tool::engine_policy(model)),
        shape_(lowbit_tool::engine_shape(model.config.shape)),
        engine_(engine.computes(policy_) ? engine : *engine.below) {
    const auto tensors = lowbit_tool::engine_tensors(model);
    memory_ = lowbit::aligned_buffer(
        engine_.model_bytes(policy_, shape_, tensors.data(), tensors.size()));
    lowbit_engine::error why{};
    const bool loaded = engine_.load(policy_, shape_, tensors.data(), tensors.size(),
                                     memory_.data(), memory_.size(), why);
    INFO(why.text);
    REQUIRE(loaded);
  }

  /// No assertion of Catch2's here: callers are threads. No value stands for an error.
  [[nodiscard]] std::vector<float> run(const lowbit_tool::token_rows& rows,
                                       std::size_t threads) const {
    const lowbit_engine::batch batch = rows.view();
    const lowbit_engine::extents out = engine_.output(policy_, shape_, batch);
    const lowbit::aligned_buffer workspace(
        engine_.workspace_bytes(policy_, shape_, batch, threads, false));
    lowbit::thread_pool pool(threads);
    std::vector<float> values(out.rows * out.cols);
    lowbit_engine::error why{};
    if (!engine_.run(policy_, shape_, memory_.data(), batch, workspace.data(), workspace.size(),
                     lowbit_tool::executor_of(pool), nullptr, values.data(), why))
      return {};
    return values;
  }

 private:
  lowbit_engine::policy policy_;
  lowbit_engine::shape shape_;
  const lowbit_engine::engine& engine_;
  lowbit::aligned_buffer memory_;
};

}  // namespace lowbit_test
