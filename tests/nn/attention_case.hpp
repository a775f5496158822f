// SPDX-License-Identifier: Apache-2.0
// A batch for one attention layer, and its run in memory of exactly the planned size. Expected
// results come from naive loops in the test files.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "../support/bit_rows.hpp"
#include "../support/compare.hpp"
#include "../support/weights.hpp"
#include "lowbit/nn/attention.hpp"

namespace lowbit_test {

using lowbit::word;

struct attention_case {
  std::size_t heads, width;
  bool relative_bias = false;
  std::size_t window = 0;  // rotary positions, and this window; 0: neither
  std::vector<std::uint32_t> offsets{0};

  attention_case(std::size_t h, std::size_t d, const std::vector<std::size_t>& lengths)
      : heads(h), width(d) {
    for (const std::size_t n : lengths) {
      offsets.push_back(offsets.back() + static_cast<std::uint32_t>(n));
    }
  }
  [[nodiscard]] std::size_t hidden() const { return heads * width; }
  [[nodiscard]] std::size_t tokens() const { return offsets.back(); }
  [[nodiscard]] std::size_t sentences() const { return offsets.size() - 1; }
  [[nodiscard]] lowbit::token_batch batch() const { return {offsets.data(), sentences()}; }
  [[nodiscard]] lowbit::model_shape shape() const {
    lowbit::model_shape s;
    s.hidden = hidden();
    s.heads = heads;
    s.relative_bias = relative_bias;
    if (window != 0) {
      s.block = lowbit::block_kind::pre_norm;
      s.global_every = 2;
      s.window = window;
      s.global_theta = 7.0F, s.local_theta = 100.0F;
    }
    return s;
  }
  [[nodiscard]] lowbit::batch_limits limits(std::size_t workers) const {
    lowbit::batch_limits l{tokens(), sentences(), 0, workers};
    for (std::size_t s = 0; s < sentences(); ++s) l.longest = std::max(l.longest, length(s));
    return l;
  }
  [[nodiscard]] std::size_t begin(std::size_t s) const { return offsets[s]; }
  [[nodiscard]] std::size_t length(std::size_t s) const { return offsets[s + 1] - offsets[s]; }

  /// The tokens that ask: all, or the first of each sentence.
  [[nodiscard]] std::vector<std::size_t> query_tokens(bool first_only) const {
    std::vector<std::size_t> rows;
    for (std::size_t s = 0; s < sentences(); ++s) {
      for (std::size_t t = 0; t < (first_only ? 1 : length(s)); ++t) rows.push_back(begin(s) + t);
    }
    return rows;
  }
  [[nodiscard]] std::size_t sentence_of(std::size_t token) const {
    std::size_t s = 0;
    while (offsets[s + 1] <= token) ++s;
    return s;
  }
};

/// Sentence lengths whose blocks end before, at and after 64 tokens, alone and together.
inline std::vector<std::vector<std::size_t>> sentence_batches() {
  return {{1}, {2}, {63}, {64}, {65}, {130}, {65, 1, 130, 2, 64, 63}, {1, 1, 1, 7}};
}

/// Sign rows (T, words) of unpacked values (T, D), ending at a guard page.
struct sign_rows {
  guarded<word> memory;
  lowbit::matrix_view<word> view;
  sign_rows(const std::vector<std::int8_t>& values, std::size_t rows, std::size_t cols)
      : memory(rows * lowbit::words_for(cols)),
        view{memory.data(), rows, lowbit::words_for(cols), lowbit::words_for(cols)} {
    for (std::size_t r = 0; r < rows; ++r) {
      const auto row = bit_row(values.data() + r * cols, cols, -1);
      std::copy(row.begin(), row.end(), view.row(r));
    }
  }
};

/// Loads a layer from `tensors` and runs it; `out` and `counts` get the context.
template <class Layer, class Rows, class Out, class Executor>
void run_attention(const attention_case& c, const tensor_store& tensors, const Rows& q,
                   const Rows& k, const Rows& v, bool first_only, const Out& out,
                   std::int32_t* counts, Executor& executor) {
  Layer layer;
  lowbit::arena measure;
  const std::size_t index = c.window == 0 ? 0 : 1;
  REQUIRE(layer.load(measure, {}, index, c.shape()).ok());
  const guarded<std::byte> weights(measure.used());
  lowbit::arena weight_space(weights.data(), weights.size());
  REQUIRE(layer.load(weight_space, tensors.weights(), index, c.shape()).ok());

  typename Layer::template workspace<false> w;
  lowbit::arena plan;
  w.plan(plan, c.shape(), c.limits(executor.workers()));
  const guarded<std::byte> memory(plan.used(), 0xFF);  // stale bits must not matter
  lowbit::arena space(memory.data(), memory.size());
  w.plan(space, c.shape(), c.limits(executor.workers()));
  lowbit::no_observer observer;
  if constexpr (requires { layer.turn(q, k, lowbit::query_blocks{}, executor); })
    layer.turn(q, k, {c.batch(), first_only}, executor);
  layer.prepare(w, k, v, c.batch(), executor);
  layer.run(w, q, {c.batch(), first_only}, out, counts, executor, observer);
}

}  // namespace lowbit_test
