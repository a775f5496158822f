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
constexpr lowbit::engine_threads in_turns{
    workers, nullptr,
    [](void*, std::size_t tasks, void* task, void (*call)(void*, std::size_t, std::size_t)) {
      for (std::size_t i = 0; i < tasks; ++i) call(task, i, i % workers);
    }};

/// The engines that have this model's encoder; the others leave it to one of them.
inline std::vector<const lowbit::engine*> engines_of(const lowbit::canonical_model& model) {
  auto engines = lowbit::usable_engines();
  std::erase_if(engines, [&](const lowbit::engine* engine) {
    return !engine->has(lowbit_tool::encoder_of(model));
  });
  return engines;
}

/// A model packed into memory full of `pattern`.
class poisoned_model {
 public:
  poisoned_model(const lowbit::canonical_model& model, const lowbit::engine& engine,
                 unsigned char pattern)
      : encoder_(lowbit_tool::encoder_of(model)),
        shape_(model.config.shape),
        engine_(engine),
        memory_(engine_.model_bytes(encoder_, model.weights(), shape_), pattern),
        pattern_(pattern) {
    poison_stack(pattern);
    const lowbit::status loaded =
        engine_.load(encoder_, model.weights(), shape_, memory_.data(), memory_.size());
    INFO(model.policy << ": " << loaded.message());
    REQUIRE(loaded.ok());
  }

  /// The head's values, and what an observer sees after them.
  [[nodiscard]] std::vector<float> run(const token_rows& rows, bool observed = false) const {
    const lowbit::token_input in = rows.view();
    const lowbit::output_extents out = engine_.output(encoder_, shape_, in);
    const guarded<float> values(out.rows * out.cols, pattern_);
    std::vector<float> seen;
    const lowbit::run_observer watch = recorder(seen);
    const guarded<std::byte> space(
        engine_.workspace_bytes(encoder_, shape_, in.batch, workers, observed), pattern_);
    poison_stack(pattern_);
    const lowbit::status done =
        engine_.run(encoder_, shape_, memory_.data(), in, space.data(), space.size(), in_turns,
                    observed ? &watch : nullptr, values.data());
    INFO(done.message());
    REQUIRE(done.ok());
    std::vector<float> all(values.begin(), values.end());
    all.insert(all.end(), seen.begin(), seen.end());
    return all;
  }
  /// Hidden rows after layer 1 alone; unchanged where layers do not run alone.
  [[nodiscard]] std::vector<float> run_layer(const token_rows& rows) const {
    const lowbit::token_batch batch = rows.view().batch;
    std::vector<float> hidden;
    for (const std::int32_t token : rows.ids) {
      for (std::size_t c = 0; c < shape_.hidden; ++c)
        hidden.push_back(static_cast<float>(token) / 97.0F - static_cast<float>(c % 7) / 7.0F);
    }
    const guarded<std::byte> space(engine_.workspace_bytes(encoder_, shape_, batch, workers, false),
                                   pattern_);
    poison_stack(pattern_);
    const lowbit::status done =
        engine_.run_layer(encoder_, shape_, memory_.data(), 1, batch, space.data(), space.size(),
                          in_turns, hidden.data());
    INFO(done.message());
    REQUIRE((done.ok() || done.message().ends_with("its layers do not run alone")));
    return hidden;
  }

 private:
  using rows = lowbit::run_observer::rows;

  static void record(void* to, const rows& r) {
    auto& seen = *static_cast<std::vector<float>*>(to);
    for (std::size_t i = 0; i < r.rows; ++i) seen.insert(seen.end(), r.row(i), r.row(i) + r.cols);
  }
  static lowbit::run_observer recorder(std::vector<float>& seen) {
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

  std::size_t encoder_;
  lowbit::model_shape shape_;
  const lowbit::engine& engine_;
  guarded<std::byte> memory_;
  unsigned char pattern_;
};

}  // namespace lowbit_test
