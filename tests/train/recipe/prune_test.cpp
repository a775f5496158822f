// SPDX-License-Identifier: Apache-2.0
// Pruning as a recipe: exact zeros that the runtime keeps, smaller dense models, rounds, resume.
#include "lowbit/train/recipe/prune.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "support/runtime.hpp"
#include "support/separable_set.hpp"

using namespace lowbit::train;
using train_test::mentions;
using train_test::separable_set;

namespace {

void settle(fit_options& o) {
  o.dropout = o.classifier_dropout = 0.0;
  o.type = precision::f32;
}

/// With a full precision model of 4 heads that knows the classes.
struct prune_set : separable_set {
  explicit prune_set(const std::string& name) : separable_set(name) {
    auto o = model("fp32", 2, 32, 15);
    o.shape.heads = 4, o.shape.intermediate = 48;
    settle(o.fit);
    REQUIRE(finetune(o).ok());
  }
};

prune_options prune_on(const separable_set& t, const std::string& out) {
  prune_options o;
  t.fill(o, out, 5);
  settle(o.fit);
  o.student = t.path / "fp32", o.every = 3;
  return o;
}

bert model_of(const separable_set& t, const std::string& folder) {
  auto loaded = load_model(t.path / folder, torch::kCPU);
  REQUIRE(loaded.ok());
  return std::move(loaded->model);
}

/// A packed tensor's bytes by name.
std::string packed_bytes(const lowbit::canonical_model& m, const std::string& name) {
  const auto* found = m.weights().find(name);
  REQUIRE(found != nullptr);
  return {reinterpret_cast<const char*>(found->data),
          found->elements() * lowbit::size_of(found->type)};
}

}  // namespace

TEST_CASE("a pruned folder has exactly the zeros that were asked for, and the runtime keeps them") {
  const prune_set t("prune");
  auto o = prune_on(t, "sparse");
  o.sparsity = 0.8;
  o.teacher = t.path / "fp32";
  const auto done = prune(o);
  INFO(done.message());
  REQUIRE(done.ok());
  CHECK(t.results("sparse").at("validation_accuracy").get<double>() >= 0.9);
  bert model = model_of(t, "sparse");
  std::size_t matrices = 0;
  for (const auto& [name, p] : model.parameters()) {
    INFO(name);
    const bool encoder = name.find("encoder") != std::string::npos;
    const bool pruned =
        (encoder && name.find("LayerNorm") == std::string::npos && name.ends_with(".weight")) ||
        name == "bert.pooler.dense.weight";
    if (!pruned) continue;
    ++matrices;
    const auto asked =
        static_cast<std::int64_t>(std::floor(0.8 * static_cast<double>(p.numel()) + 0.5));
    CHECK(p.eq(0).sum().item<std::int64_t>() == asked);
  }
  CHECK(matrices == 13);
  CHECK(model.parameters().front().second.eq(0).sum().item<std::int64_t>() == 0);

  const auto sparse = lowbit::open_model(t.path / "sparse", {"sparse", {}});
  const auto pruned80 = lowbit::open_model(t.path / "sparse", {"pruned80", {}});
  REQUIRE(sparse.ok());
  REQUIRE(pruned80.ok());
  for (const lowbit::linear_layout& layer : lowbit::linear_layers(model.shape())) {
    if (layer.at == lowbit::site::classifier) continue;
    for (const char* part : {".mask", ".values", ".offsets"}) {
      const std::string name = layer.name + ".weight" + part;
      CHECK(packed_bytes(*sparse, name) == packed_bytes(*pruned80, name));
    }
  }
  CHECK(train_test::compare_with_runtime<lowbit::policy::any_float>(model, *sparse).sentences == 0);

  SECTION("a resumed run equals the uninterrupted one") {
    auto parts = o;
    parts.out = t.path / "parts";
    parts.fit.stop_after = 20;
    REQUIRE(prune(parts).ok());
    parts.fit.stop_after = 0, parts.fit.resume = true;
    REQUIRE(prune(parts).ok());
    CHECK(t.bytes("sparse/model.safetensors") == t.bytes("parts/model.safetensors"));
  }
  SECTION("an epoch before the last zeros is not kept, however good") {
    auto late = o;
    late.out = t.path / "late";
    late.end = 0.9, late.fit.epochs = 3;
    REQUIRE(prune(late).ok());
    CHECK(t.results("late").at("run").at("best_epoch").get<int>() == 3);
    CHECK(t.results("late").at("run").at("scores").size() == 3);
  }
}

TEST_CASE("heads and neurons that are removed leave a smaller model that knows the task") {
  const prune_set t("shrink");
  auto o = prune_on(t, "small");
  o.heads = 1, o.neurons = 12;
  const auto done = prune(o);
  INFO(done.message());
  REQUIRE(done.ok());
  const auto config = lowbit::load_config(t.path / "small");
  REQUIRE(config.ok());
  CHECK(config->shape.heads == 1);
  CHECK(config->shape.inner() == 8);
  CHECK(config->shape.intermediate == 12);
  CHECK(t.results("small").at("validation_accuracy").get<double>() >= 0.9);
  CHECK(t.results("small").at("heads_kept").size() == 2);

  SECTION("in rounds, each of its own training, also when stopped and resumed") {
    auto rounds = o;
    rounds.out = t.path / "rounds", rounds.rounds = 3, rounds.fit.epochs = 2;
    REQUIRE(prune(rounds).ok());
    CHECK(lowbit::load_config(t.path / "rounds")->shape.heads == 1);
    CHECK(lowbit::load_config(t.path / "rounds")->shape.intermediate == 12);
    auto parts = rounds;
    parts.out = t.path / "parts";
    const std::int64_t half = t.results("rounds").at("run").at("step").get<std::int64_t>() / 2 + 1;
    parts.fit.stop_after = half;  // in the first round
    REQUIRE(prune(parts).ok());
    CHECK(!train_test::fs::exists(t.path / "parts"));
    parts.fit.stop_after = 0, parts.fit.resume = true;
    REQUIRE(prune(parts).ok());
    CHECK(t.bytes("rounds/model.safetensors") == t.bytes("parts/model.safetensors"));
    CHECK(lowbit::load_config(t.path / "rounds.round1")->shape.intermediate == 36);
    CHECK(mentions(prune(rounds), "exists"));
    auto other = parts;  // of what is finished nothing is taken for a run of other options
    other.neurons = 6;
    CHECK(mentions(prune(other), "other options"));
    other = parts, other.fit.seed = 9;
    CHECK(mentions(prune(other), "other options"));
    REQUIRE(prune(parts).ok());  // finished: nothing to do
    CHECK(t.bytes("rounds/model.safetensors") == t.bytes("parts/model.safetensors"));
    std::size_t left = 0;
    for (const auto& entry : train_test::fs::directory_iterator(t.path)) {
      left += entry.path().filename().native().find("checkpoint") != std::string::npos ? 1 : 0;
    }
    CHECK(left == 0);
  }
  SECTION("equal steps lead from all to what is left") {
    CHECK(lowbit::train::detail::left_after(1, 3, 12, 3) == 9);
    CHECK(lowbit::train::detail::left_after(2, 3, 12, 3) == 6);
    CHECK(lowbit::train::detail::left_after(3, 3, 12, 3) == 3);
    CHECK(lowbit::train::detail::left_after(1, 2, 4, 3) == 4);
  }
  SECTION("bad input is one message") {
    CHECK(mentions(prune(prune_on(t, "x")), "either"));
    auto both = prune_on(t, "x");
    both.heads = 1, both.sparsity = 0.5;
    CHECK(mentions(prune(both), "either"));
    auto more = prune_on(t, "x");
    more.heads = 9;
    CHECK(mentions(prune(more), "4 heads"));
    auto all = prune_on(t, "x");
    all.sparsity = 1.0;
    CHECK(mentions(prune(all), "sparsity"));
    CHECK(!train_test::fs::exists(t.path / "x"));
  }
}
