// SPDX-License-Identifier: Apache-2.0
// Models in the engines' tables whose packed weights, workspace, output and stack are full of one
// byte before every use.
#pragma once

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string_view>
#include <vector>

#include "../support/guarded.hpp"
#include "session.hpp"

namespace lowbit_test {

using lowbit_tool::token_rows;

/// What the call frames of the next run find below it.
__attribute__((noinline)) inline void poison_stack(unsigned char pattern) {
  std::array<unsigned char, 128 * 1024> frame;
  volatile unsigned char* bytes = frame.data();
  for (std::size_t i = 0; i < frame.size(); ++i) bytes[i] = pattern;
}

/// Tasks in turns in the memory of several workers, all on this thread.
constexpr std::size_t workers = 3;
constexpr lowbit_engine::executor in_turns{
    workers, nullptr,
    [](void*, std::size_t tasks, void* task, void (*call)(void*, std::size_t, std::size_t)) {
      for (std::size_t i = 0; i < tasks; ++i) call(task, i, i % workers);
    }};

/// A model packed into memory full of `pattern`.
class poisoned_model {
 public:
  poisoned_model(const lowbit::canonical_model& model, const lowbit_engine::engine& engine,
                 unsigned char pattern)
      : policy_(lowbit_tool::engine_policy(model)),
        shape_(lowbit_tool::engine_shape(model.config.shape)),
        engine_(engine.computes(policy_) ? engine : *engine.below),
        tensors_(lowbit_tool::engine_tensors(model)),
        memory_(engine_.model_bytes(policy_, shape_, tensors_.data(), tensors_.size()), pattern),
        pattern_(pattern) {
    lowbit_engine::error why{};
    poison_stack(pattern);
    const bool loaded = engine_.load(policy_, shape_, tensors_.data(), tensors_.size(),
                                     memory_.data(), memory_.size(), why);
    INFO(model.policy << ": " << why.text);
    REQUIRE(loaded);
  }

  /// The head's values, and what an observer sees after them.
  [[nodiscard]] std::vector<float> run(const token_rows& rows, bool observed = false) const {
    const lowbit_engine::batch batch = rows.view();
    const lowbit_engine::extents out = engine_.output(policy_, shape_, batch);
    const guarded<float> values(out.rows * out.cols, pattern_);
    std::vector<float> seen;
    const lowbit_engine::observer watch = recorder(seen);
    const guarded<std::byte> space(
        engine_.workspace_bytes(policy_, shape_, batch, workers, observed), pattern_);
    lowbit_engine::error why{};
    poison_stack(pattern_);
    const bool done =
        engine_.run(policy_, shape_, memory_.data(), batch, space.data(), space.size(), in_turns,
                    observed ? &watch : nullptr, values.data(), why);
    INFO(why.text);
    REQUIRE(done);
    std::vector<float> all(values.begin(), values.end());
    all.insert(all.end(), seen.begin(), seen.end());
    return all;
  }
  /// Hidden rows after layer 1 alone; unchanged where layers do not run alone.
  [[nodiscard]] std::vector<float> run_layer(const token_rows& rows) const {
    const lowbit_engine::batch batch = rows.view();
    std::vector<float> hidden;
    for (const std::int32_t token : rows.ids) {
      for (std::size_t c = 0; c < shape_.hidden; ++c)
        hidden.push_back(static_cast<float>(token) / 97.0F - static_cast<float>(c % 7) / 7.0F);
    }
    const guarded<std::byte> space(engine_.workspace_bytes(policy_, shape_, batch, workers, false),
                                   pattern_);
    lowbit_engine::error why{};
    poison_stack(pattern_);
    const bool done = engine_.run_layer(policy_, shape_, memory_.data(), 1, batch, space.data(),
                                        space.size(), in_turns, hidden.data(), why);
    INFO(why.text);
    REQUIRE((done || std::string_view(why.text).ends_with("its layers do not run alone")));
    return hidden;
  }

 private:
  static void record(void* to, const lowbit_engine::rows& r) {
    auto& seen = *static_cast<std::vector<float>*>(to);
    for (std::size_t i = 0; i < r.count; ++i)
      seen.insert(seen.end(), r.data + i * r.stride, r.data + i * r.stride + r.cols);
  }
  static lowbit_engine::observer recorder(std::vector<float>& seen) {
    using lowbit_engine::rows;
    constexpr auto part = [](void* to, std::size_t, std::size_t, std::size_t, std::size_t, rows r) {
      record(to, r);
    };
    return {&seen,
            [](void* to, std::size_t, rows r) { record(to, r); },
            part,
            part,
            [](void* to, rows r) { record(to, r); },
            [](void* to, std::size_t, std::size_t, rows r) { record(to, r); }};
  }

  lowbit_engine::policy policy_;
  lowbit_engine::shape shape_;
  const lowbit_engine::engine& engine_;
  std::vector<lowbit_engine::tensor> tensors_;
  guarded<std::byte> memory_;
  unsigned char pattern_;
};

}  // namespace lowbit_test
