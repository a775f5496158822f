// SPDX-License-Identifier: Apache-2.0
// Heads and neurons: importance against finite differences, and that the smaller model computes
// what the gated one does, in libtorch and in the runtime.
#include "lowbit/train/model/structure.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>

#include "lowbit/policy/quantized.hpp"
#include "lowbit/train/model/quantized.hpp"
#include "support/runtime.hpp"

using namespace lowbit::train;

namespace {

lowbit::model_shape wide_shape() { return {2, 48, 6, 40, 30, 16, 2, 4}; }

batch padded_pair() {
  batch in;
  in.ids = torch::tensor(std::vector<std::int64_t>{2, 7, 9, 3, 2, 11, 3, 0}).view({2, 4});
  in.mask = torch::tensor(std::vector<float>{1, 1, 1, 1, 1, 1, 1, 0}).view({2, 4});
  in.labels = torch::tensor(std::vector<std::int64_t>{1, 3});
  return in;
}

Tensor label_loss(const batch&, const trace& out) {
  return at::cross_entropy_loss(out.logits, out.targets);
}

std::vector<kept_units> some_units() {
  return {{{0, 2, 5}, {1, 2, 3, 20, 39}}, {{1, 2, 3}, {0, 7, 8, 9, 10}}};
}

}  // namespace

TEST_CASE("importance is the magnitude of the loss's slope in each gate") {
  bert model = train_test::random_model(wide_shape(), std::make_shared<float_scheme>(), 31);
  const batch in = padded_pair();
  const auto once = importance(model, {in}, label_loss);
  const auto twice = importance(model, {in, in}, label_loss);
  torch::NoGradGuard no_gradients;
  const auto loss_at = [&](std::size_t layer, bool head, std::int64_t unit, double gate) {
    std::vector<layer_gates> gates(2);
    for (layer_gates& g : gates) g = {at::ones({6}), at::ones({40})};
    (head ? gates[layer].heads : gates[layer].neurons)[unit] = gate;
    return label_loss(in, model.forward(in, {}, gates)).item<double>();
  };
  constexpr double step = 0.02;
  for (std::size_t l = 0; l < 2; ++l) {
    for (const bool head : {true, false}) {
      for (std::int64_t unit = 0; unit < 6; ++unit) {
        const double slope =
            (loss_at(l, head, unit, 1 + step) - loss_at(l, head, unit, 1 - step)) / (2 * step);
        const auto& found = head ? once[l].heads : once[l].neurons;
        INFO(l << " " << head << " " << unit << " slope " << slope);
        const double measured = found[static_cast<std::size_t>(unit)];
        CHECK(std::abs(measured - std::abs(slope)) < 1e-4 + 0.02 * std::abs(slope));
        CHECK(std::abs((head ? twice[l].heads : twice[l].neurons)[static_cast<std::size_t>(unit)] -
                       2 * measured) < 1e-9);
      }
    }
  }
  // Measuring leaves no gradient behind.
  for (const auto& [name, p] : model.parameters()) CHECK(!p.grad().defined());
}

TEST_CASE("the most important units stay in order, the first of equals") {
  const std::vector<std::int64_t> two{1, 3}, tie{0, 2, 3};
  CHECK(most_important({0.1, 0.9, 0.2, 0.8}, 2) == two);
  CHECK(most_important({0.5, 0.1, 0.5, 0.7, 0.5}, 3) == tie);
  CHECK(most_important({0.5, 0.1}, 5).size() == 2);
}

TEST_CASE("the smaller model computes what the gated one does") {
  const auto how = std::make_shared<float_scheme>();
  bert whole = train_test::random_model(wide_shape(), how, 32);
  bert small = shrink(whole, some_units(), how);
  CHECK(small.shape().heads == 3);
  CHECK(small.shape().inner() == 24);
  CHECK(small.shape().intermediate == 5);
  CHECK(small.shape().head_width() == whole.shape().head_width());
  std::vector<layer_gates> gates;
  for (const kept_units& k : some_units()) gates.push_back(gates_of(k, whole.shape()));
  torch::NoGradGuard no_gradients;
  const batch in = padded_pair();
  const Tensor gated = whole.forward(in, {}, gates).logits;
  CHECK(at::allclose(small.forward(in, {}).logits, gated, 1e-4, 1e-5));
  CHECK(!at::allclose(whole.forward(in, {}).logits, gated, 1e-2, 1e-2));
}

TEST_CASE("the runtime runs a narrowed model as libtorch does, in f32 and int8") {
  const auto floats = std::make_shared<float_scheme>();
  bert whole = train_test::random_model(wide_shape(), floats, 33);
  bert small = shrink(whole, some_units(), floats);
  const train_test::scratch_folder scratch("structure");
  const auto& folder = scratch.path;
  train_test::write_folder(folder, small);
  const auto source = lowbit::open_model(folder);
  REQUIRE(source.ok());
  CHECK(source->config.shape.attention == 24);
  CHECK(train_test::compare_with_runtime<lowbit::policy::fp32>(small, *source).sentences == 0);

  const auto int8 = std::make_shared<quantized_scheme>(*lowbit::find_policy("int8"));
  bert coded(small.shape(), int8);
  REQUIRE(load_parameters(folder, coded.exported()).ok());
  REQUIRE(int8->bind(coded).ok());
  const auto packed = lowbit::open_model(folder, {"int8", {}});
  REQUIRE(packed.ok());
  const auto d = train_test::compare_with_runtime<lowbit::policy::any_integer>(coded, *packed);
  INFO("largest difference " << d.largest);
  CHECK(d.sentences <= 2);  // a rounding on the other side: see quantized_test.cpp
  CHECK(d.largest < 0.05);
}
