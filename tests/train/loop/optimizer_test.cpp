// SPDX-License-Identifier: Apache-2.0
// The schedule at its corners, and single steps of the optimizer against its formula.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "lowbit/train/loop/optimizer.hpp"

using namespace lowbit::train;
using Catch::Approx;

TEST_CASE("the learning rate rises to 1 at the end of the warm-up and falls to 0") {
  CHECK(warmup_linear(0, 100, 0.1) == 0.0);
  CHECK(warmup_linear(5, 100, 0.1) == Approx(0.5));
  CHECK(warmup_linear(10, 100, 0.1) == Approx(1.0));
  CHECK(warmup_linear(55, 100, 0.1) == Approx(0.5));
  CHECK(warmup_linear(100, 100, 0.1) == 0.0);
  CHECK(warmup_linear(101, 100, 0.1) == 0.0);
  CHECK(warmup_linear(0, 100, 0.0) == 1.0);  // without warm-up the first step is full
  CHECK(warmup_linear(50, 100, 0.0) == Approx(0.5));
  CHECK(warmup_linear(0, 0, 0.1) == 0.0);
}

TEST_CASE("a constant rate stays at 1 after the warm-up") {
  CHECK(warmup_constant(0, 100, 0.1) == 0.0);
  CHECK(warmup_constant(5, 100, 0.1) == Approx(0.5));
  CHECK(warmup_constant(10, 100, 0.1) == Approx(1.0));
  CHECK(warmup_constant(99, 100, 0.1) == 1.0);
  CHECK(warmup_constant(0, 100, 0.0) == 1.0);
}

namespace {

Tensor parameter(double value) { return at::full({1}, value).requires_grad_(true); }
void give(const Tensor& p, double gradient) { p.mutable_grad() = at::full({1}, gradient); }

}  // namespace

TEST_CASE("two steps of BertAdam follow the formula, decay spares biases and LayerNorm") {
  const Tensor weight = parameter(0.7), bias = parameter(0.7), norm = parameter(0.7);
  bert_adam optimizer(
      trained({{"x.weight", weight}, {"x.bias", bias}, {"x.LayerNorm.weight", norm}}),
      {.weight_decay = 0.1, .clip = 0.0});
  double expected_weight = 0.7, expected_bias = 0.7, m = 0, v = 0;
  for (const double g : {0.3, -0.2}) {
    for (const Tensor& p : {weight, bias, norm}) give(p, g);
    optimizer.step(0.01);
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const double update = m / (std::sqrt(v) + 1e-6);
    expected_weight -= 0.01 * (update + 0.1 * expected_weight);
    expected_bias -= 0.01 * update;
  }
  CHECK(weight.item<double>() == Approx(expected_weight).epsilon(1e-5));
  CHECK(bias.item<double>() == Approx(expected_bias).epsilon(1e-5));
  CHECK(norm.item<double>() == Approx(expected_bias).epsilon(1e-5));
}

TEST_CASE("gradients are clipped by their common norm") {
  const Tensor a = parameter(0.0), b = parameter(0.0);
  bert_adam optimizer(trained({{"a.bias", a}, {"b.bias", b}}), {.clip = 1.0});
  give(a, 3.0);
  give(b, 4.0);
  CHECK(optimizer.step(0.0) == Approx(5.0));
  const auto state = optimizer.state();  // m = 0.1 * clipped gradient
  CHECK(state[0].second.item<double>() == Approx(0.1 * 0.6).epsilon(1e-4));
  CHECK(state[2].second.item<double>() == Approx(0.1 * 0.8).epsilon(1e-4));
}

TEST_CASE("a gradient that is not finite changes nothing") {
  const Tensor a = parameter(0.5);
  bert_adam optimizer(trained({{"a.weight", a}}), {});
  give(a, std::numeric_limits<double>::quiet_NaN());
  CHECK(!std::isfinite(optimizer.step(0.1)));
  CHECK(a.item<double>() == 0.5);
  CHECK(optimizer.state()[0].second.item<double>() == 0.0);
}
