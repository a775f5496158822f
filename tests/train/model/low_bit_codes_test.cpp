// SPDX-License-Identifier: Apache-2.0
// Codes of weights and activations, their gradients, and the ternary weight splitting, each against
// plain loops over the definition.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "lowbit/train/model/derive.hpp"
#include "lowbit/train/model/dynamic_range.hpp"
#include "lowbit/train/model/learned_step.hpp"
#include "lowbit/train/model/ternarybert.hpp"
#include "lowbit/train/model/weight_codes.hpp"
#include "support/values.hpp"

using namespace lowbit::train;
using train_test::float_values;
using train_test::near;
using train_test::value_of;

namespace {

/// What learned_step gives and passes back for x (n) with step a and gradient dy (n), by loops.
struct reference_step {
  std::vector<double> out, dx;
  double da = 0.0;
  reference_step(const std::vector<float>& x, double a, const std::vector<float>& dy, double first,
                 double last, bool sign_only) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double ratio = static_cast<double>(x[i]) / a, g = static_cast<double>(dy[i]);
      const double rounded = std::nearbyint(ratio);  // half to even
      double code = std::min(std::max(rounded, first), last);
      if (sign_only) code = x[i] >= 0.0F ? 1.0 : -1.0;
      out.push_back(a * code);
      const bool inside = first <= ratio && ratio <= last;
      dx.push_back(inside ? g : 0.0);
      da += g * (sign_only || !inside ? code : rounded - ratio);
    }
    da /= std::sqrt(static_cast<double>(x.size()) * last);
  }
};

void check_step(const step_codes& how, double first, double last) {
  INFO(how.bits << (how.is_signed ? " signed" : " unsigned"));
  CHECK(how.first() == first);
  CHECK(how.last() == last);
  const float a = 0.25F;  // a power of two: ratios are exact
  // Far below, at and beside both ends, halves, zero of both signs.
  // Unsigned codes of more bits start at the least value, which then is 0.
  const float low = how.from_least() ? -9.0F : 0.0F;
  std::vector<float> x{-9.0F, -0.0F, 0.0F, 0.125F, -0.125F, 0.375F, 0.3F, -0.2F, 9.0F};
  for (const double end : {first, last}) {
    const float at = static_cast<float>(end) * a + low;
    const float normal = std::numeric_limits<float>::min();
    x.push_back(at == 0.0F ? -normal : std::max(std::nextafter(at, -INFINITY), -9.0F));
    x.push_back(std::nextafter(at, INFINITY));
    x.push_back(at);
  }
  std::vector<float> dy;
  for (std::size_t i = 0; i < x.size(); ++i) dy.push_back(0.5F + 0.25F * static_cast<float>(i % 5));
  std::vector<float> from = x;
  for (float& v : from) v -= low;
  const reference_step expected(from, static_cast<double>(a), dy, first, last, how.sign_only());

  const Tensor input = at::tensor(x).requires_grad_(true);
  Tensor step = at::scalar_tensor(a).requires_grad_(true);
  const Tensor out = learned_step(input, step, how);
  out.backward(at::tensor(dy));
  const auto found = float_values(out), dx = float_values(input.grad());
  for (std::size_t i = 0; i < x.size(); ++i) {
    INFO("x " << x[i]);
    CHECK(near(found[i], expected.out[i] + static_cast<double>(low)));
    CHECK(near(dx[i], expected.dx[i]));
  }
  CHECK(near(value_of(step.grad()), expected.da, 1e-5 * std::max(1.0, std::abs(expected.da))));
}

const std::vector<float> row_a{0.9F, -0.1F, 0.2F, -0.8F, 0.0F, 0.05F};
const std::vector<float> row_b{-0.01F, 0.03F, 0.02F, -0.02F, 0.5F, 0.01F};
Tensor two_rows() { return at::stack({at::tensor(row_a), at::tensor(row_b)}); }

double mean_magnitude(const std::vector<float>& w) {
  double sum = 0.0;
  for (const float v : w) sum += std::abs(static_cast<double>(v));
  return sum / static_cast<double>(w.size());
}

/// TWN by loops.
std::vector<double> ternary(const std::vector<float>& w) {
  const double threshold = 0.7 * mean_magnitude(w);
  double sum = 0.0, count = 0.0;
  for (const float v : w) {
    if (std::abs(static_cast<double>(v)) > threshold) {
      sum += std::abs(static_cast<double>(v)), count += 1.0;
    }
  }
  std::vector<double> out;
  for (const float v : w) {
    const bool on = std::abs(static_cast<double>(v)) > threshold;
    out.push_back(!on ? 0.0 : (v > 0.0F ? sum : -sum) / count);
  }
  return out;
}

std::vector<float> both_rows() {
  std::vector<float> all = row_a;
  all.insert(all.end(), row_b.begin(), row_b.end());
  return all;
}

}  // namespace

TEST_CASE("learned steps give the codes and gradients of their definition, edges included") {
  check_step({1, true}, -1.0, 1.0);
  check_step({1, false}, 0.0, 1.0);
  check_step({2, true}, -2.0, 1.0);
  check_step({2, false}, 0.0, 3.0);
  check_step({4, true}, -8.0, 7.0);
  check_step({4, false}, 0.0, 15.0);
}

TEST_CASE("the gradient passes at 0 where the program flushes denormal numbers, too") {
  if (!at::globalContext().setFlushDenormal(true)) return;  // not on this processor
  const Tensor x = at::tensor({0.0F, -0.125F, 0.125F}).requires_grad_(true);
  Tensor step = at::scalar_tensor(0.25F);
  learned_step(x, step, {1, false}).sum().backward();
  at::globalContext().setFlushDenormal(false);
  CHECK(float_values(x.grad()) == std::vector<float>{1.0F, 0.0F, 1.0F});
}

TEST_CASE("a step that has seen no data is set from the first, no other is") {
  const Tensor x = at::tensor({-1.0F, 0.5F, 3.0F});
  const auto set = [&x](Tensor step, const step_codes& how) {
    learned_step(x, step, how);
    return value_of(step);
  };
  CHECK(near(set(new_step(), {1, true}), 2.0 * 1.5));
  CHECK(near(set(new_step(), {1, false}), 4.0 * 1.5));
  CHECK(near(set(new_step(), {4, true}), 2.0 * 1.5 / std::sqrt(7.0)));
  CHECK(near(set(new_step(), {2, false}), 4.0 * 1.5 / std::sqrt(3.0)));  // of x, not of x - min
  CHECK(set(at::scalar_tensor(1.0F), {1, true}) == 1.0);  // the authors' code would replace it
  CHECK(near(set(at::scalar_tensor(-0.5F), {1, true}), 1e-5, 1e-9));
}

TEST_CASE("one-bit and ternary weights are those of loops over the definition") {
  const Tensor w = two_rows();
  const auto check = [](const Tensor& found, const std::vector<double>& expected) {
    const auto all = float_values(found);
    REQUIRE(all.size() == expected.size());
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(near(all[i], expected[i]));
  };
  const auto signs = [](const std::vector<float>& of, double center, double scale) {
    std::vector<double> out;
    for (const float v : of) out.push_back(static_cast<double>(v) >= center ? scale : -scale);
    return out;
  };
  const auto join = [](std::vector<double> a, const std::vector<double>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  const double a = mean_magnitude(row_a), b = mean_magnitude(row_b);
  double center = 0.0;
  for (const float v : both_rows()) center += static_cast<double>(v) / 12.0;
  check(binary_weights(w, scale_of::row), join(signs(row_a, 0, a), signs(row_b, 0, b)));
  check(binary_weights(w, scale_of::tensor), signs(both_rows(), 0, (a + b) / 2));
  check(centered_binary_weights(w, center_of(w), scale_of::tensor),
        signs(both_rows(), center, (a + b) / 2));
  check(centered_binary_weights(w, center_of(w), scale_of::row),
        join(signs(row_a, center, a), signs(row_b, center, b)));
  check(ternary_weights(w, scale_of::row), join(ternary(row_a), ternary(row_b)));
  check(ternary_weights(w, scale_of::tensor), ternary(both_rows()));
}

TEST_CASE("the gradient of a coded weight reaches the latent one unchanged, but not past a clip") {
  const Tensor w = two_rows().mul(4).requires_grad_(true);
  const Tensor dy = at::arange(12, at::kFloat).view({2, 6});
  straight_through(w, ternary_weights(w, scale_of::tensor)).backward(dy);
  CHECK(w.grad().equal(dy));

  const Tensor x = at::tensor({-3.0F, -2.5F, -1.0F, 2.0F, 2.5F, 4.0F}).requires_grad_(true);
  const Tensor clip = at::tensor({-2.5F, 2.5F}).requires_grad_(true);
  const Tensor out = clip_function::apply(x, clip);
  CHECK(out.equal(at::tensor({-2.5F, -2.5F, -1.0F, 2.0F, 2.5F, 2.5F})));
  out.backward(at::tensor({1.0F, 2.0F, 4.0F, 8.0F, 16.0F, 32.0F}));
  CHECK(x.grad().equal(at::tensor({0.0F, 0.0F, 4.0F, 8.0F, 0.0F, 0.0F})));
  CHECK(clip.grad().equal(at::tensor({3.0F, 48.0F})));
}

TEST_CASE("dynamic codes span the range of the tensor") {
  const std::vector<float> x{-2.0F, -0.3F, 0.0F, 0.7F, 1.4F, 1.9F};
  for (const unsigned bits : {4U, 8U}) {
    const double levels = std::ldexp(1.0, static_cast<int>(bits));
    const auto symmetric = float_values(dynamic_codes(at::tensor(x), bits, true));
    const auto asymmetric = float_values(dynamic_codes(at::tensor(x), bits, false));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = static_cast<double>(x[i]);
      const double s = (levels / 2 - 1) / 2.0, span = 3.9 / (levels - 1);
      CHECK(near(symmetric[i], std::nearbyint(v * s) / s));
      CHECK(near(asymmetric[i], std::nearbyint((v + 2.0) / span) * span - 2.0, 1e-5));
    }
  }
  CHECK(dynamic_codes(at::zeros({3}), 8, true).equal(at::zeros({3})));
}

TEST_CASE("two one-bit matrices of a split add up to the ternary weights, and to the latent ones") {
  torch::manual_seed(5);
  Tensor w = at::randn({20, 30});
  w[3].fill_(0.0), w[4].fill_(0.25);  // nothing on; nothing off
  for (const scale_of scale : {scale_of::row, scale_of::tensor}) {
    const weight_pair pair = split_ternary(w, scale);
    const Tensor sum = binary_weights(pair.first, scale) + binary_weights(pair.second, scale);
    CHECK(at::allclose(sum, ternary_weights(w, scale), 1e-6, 1e-6));
    CHECK(at::allclose(pair.first + pair.second, w, 1e-6, 1e-6));
  }
}

TEST_CASE("a split model computes what the ternary model computed") {
  lowbit::model_shape shape;
  shape.layers = 2, shape.hidden = 32, shape.heads = 2, shape.intermediate = 48;
  shape.vocabulary = 20, shape.positions = 8, shape.labels = 3, shape.attention = 16;
  batch in;
  in.ids = at::tensor({2, 7, 8, 9, 3, 2, 11, 19, 3, 0}, at::kLong).view({2, 5});
  in.mask = in.ids.ne(0).to(at::kFloat);
  in.labels = at::zeros({2}, at::kLong);
  const auto logits_apart = [&](unsigned bits) {
    torch::manual_seed(6);
    bert ternary(shape,
                 std::make_shared<binarybert_scheme>(binarybert_format::of(bits, true, false)));
    torch::NoGradGuard no_gradients;
    for (const auto& [name, tensor] : ternary.parameters()) {
      if (name.ends_with(".bias")) tensor.normal_(0.0, 0.1);
    }
    const trace before = ternary.forward(in, {});
    bert split(shape,
               std::make_shared<binarybert_scheme>(binarybert_format::of(bits, false, true)));
    REQUIRE(copy_split(ternary, split).ok());
    return (split.forward(in, {}).logits - before.logits).abs().max().item<double>();
  };
  CHECK(logits_apart(4) <= 1e-4);
  CHECK(logits_apart(8) <= 1e-2);  // a last bit may move a dynamic step
}

TEST_CASE("a narrow model holds the heads and neurons of the greatest weights") {
  lowbit::model_shape shape;
  shape.layers = 1, shape.hidden = 8, shape.heads = 4, shape.intermediate = 6;
  shape.vocabulary = 9, shape.positions = 4, shape.labels = 2;
  bert wide(shape, std::make_shared<float_scheme>());
  const tensors_by_name from = exported_by_name(wide);
  const std::string at = "bert.encoder.layer.0.";
  {
    torch::NoGradGuard no_gradients;
    from.at(at + "attention.self.value.weight")[6].add_(9.0);              // head 3
    from.at(at + "attention.output.dense.weight").select(1, 3).sub_(9.0);  // head 1
    for (const std::int64_t i : {1, 4}) from.at(at + "intermediate.dense.weight")[i].add_(5.0);
    from.at(at + "output.dense.weight").select(1, 5).add_(5.0);
    from.at(at + "intermediate.dense.bias").copy_(at::arange(6));
  }
  const auto narrow = narrow_shape(shape, 0.5);
  REQUIRE(narrow.ok());
  CHECK(narrow->heads == 2);
  CHECK(narrow->intermediate == 3);
  CHECK(narrow->inner() == 4);
  CHECK(narrow->hidden == 8);
  const std::vector<kept_units> kept = choose_units(wide, *narrow);
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].heads == std::vector<std::int64_t>{1, 3});
  CHECK(kept[0].neurons == std::vector<std::int64_t>{1, 4, 5});
  bert half(*narrow, std::make_shared<float_scheme>());
  REQUIRE(copy_narrowed(wide, kept, half).ok());
  const tensors_by_name to = exported_by_name(half);
  const Tensor channels = at::tensor({2, 3, 6, 7}, at::kLong);
  CHECK(to.at(at + "attention.self.key.weight")
            .equal(from.at(at + "attention.self.key.weight").index_select(0, channels)));
  CHECK(to.at(at + "attention.output.dense.weight")
            .equal(from.at(at + "attention.output.dense.weight").index_select(1, channels)));
  CHECK(to.at(at + "intermediate.dense.bias").equal(at::tensor({1.0F, 4.0F, 5.0F})));
  CHECK(to.at(at + "output.LayerNorm.weight").equal(from.at(at + "output.LayerNorm.weight")));
  CHECK(to.at("classifier.weight").equal(from.at("classifier.weight")));

  for (const double width : {0.0, 0.3, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(narrow_shape(shape, width).status().code() == lowbit::errc::invalid_argument);
  }
}
