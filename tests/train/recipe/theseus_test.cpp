// SPDX-License-Identifier: Apache-2.0
// BERT-of-Theseus: what a mixture computes at its corners, how modules are drawn, what is trained
// and what is not, and the whole recipe on a toy set.
#include "lowbit/train/recipe/theseus.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <map>
#include <vector>

#include "lowbit/io/model_folder.hpp"
#include "lowbit/train/model/ternarybert.hpp"
#include "lowbit/train/recipe/qat.hpp"
#include "support/runtime.hpp"
#include "support/separable_set.hpp"

using namespace lowbit::train;
using train_test::mentions;
using train_test::separable_set;

namespace {

lowbit::model_shape shape_of(std::size_t layers, lowbit::head_kind head) {
  lowbit::model_shape s{layers, 16, 2, 24, 20, 8, 2, 3};
  s.head = head;
  return s;
}

batch two_sentences(bool by_token) {
  std::vector<example> data{{{2, 7, 8, 9, 3}, {1}, {}}, {{2, 9, 3}, {0}, {}}};
  if (by_token) {
    data[0].labels = {ignored_label, 1, 2, 0, ignored_label};
    data[1].labels = {ignored_label, 2, ignored_label};
  }
  return make_batch(data, {0, 1}, torch::kCPU);
}

/// A predecessor of 5 layers and a successor of 2 with its embeddings and head.
struct pair_of_models {
  bert predecessor, successor;
  explicit pair_of_models(lowbit::head_kind head, successor_start start,
                          const scheme_ptr& how = std::make_shared<float_scheme>())
      : predecessor(shape_of(5, head), how), successor(shape_of(2, head), how) {
    torch::NoGradGuard no_gradients;
    for (auto& [name, t] : predecessor.parameters()) t.add_(at::randn(t.sizes()) * 0.1);
    copy_layers(predecessor, successor,
                lowbit::train::detail::start_layers(start, layer_groups(5, 2)));
  }
};

std::map<std::string, Tensor> copies(bert& model) {
  std::map<std::string, Tensor> all;
  for (const auto& [name, t] : model.parameters()) all[name] = t.detach().clone();
  return all;
}

theseus_options theseus_on(const separable_set& set, const std::string& out) {
  theseus_options o;
  set.fill(o, out, 6);
  o.teacher = set.path / "predecessor";
  o.layers = 2;
  return o;
}

}  // namespace

TEST_CASE("with every module replaced the mixture is the successor, with none the predecessor") {
  torch::manual_seed(1);
  for (const auto head : {lowbit::head_kind::sequence, lowbit::head_kind::token}) {
    pair_of_models m(head, successor_start::random);
    const batch in = two_sentences(head == lowbit::head_kind::token);
    const auto groups = layer_groups(5, 2);
    torch::NoGradGuard no_gradients;
    for (const bool logits_only : {false, true}) {
      const forward_options o{.logits_only = logits_only};
      const auto mixed = [&](const std::vector<bool>& replaced) {
        return mixed_forward(m.predecessor, m.successor, groups, replaced, in, o);
      };
      const Tensor first = m.predecessor.forward(in, o).logits;
      const Tensor second = m.successor.forward(in, o).logits;
      CHECK(!at::equal(first, second));
      CHECK(at::equal(mixed({true, true}).logits, second));
      CHECK(at::equal(mixed({false, false}).logits, first));
      CHECK(mixed({true, true}).hidden.size() == 3);
      const Tensor half = mixed({true, false}).logits;
      CHECK((!at::equal(half, first) && !at::equal(half, second)));
      CHECK(!at::equal(half, mixed({false, true}).logits));
      CHECK(at::equal(mixed({true, false}).targets, m.predecessor.forward(in, o).targets));
    }
  }
}

TEST_CASE("a scheme whose ranges span the batch computes the last layer of every token") {
  torch::manual_seed(4);
  pair_of_models m(lowbit::head_kind::sequence, successor_start::random,
                   std::make_shared<ternarybert_scheme>(8));
  const batch in = two_sentences(false);
  torch::NoGradGuard no_gradients;
  const Tensor mixed = mixed_forward(m.predecessor, m.successor, layer_groups(5, 2), {true, true},
                                     in, {.logits_only = true})
                           .logits;
  CHECK(at::equal(mixed, m.successor.forward(in, {}).logits));
}

TEST_CASE("groups of layers are as even as possible") {
  using bounds = std::vector<std::size_t>;
  CHECK(layer_groups(12, 6) == bounds{0, 2, 4, 6, 8, 10, 12});
  CHECK(layer_groups(5, 2) == bounds{0, 2, 5});
  CHECK(layer_groups(7, 3) == bounds{0, 2, 4, 7});
  CHECK(layer_groups(3, 3) == bounds{0, 1, 2, 3});
  CHECK(layer_groups(4, 1) == bounds{0, 4});
  for (std::size_t n = 1; n < 14; ++n) {
    for (std::size_t m = 1; m <= n; ++m) {
      const auto b = layer_groups(n, m);
      REQUIRE(b.size() == m + 1);
      CHECK((b.front() == 0 && b.back() == n));
      for (std::size_t i = 0; i < m; ++i) {
        const std::size_t size = b[i + 1] - b[i];
        CHECK((size == n / m || size == (n + m - 1) / m));
      }
    }
  }
}

TEST_CASE("schedules at their corners, and what they derive from the number of steps") {
  const replacing_schedule published{true, 0.3, 0.0006, 0};
  CHECK(published(0) == 0.3);
  CHECK(published.alone_from() == 1167);
  CHECK(published(1166) < 1.0);
  CHECK(published(1167) == 1.0);
  CHECK(published(5000) == 1.0);
  const replacing_schedule constant{false, 0.5, 0.0, 2500};
  CHECK(constant(0) == 0.5);
  CHECK(constant(2499) == 0.5);
  CHECK(constant(2500) == 1.0);

  const auto half = schedule_for({true, 0.5, 0.0, 0}, 100);
  REQUIRE(half.ok());
  CHECK((*half)(49) < 1.0);
  CHECK((*half)(50) == 1.0);
  CHECK(half->alone_from() == 50);
  const auto steps = schedule_for({false, 0.5, 0.0, 0}, 100);
  REQUIRE(steps.ok());
  CHECK((*steps)(49) == 0.5);
  CHECK((*steps)(50) == 1.0);
  CHECK(schedule_for({true, 1.0, 0.0, 0}, 1).ok());

  CHECK(mentions(schedule_for({false, 0.5, 0.0, 100}, 100).status(), "step 100"));
  CHECK(mentions(schedule_for({true, 0.3, 0.001, 0}, 700).status(), "step 700"));
  CHECK(schedule_for({true, 0.3, 0.001, 0}, 701).ok());
  CHECK((*schedule_for({true, 0.0, 0.1, 0}, 100))(5) == Catch::Approx(0.5));
  CHECK(mentions(schedule_for({false, 0.0, 0.0, 10}, 100).status(), "p0"));
  CHECK(!schedule_for({true, std::nan(""), 0.1, 0}, 100).ok());
}

TEST_CASE("each module is replaced as often as its probability says, independently of the others") {
  constexpr int steps = 4000;
  std::vector<double> counts(3);
  double both = 0;
  for (int t = 0; t < steps; ++t) {
    const auto replaced = draw_replaced(7, t, 3, 0.3);
    CHECK(replaced == draw_replaced(7, t, 3, 0.3));  // of seed, step and module alone
    for (std::size_t i = 0; i < 3; ++i) counts[i] += replaced[i] ? 1 : 0;
    both += replaced[0] && replaced[2] ? 1 : 0;
  }
  // 4.5 standard deviations of a binomial count.
  for (const double c : counts) CHECK(std::abs(c / steps - 0.3) < 4.5 * std::sqrt(0.21 / steps));
  CHECK(std::abs(both / steps - 0.09) < 4.5 * std::sqrt(0.09 * 0.91 / steps));
  CHECK(draw_replaced(7, 1, 3, 1.0) == std::vector<bool>(3, true));
  CHECK(draw_replaced(7, 1, 3, 0.0) == std::vector<bool>(3, false));
}

TEST_CASE("a successor layer starts as layer i, as the end of its group, or as neither") {
  torch::manual_seed(2);
  const std::string name = ".attention.self.query.weight", layer = "bert.encoder.layer.";
  for (const auto& [start, first, second] :
       {std::tuple{successor_start::first, 0, 1}, std::tuple{successor_start::spread, 1, 4}}) {
    pair_of_models m(lowbit::head_kind::sequence, start);
    auto from = copies(m.predecessor), to = copies(m.successor);
    CHECK(at::equal(to[layer + "0" + name], from[layer + std::to_string(first) + name]));
    CHECK(at::equal(to[layer + "1" + name], from[layer + std::to_string(second) + name]));
  }
  pair_of_models m(lowbit::head_kind::sequence, successor_start::random);
  auto from = copies(m.predecessor), to = copies(m.successor);
  CHECK(!at::equal(to[layer + "0" + name], from[layer + "0" + name]));
  for (const char* same : {"bert.embeddings.word_embeddings.weight", "classifier.weight",
                           "bert.pooler.dense.bias", "bert.embeddings.LayerNorm.bias"}) {
    CHECK(at::equal(to[same], from[same]));
  }
}

TEST_CASE("gradients reach replaced modules through the predecessor, and nothing else") {
  torch::manual_seed(3);
  pair_of_models m(lowbit::head_kind::sequence, successor_start::first);
  const auto layers = lowbit::train::detail::freeze_all_but_layers(m.predecessor, m.successor);
  CHECK(layers.size() == 2 * 16);
  const batch in = two_sentences(false);
  const Tensor logits =
      mixed_forward(m.predecessor, m.successor, layer_groups(5, 2), {true, false}, in, {}).logits;
  at::cross_entropy_loss(logits, in.labels).backward();
  for (const auto& [name, t] : m.successor.parameters()) {
    INFO(name);
    CHECK(t.grad().defined() == name.starts_with("bert.encoder.layer.0."));
  }
  for (const auto& [name, t] : m.predecessor.parameters()) CHECK(!t.grad().defined());
}

TEST_CASE("the ranges and steps of a quantized successor come from the batches that it saw") {
  const separable_set set("theseus-ranges");
  set.train_model("fp32", 3, 16, 2);
  qat_options q;
  set.fill(q, "predecessor", 1);
  q.student = set.path / "fp32", q.policy = "q8bert";
  REQUIRE(qat(q).ok());
  auto o = theseus_on(set, "successor");
  o.fit.epochs = 2;
  o.start = successor_start::random;
  REQUIRE(theseus(o).ok());
  CHECK(lowbit::open_model(set.path / "successor").ok());  // a range of 0 is refused
  auto before = load_model(set.path / "predecessor", torch::kCPU);
  auto after = load_model(set.path / "successor", torch::kCPU);
  REQUIRE((before.ok() && after.ok()));
  const auto ranges = site_tensors(after->model, range_suffix);
  REQUIRE(ranges.size() == 2 * 4 + 1);  // q, k and v have one
  for (const Tensor& range : ranges) CHECK(range.item<float>() > 0.0F);
  const Tensor pooler = site_tensors(before->model, range_suffix).back();
  CHECK(!at::equal(ranges.back(), pooler));
}

TEST_CASE("a successor learns inside a frozen predecessor, resumes exactly, and runs as trained") {
  const separable_set set("theseus");
  set.train_model("predecessor", 5, 32, 15);
  const std::string before = set.bytes("predecessor/model.safetensors");
  auto o = theseus_on(set, "whole");
  o.schedule.p0 = 0.5;  // some early batches replace nothing
  REQUIRE(theseus(o).ok());
  CHECK(set.bytes("predecessor/model.safetensors") == before);
  CHECK(set.json("whole/results.json").at("validation_accuracy").get<double>() >= 0.9);
  CHECK(set.json("whole/config.json").at("num_hidden_layers") == 2);

  const auto folder = open_model_folder(set.path / "whole");
  REQUIRE(folder.ok());
  auto loaded = load_model(set.path / "whole", torch::kCPU);
  auto old = load_model(set.path / "predecessor", torch::kCPU);
  REQUIRE((loaded.ok() && old.ok()));
  auto now = copies(loaded->model), then = copies(old->model);
  for (const auto& [name, t] : now) {
    INFO(name);
    const bool key_bias = name.ends_with("key.bias");  // a softmax does not see it
    if (!key_bias) CHECK(at::equal(t, then.at(name)) == !name.starts_with("bert.encoder.layer."));
  }

  SECTION("a resumed run equals an uninterrupted one") {
    auto parts = o;
    parts.out = set.path / "parts";
    parts.fit.stop_after = 20;  // in the third epoch, before the successor stands alone
    REQUIRE(theseus(parts).ok());
    parts.fit.stop_after = 0, parts.fit.resume = true;
    auto changed = parts;
    changed.schedule.p0 = 0.6;
    CHECK(mentions(theseus(changed), "other options"));
    REQUIRE(theseus(parts).ok());
    CHECK(set.bytes("whole/model.safetensors") == set.bytes("parts/model.safetensors"));
  }
  SECTION("the runtime gives libtorch's logits") {
    const auto source = lowbit::open_model(set.path / "whole");
    REQUIRE(source.ok());
    const std::vector<std::int32_t> ids{2, 7, 9, 11, 8, 3};
    const auto logits = train_test::runtime_logits<lowbit::policy::fp32>(*source, ids);
    const example same{{ids.begin(), ids.end()}, {0}, {}};
    torch::NoGradGuard no_gradients;
    const Tensor expected = loaded->model.forward(make_batch({same}, torch::kCPU), {}).logits;
    REQUIRE(logits.size() == 2);
    for (int i = 0; i < 2; ++i) {
      CHECK(std::abs(logits[static_cast<std::size_t>(i)] - expected[0][i].item<float>()) <= 1e-4F);
    }
  }
  SECTION("a predecessor or a schedule that does not fit is one message") {
    auto deep = theseus_on(set, "deep");
    deep.layers = 6;
    CHECK(mentions(theseus(deep), "6 layers"));
    auto late = theseus_on(set, "late");
    late.schedule = {false, 0.5, 0.0, 1000};
    CHECK(mentions(theseus(late), "step 1000"));
    CHECK(!std::filesystem::exists(late.out));
  }
}
