// SPDX-License-Identifier: Apache-2.0
// Whole searches on toy data with a clock of their own: what they write, that they go on where they
// stopped, and what they refuse.
#include "lowbit/train/recipe/search.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <memory>

#include "support/separable_set.hpp"

using namespace lowbit::train;
using train_test::mentions;
using train_test::separable_set;
namespace fs = std::filesystem;

namespace {

/// Microseconds as many as growth says; counts how often it was asked.
latency_meter toy_meter(const std::shared_ptr<int>& asked) {
  return [asked](const lowbit::model_shape& candidate,
                 const lowbit::model_shape& maximum) -> lowbit::result<measured_shape> {
    ++*asked;
    return measured_shape{1e-6 * static_cast<double>(growth(point_of(candidate))),
                          1e-6 * static_cast<double>(growth(point_of(maximum))),
                          4 * stored_parameters(candidate)};
  };
}

search_options search_on(const separable_set& set, const std::string& out,
                         const std::shared_ptr<int>& asked) {
  search_options o;
  set.fill(o, out, 2);
  o.teacher = set.path / "teacher";
  o.grid = {{1, 2}, {2}, {8, 16}, {16}};
  o.meter = toy_meter(asked), o.measured_as = "growth";
  o.trials.steps = 12, o.trials.type = precision::f32;
  o.rates = {0.5, 0.1}, o.batches = {8};
  return o;
}

/// A masked language model of random weights over the set's vocabulary.
void write_masked_lm(const separable_set& set, const std::string& out) {
  const auto tokenizer = lowbit::tokenizer::load(set.path / "vocab.txt");
  REQUIRE(tokenizer.ok());
  model_description d{{2, 32, 2, 64, tokenizer->vocabulary_size(), 16}, {}, tokens_of(*tokenizer)};
  d.shape.head = lowbit::head_kind::masked_lm;
  torch::manual_seed(5);
  const float_scheme how;
  bert model(d.shape, std::make_shared<float_scheme>());
  REQUIRE(
      write_model_folder(set.path / out, d, how, model.exported(), {}, lowbit::existing::replace)
          .ok());
}

}  // namespace

TEST_CASE("a search ranks the shapes by W, trains the best, and goes on where it stopped") {
  const separable_set set("search");
  set.train_model("teacher", 2, 32, 6);
  const auto asked = std::make_shared<int>(0);
  auto o = search_on(set, "out", asked);
  REQUIRE(search(o).ok());
  CHECK(*asked == 1 + 4);  // the teacher, and each shape once
  const auto ranking = set.json("out/ranking.json");
  REQUIRE(ranking.at("candidates").size() == 4);
  const double p_t = ranking.at("maximum").at("parameters"), i_t = 2 * (4 * 32 * 32 + 2 * 32 * 64);
  double last = 1e300;
  for (const auto& c : ranking.at("candidates")) {
    const double d = c.at("layers"), h = c.at("hidden"), ffn = c.at("intermediate");
    const double e = std::min(c.at("trials")[0].at("error").get<double>(),
                              c.at("trials")[1].at("error").get<double>());
    const double i = d * (4 * h * h + 2 * h * ffn), p = c.at("parameters");
    CHECK(c.at("W").get<double>() == Catch::Approx((1 - p / p_t) * (1 - i / i_t) / e));
    CHECK(c.at("W").get<double>() <= last);
    last = c.at("W");
    CHECK(e < 0.6);  // soft cross entropy of two classes, divided by both
  }
  const auto config = set.json("out/config.json");
  const auto& best = ranking.at("candidates")[0];
  CHECK(config.at("num_hidden_layers") == best.at("layers"));
  CHECK(config.at("hidden_size") == best.at("hidden"));
  CHECK(set.json("out/results.json").at("finished") == true);
  CHECK(fs::exists(set.path / "out" / "front.svg"));
  CHECK(!fs::exists(search_state_of(o.out)));
  CHECK(load_model(o.out, torch::kCPU).ok());

  SECTION("a finished search is not done again, a wider one tries what is new alone") {
    const std::string before = set.bytes("out/ranking.json"),
                      model = set.bytes("out/model.safetensors");
    auto again = o;
    again.fit.resume = true;
    REQUIRE(search(again).ok());
    CHECK(*asked == 5);
    CHECK(set.bytes("out/ranking.json") == before);
    CHECK(set.bytes("out/model.safetensors") == model);
    // Stored errors are taken as they are: a trial done again would overwrite these.
    auto doctored = ranking;
    for (auto& c : doctored.at("candidates")) {
      for (auto& t : c.at("trials")) t["error"] = t.at("error").get<double>() + 100;
    }
    REQUIRE(
        lowbit::write_file(search_state_of(o.out), doctored.dump(), lowbit::existing::refuse).ok());
    again.grid.intermediate.push_back(24);
    again.train = false;
    REQUIRE(search(again).ok());
    CHECK(*asked == 5 + 4);
    int old = 0;
    const auto wider = set.json("out/ranking.json");
    CHECK(wider.at("candidates").size() == 8);
    for (const auto& c : wider.at("candidates")) {
      const bool known = c.at("intermediate") == 16;
      CHECK((c.at("error").get<double>() > 100) == known);
      old += known ? 1 : 0;
    }
    CHECK(old == 4);
    again.trials.steps = 13;
    CHECK(mentions(search(again), "other options"));
  }
  SECTION("the same search finds the same errors, and keeps an existing folder") {
    CHECK(mentions(search(o), "exists"));
    auto twin = o;
    twin.out = set.path / "twin";
    twin.train = false;
    REQUIRE(search(twin).ok());
    CHECK(set.json("twin/ranking.json") == ranking);
    CHECK(!fs::exists(twin.out / "model.safetensors"));
  }
  SECTION("budgets choose among shapes, and impossible ones are one message") {
    auto fast = search_on(set, "fast", asked);
    fast.train = false;
    // growth of <1,2,8,16>: 512 -> 0.512 ms; of <2,2,8,16>: 1024
    fast.max_milliseconds = 0.6;
    REQUIRE(search(fast).ok());
    const auto fits = set.json("fast/ranking.json").at("candidates");
    REQUIRE(fits.size() == 1);
    CHECK((fits[0].at("layers") == 1 && fits[0].at("hidden") == 8));
    auto none = search_on(set, "none", asked);
    none.max_milliseconds = 0.1;
    const auto refused = search(none);
    CHECK(mentions(refused, "0.1 ms"));
    CHECK(mentions(refused, "0.512 ms"));
    CHECK(!fs::exists(none.out));
    CHECK(mentions(search(none), "none.search: exists"));  // what was measured is for --resume
  }
  SECTION("grids that cannot be searched are one message") {
    auto empty = search_on(set, "empty", asked);
    empty.grid.heads = {3};
    CHECK(mentions(search(empty), "empty"));
    auto large = search_on(set, "large", asked);
    large.grid = {{2, 4}, {2}, {32}, {64, 128}};
    CHECK(mentions(search(large), "not larger"));
    auto bare = search_on(set, "bare", asked);
    bare.rates.clear();
    CHECK(mentions(search(bare), "learning rate"));
  }
  SECTION("a trial that diverges has no W") {
    auto wild = search_on(set, "wild", asked);
    wild.grid = {{1}, {2}, {8}, {16}};
    wild.rates = {1e38};
    CHECK(mentions(search(wild), "no shape has a positive W"));
  }
}

TEST_CASE("a masked language model's search masks plain text and trains a smaller one") {
  const separable_set set("search-mlm");
  write_masked_lm(set, "teacher");
  const auto asked = std::make_shared<int>(0);
  auto o = search_on(set, "out", asked);
  o.grid = {{1}, {2}, {8, 16}, {16}};
  o.rates = {1e-2};
  o.trials.adam = true;
  REQUIRE(search(o).ok());
  CHECK(set.json("out/ranking.json").at("candidates").size() == 2);
  CHECK(set.json("out/config.json").at("architectures")[0] == "BertForMaskedLM");
  CHECK(set.json("out/results.json").contains("validation_masked_accuracy"));
  auto loaded = load_model(o.out, torch::kCPU);
  REQUIRE(loaded.ok());
  CHECK(loaded->model.shape().head == lowbit::head_kind::masked_lm);
}
