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
  packed_model(const lowbit::canonical_model& model, const lowbit::engine& engine)
      : encoder_(lowbit_tool::encoder_of(model)),
        shape_(model.config.shape),
        engine_(engine.has(encoder_) ? engine : *engine.below),
        memory_(engine_.model_bytes(encoder_, model.weights(), shape_)) {
    const lowbit::status loaded =
        engine_.load(encoder_, model.weights(), shape_, memory_.data(), memory_.size());
    INFO(loaded.message());
    REQUIRE(loaded.ok());
  }

  /// No assertion of Catch2's here: callers are threads. No value stands for an error.
  [[nodiscard]] std::vector<float> run(const lowbit_tool::token_rows& rows,
                                       std::size_t threads) const {
    const lowbit::token_input in = rows.view();
    const lowbit::output_extents out = engine_.output(encoder_, shape_, in);
    const lowbit::aligned_buffer workspace(
        engine_.workspace_bytes(encoder_, shape_, in.batch, threads, false));
    lowbit::thread_pool pool(threads);
    std::vector<float> values(out.rows * out.cols);
    if (!engine_
             .run(encoder_, shape_, memory_.data(), in, workspace.data(), workspace.size(),
                  lowbit::threads_of(pool), nullptr, values.data())
             .ok())
      return {};
    return values;
  }

 private:
  std::size_t encoder_;
  lowbit::model_shape shape_;
  const lowbit::engine& engine_;
  lowbit::aligned_buffer memory_;
};

}  // namespace lowbit_test
