// SPDX-License-Identifier: Apache-2.0
// Threads: every policy with every head gives the same bits on one thread and on three, and to two
// callers that run one model at the same time, each with memory and threads of its own. The thread
// sanitizer runs this.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <thread>

#include "packed_model.hpp"
#include "random_values.hpp"

namespace {

using lowbit::head_kind;
using lowbit_test::packed_model;
using lowbit_tool::token_rows;

/// What the attention of a model adds to BERT's.
enum class addition { nothing, relative_bias, rotary_positions };

struct shared_variant {
  std::string policy;
  std::string zero;
  addition more = addition::nothing;
};

std::vector<shared_variant> shared_variants() {
  std::vector<shared_variant> all{{"bibert", "plus-one"}, {"pruned50", ""}};
  for (const lowbit::named_policy& p : lowbit::named_policies)
    all.push_back({std::string(p.name), ""});
  for (const char* policy : {"fp32", "int8", "pruned50"}) {
    for (const addition more : {addition::relative_bias, addition::rotary_positions})
      all.push_back({policy, "", more});
  }
  return all;
}

lowbit::canonical_model make_model(const shared_variant& v, head_kind head) {
  lowbit::model_shape s{2, 75, 5, 131, 61, 17, 2, 3};
  s.head = head;
  if (head == head_kind::span) s.labels = 2;
  s.relative_bias = v.more == addition::relative_bias;
  if (v.more == addition::rotary_positions) {
    s.hidden = 80, s.layers = 4, s.positions = 150;
    s.block = lowbit::block_kind::pre_norm;
    s.global_every = 3, s.window = 5;
    s.global_theta = 1000.0F, s.local_theta = 10.0F;
    s.mean_classifier = v.policy == "int8";
  }
  return lowbit_tool::random_model(s, v.policy, v.zero, 7).value();
}

token_rows make_rows(const lowbit::canonical_model& model) {
  const lowbit::model_shape& s = model.config.shape;
  lowbit_tool::random_values random(11);
  token_rows rows;
  for (const std::size_t length : {std::size_t{9}, std::size_t{1}, s.positions})
    rows.add(random.tokens(length, s.vocabulary), random.tokens(length, s.token_types));
  rows.masked = {9, 0, 26};
  return lowbit::find_policy(model.policy)->padded ? rows.padded() : rows;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

template <class Check>
void for_every_model(const Check& check) {
  for (const shared_variant& v : shared_variants()) {
    for (const head_kind head :
         {head_kind::sequence, head_kind::token, head_kind::span, head_kind::masked_lm,
          head_kind::mean_embedding, head_kind::cls_embedding}) {
      const lowbit::canonical_model model = make_model(v, head);
      const token_rows rows = make_rows(model);
      for (const lowbit::engine* engine : lowbit::usable_engines()) {
        CAPTURE(v.policy, v.zero, static_cast<int>(v.more), name_of(head), engine->arch);
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

TEST_CASE("additions to attention have the same bits on every engine, alone or in a batch",
          "[threads]") {
  for (const shared_variant& v : shared_variants()) {
    if (v.more == addition::nothing) continue;
    for (const head_kind head : {head_kind::sequence, head_kind::mean_embedding}) {
      const lowbit::canonical_model model = make_model(v, head);
      const token_rows rows = make_rows(model);
      const lowbit::token_input in = rows.view();
      std::vector<float> first;
      for (const lowbit::engine* engine : lowbit::usable_engines()) {
        CAPTURE(v.policy, static_cast<int>(v.more), name_of(head), engine->arch);
        const packed_model packed(model, *engine);
        const std::vector<float> together = packed.run(rows, 1);
        REQUIRE(!together.empty());
        if (first.empty()) first = together;
        CHECK(same_bits(together, first));
        std::vector<float> one_by_one;
        for (std::size_t s = 0; s < in.batch.sentences; ++s) {
          token_rows one;
          const std::size_t begin = in.batch.begin(s), end = begin + in.batch.length(s);
          one.add({in.ids + begin, in.ids + end}, {in.type_ids + begin, in.type_ids + end});
          const std::vector<float> alone = packed.run(one, 1);
          one_by_one.insert(one_by_one.end(), alone.begin(), alone.end());
        }
        CHECK(same_bits(one_by_one, together));
      }
    }
  }
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
