// SPDX-License-Identifier: Apache-2.0
// Threads: every policy with every head gives the same bits on one thread and on three, and to two
// callers that run one model at the same time, each with memory and threads of its own. The thread
// sanitizer runs this.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <thread>

#include "random_values.hpp"
#include "session.hpp"

namespace {

using lowbit::head_kind;
using lowbit_tool::token_rows;

struct variant {
  std::string policy;
  std::string zero;
};

std::vector<variant> variants() {
  std::vector<variant> all{{"bibert", "plus-one"}, {"pruned50", ""}};
  for (const lowbit::named_policy& p : lowbit::named_policies)
    all.push_back({std::string(p.name), ""});
  return all;
}

lowbit::canonical_model make_model(const variant& v, head_kind head) {
  lowbit::model_shape s{2, 75, 5, 131, 61, 17, 2, 3};
  s.head = head;
  if (head == head_kind::span) s.labels = 2;
  return lowbit_tool::random_model(s, v.policy, v.zero, 7).value();
}

token_rows make_rows(const lowbit::canonical_model& model) {
  const lowbit::model_shape& s = model.config.shape;
  lowbit_tool::random_values random(11);
  token_rows rows;
  for (const std::size_t length : {std::size_t{9}, std::size_t{1}, s.positions})
    rows.add(random.tokens(length, s.vocabulary), random.tokens(length, s.token_types));
  rows.asked = {9, 0, 26};
  return lowbit::needs_padding(lowbit::find_policy(model.policy)->family) ? rows.padded() : rows;
}

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
  [[nodiscard]] std::vector<float> run(const token_rows& rows, std::size_t threads) const {
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

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

template <class Check>
void for_every_model(const Check& check) {
  for (const variant& v : variants()) {
    for (const head_kind head :
         {head_kind::sequence, head_kind::token, head_kind::span, head_kind::masked_lm,
          head_kind::mean_embedding, head_kind::cls_embedding}) {
      const lowbit::canonical_model model = make_model(v, head);
      const token_rows rows = make_rows(model);
      for (const lowbit_engine::engine* engine : lowbit_tool::usable_engines()) {
        CAPTURE(v.policy, v.zero, name_of(head), engine->arch);
        const packed_model packed(model, *engine);
        const std::vector<float> alone = packed.run(rows, 1);
        REQUIRE(!alone.empty());
        for (const float value : alone) REQUIRE(std::isfinite(value));
        check(packed, rows, alone);
      }
    }
  }
}

}  // namespace

TEST_CASE("three threads give the bits of one", "[threads]") {
  for_every_model(
      [](const packed_model& model, const token_rows& rows, const std::vector<float>& alone) {
        CHECK(same_bits(model.run(rows, 3), alone));
      });
}

TEST_CASE("two callers run one model at the same time", "[threads]") {
  for_every_model(
      [](const packed_model& model, const token_rows& rows, const std::vector<float>& alone) {
        std::vector<float> found[2];
        const auto call = [&](std::size_t caller) { found[caller] = model.run(rows, 2); };
        std::thread other(call, 1);
        call(0);
        other.join();
        CHECK(same_bits(found[0], alone));
        CHECK(same_bits(found[1], alone));
      });
}
