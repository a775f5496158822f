// SPDX-License-Identifier: Apache-2.0
// One encoder layer on a padded batch against a plain evaluation in double, weights and activations
// decoded: every pair of weights and encodings, ragged sizes, equal bits on every arch and with two
// threads. A value next to the middle of two codes may be rounded the other way: the seeds are
// fixed and have none.
#include "lowbit/nn/encoder_layer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>

#include "../support/archs.hpp"
#include "../support/guarded.hpp"
#include "../support/two_threads.hpp"
#include "plain_layer.hpp"

namespace {

using namespace lowbit_test;

/// Hidden rows after the layer.
template <class Policy, class Arch, class Executor>
std::vector<float> run_layer(const padded_case& c, const plain_layer<Policy>& plain,
                             const matrix& h, Executor& executor) {
  lowbit::encoder_layer<Policy, Arch> layer;
  lowbit::arena measure;
  REQUIRE(layer.load(measure, plain.tensors().weights(), 0, c.shape).ok());
  const guarded<std::byte> memory(measure.used(), 0xFF);
  lowbit::arena space(memory.data(), memory.size());
  const lowbit::status loaded = layer.load(space, plain.tensors().weights(), 0, c.shape);
  INFO(loaded.message());
  REQUIRE(loaded.ok());
  const lowbit::batch_limits limits{c.tokens(), c.valid.size(), c.length, executor.workers()};
  lowbit::arena measured;
  lowbit::residual_stream stream;
  lowbit::layer_workspace<Policy, Arch, false> w;
  const auto plan = [&](lowbit::arena& workspace) {
    stream.plan(workspace, c.shape, limits, true);
    w.plan(workspace, c.shape, limits, stream);
  };
  plan(measured);
  const guarded<std::byte> work(measured.used(), 0xFF);
  lowbit::arena planned(work.data(), work.size());
  plan(planned);
  for (std::size_t t = 0; t < h.size(); ++t) {
    for (std::size_t k = 0; k < h[t].size(); ++k) w.hidden(t, k) = static_cast<float>(h[t][k]);
  }
  std::vector<std::uint32_t> offsets{0};
  for (std::size_t s = 0; s < c.valid.size(); ++s)
    offsets.push_back(static_cast<std::uint32_t>((s + 1) * c.length));
  lowbit::no_observer observer;
  const lowbit::token_batch batch{offsets.data(), c.valid.size(), c.valid.data()};
  layer.run(w, {batch, false}, layer.input_sink(w), executor, observer);
  std::vector<float> out;
  for (std::size_t t = 0; t < h.size(); ++t)
    out.insert(out.end(), w.hidden.row(t), w.hidden.row(t) + c.shape.hidden);
  return out;
}

template <class Policy>
void check(const padded_case& c, std::uint64_t seed) {
  const plain_layer<Policy> plain(c, seed);
  random_source random(seed + 1000);
  matrix h(c.tokens(), std::vector<double>(c.shape.hidden));
  for (auto& row : h) {
    for (double& v : row) v = static_cast<double>(random.around(0.0F, 1.6F));
  }
  const matrix expected = plain.run(h);
  std::vector<float> first;
  const auto on_arch = [&]<class Arch>(Arch) {
    if (!lowbit::cpu_runs(Arch::name)) return;
    two_threads one{1};
    const auto found = run_layer<Policy, Arch>(c, plain, h, one);
    if (first.empty()) {
      first = found;
      double largest = 0;
      for (std::size_t t = 0; t < h.size(); ++t) {
        for (std::size_t k = 0; k < c.shape.hidden; ++k) {
          const double d =
              std::abs(static_cast<double>(found[t * c.shape.hidden + k]) - expected[t][k]);
          if (!(d <= largest)) largest = d;
        }
      }
      INFO(Policy::name << " hidden " << c.shape.hidden << " seed " << seed);
      CHECK(largest <= 5e-6);
    }
    CAPTURE(Arch::name, Policy::name, seed);
    CHECK(found == first);
    two_threads both;
    CHECK(run_layer<Policy, Arch>(c, plain, h, both) == first);
  };
  std::apply([&](auto... archs) { (on_arch(archs), ...); }, compiled_archs{});
}

template <class Policy>
void check_shapes(std::uint64_t seed) {
  check<Policy>(ragged(45, 3, 30, 83, {9, 4}, 9), seed);
  check<Policy>(ragged(33, 1, 21, 17, {1}, 1), seed + 1);
  check<Policy>(ragged(64, 2, 0, 130, {70, 1}, 70), seed + 2);  // two blocks of queries
}

}  // namespace

TEST_CASE("a TernaryBERT layer equals its plain evaluation", "[nn]") {
  check_shapes<lowbit::policy::ternarybert<8>>(200);
  check_shapes<lowbit::policy::ternarybert<4>>(406);
}

TEST_CASE("a BinaryBERT layer equals its plain evaluation", "[nn]") {
  check_shapes<lowbit::policy::binarybert<8>>(61);
  check_shapes<lowbit::policy::binarybert<4>>(71);
  check_shapes<lowbit::policy::binarybert_ternary<4>>(81);
}

TEST_CASE("a split BinaryBERT layer equals its plain evaluation", "[nn]") {
  check_shapes<lowbit::policy::binarybert_split<8>>(91);
  check_shapes<lowbit::policy::binarybert_split<4>>(101);
}

TEST_CASE("a layer with ranges of the batch refuses clips and steps that are none", "[nn]") {
  const padded_case c = ragged(12, 2, 0, 9, {3}, 3);
  const auto message = [&]<class Policy>(plain_layer<Policy>& plain) {
    lowbit::encoder_layer<Policy, lowbit::scalar> layer;
    lowbit::arena measure;
    REQUIRE(layer.load(measure, plain.tensors().weights(), 0, c.shape).ok());
    const guarded<std::byte> memory(measure.used());
    lowbit::arena space(memory.data(), memory.size());
    return std::string(layer.load(space, plain.tensors().weights(), 0, c.shape).message());
  };
  const std::string self = "bert.encoder.layer.0.attention.self.";
  const auto set = [](tensor_store& tensors, const std::string& name, float v) {
    std::memcpy(tensors.bytes(name).data(), &v, sizeof v);
  };
  plain_layer<lowbit::policy::ternarybert<8>> ternary(c, 5);
  CHECK(message(ternary).empty());
  set(ternary.tensors(), self + "key.input.clip", 7.0F);
  CHECK(message(ternary) ==
        "tensor " + self + "key.input.clip is not an interval, expected its lower end first");
  ternary.tensors().remove(self + "key.input.clip");
  CHECK(message(ternary) == "tensor " + self + "key.input.clip is missing");

  plain_layer<lowbit::policy::binarybert_split<4>> split(c, 6);
  CHECK(message(split).empty());
  set(split.tensors(), self + "probability.scale", 0.0F);
  CHECK(message(split) == "tensor " + self + "probability.scale is not above 0");
  set(split.tensors(), self + "probability.scale", std::nanf(""));
  CHECK(message(split) == "tensor " + self + "probability.scale element 0 is not finite");
  split.tensors().remove(self + "value_2.bias");
  set(split.tensors(), self + "probability.scale", 1.0F);
  CHECK(message(split) == "tensor " + self + "value_2.bias is missing");
}
