// SPDX-License-Identifier: Apache-2.0
// TinyBERT's terms and the distillation of logits against the same formulas written with plain
// loops over doubles.
#include "lowbit/train/loss/tinybert.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include "support/values.hpp"

using namespace lowbit::train;
using Catch::Approx;
using train_test::double_values;

namespace {

/// Traces of 2 sentences with 3 tokens; token 2 of the second one is padding.
trace trace_of_scores(std::size_t layers, std::int64_t width, std::int64_t heads) {
  trace t;
  const Tensor mask = at::zeros({2, 1, 1, 3});
  mask[1][0][0][2] = -10000.0;
  t.hidden.push_back(at::randn({2, 3, width}));
  for (std::size_t l = 0; l < layers; ++l) {
    t.hidden.push_back(at::randn({2, 3, width}));
    attention_trace a;
    a.scores = at::randn({2, heads, 3, 3}) * 60.0 + mask;  // some below -100 without a mask
    t.attention.push_back(a);
  }
  t.logits = at::randn({2, 5});
  return t;
}

double mean_square_of_scores(const Tensor& student, const Tensor& teacher) {
  const auto s = double_values(student), t = double_values(teacher);
  double sum = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const double d = (s[i] <= -100 ? 0 : s[i]) - (t[i] <= -100 ? 0 : t[i]);
    sum += d * d / static_cast<double>(s.size());
  }
  return sum;
}

/// mean over rows and o of (sum_i h(r, i) W(o, i) + b(o) - t(r, o))^2
double mean_square_of_states(const Tensor& student, const Tensor& teacher, const width_map& fit) {
  const auto h = double_values(student), t = double_values(teacher), w = double_values(fit.weight),
             b = double_values(fit.bias);
  const std::size_t in = static_cast<std::size_t>(student.size(2)), out = b.size();
  const std::size_t rows = h.size() / in;
  double sum = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < out; ++o) {
      double y = b[o];
      for (std::size_t i = 0; i < in; ++i) y += h[r * in + i] * w[o * in + i];
      sum += (y - t[r * out + o]) * (y - t[r * out + o]);
    }
  }
  return sum / static_cast<double>(rows * out);
}

/// A map with a bias that is not 0.
width_map random_fit(std::int64_t teacher, std::int64_t student) {
  width_map fit(teacher, student, torch::kCPU);
  torch::NoGradGuard no_gradients;
  fit.weight.normal_(), fit.bias.normal_();
  return fit;
}

}  // namespace

TEST_CASE("the attention term sums mean squares of scores in which masked ones count as 0") {
  torch::manual_seed(1);
  const trace student = trace_of_scores(2, 4, 2), teacher = trace_of_scores(5, 6, 2);
  for (const layer_map& map : {layer_map{0, 2, 5}, layer_map{0, 4, 1}}) {
    double expected = 0;
    for (std::size_t m = 1; m <= 2; ++m) {
      expected += mean_square_of_scores(student.attention[m - 1].scores,
                                        teacher.attention[map[m] - 1].scores);
    }
    CHECK(attention_matching(student, teacher, map).item<double>() ==
          Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("a score of exactly -100 counts as masked, one just above does not") {
  trace student, teacher;
  for (trace* t : {&student, &teacher}) {
    t->hidden.push_back(at::zeros({1, 2, 2}));
    t->attention.emplace_back();
  }
  student.attention[0].scores =
      at::tensor(std::vector<double>{-100, -99, -10000, 3}).view({1, 1, 2, 2});
  teacher.attention[0].scores = at::tensor(std::vector<double>{0, 0, 5, -100}).view({1, 1, 2, 2});
  CHECK(attention_matching(student, teacher, {0, 1}).item<double>() ==
        Approx((0.0 + 99.0 * 99.0 + 25.0 + 9.0) / 4));
}

TEST_CASE("states are compared after the width map, with its bias, also between equal widths") {
  torch::manual_seed(2);
  for (const std::int64_t width : {4, 6}) {
    const trace student = trace_of_scores(2, width, 2), teacher = trace_of_scores(5, 6, 2);
    const width_map fit = random_fit(6, width);
    const layer_map map{0, 2, 5};
    CHECK(embedding_matching(student, teacher, map, fit).item<double>() ==
          Approx(mean_square_of_states(student.hidden[0], teacher.hidden[0], fit)).epsilon(1e-5));
    const double layers = mean_square_of_states(student.hidden[1], teacher.hidden[2], fit) +
                          mean_square_of_states(student.hidden[2], teacher.hidden[5], fit);
    CHECK(layer_matching(student, teacher, map, fit).item<double>() ==
          Approx(layers).epsilon(1e-5));
  }
}

TEST_CASE("the width map gets the gradients of the mean square, and so do the student's states") {
  torch::manual_seed(3);
  trace student = trace_of_scores(1, 2, 1);
  const trace teacher = trace_of_scores(1, 3, 1);
  student.hidden[1].requires_grad_(true);
  const width_map fit = random_fit(3, 2);
  layer_matching(student, teacher, {0, 1}, fit).backward();
  const auto h = double_values(student.hidden[1]), t = double_values(teacher.hidden[1]);
  const auto w = double_values(fit.weight), b = double_values(fit.bias);
  std::vector<double> dw(6, 0.0), db(3, 0.0), dh(12, 0.0);
  for (std::size_t r = 0; r < 6; ++r) {
    for (std::size_t o = 0; o < 3; ++o) {
      const double e =
          (b[o] + h[r * 2] * w[o * 2] + h[r * 2 + 1] * w[o * 2 + 1] - t[r * 3 + o]) / 9;
      db[o] += e;  // 2 e / (6 rows x 3 channels)
      for (std::size_t i = 0; i < 2; ++i) {
        dw[o * 2 + i] += e * h[r * 2 + i];
        dh[r * 2 + i] += e * w[o * 2 + i];
      }
    }
  }
  const auto check = [](const Tensor& gradient, const std::vector<double>& expected) {
    const auto found = double_values(gradient);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i] == Approx(expected[i]).epsilon(1e-4).margin(1e-6));
    }
  };
  check(fit.weight.grad(), dw);
  check(fit.bias.grad(), db);
  check(student.hidden[1].grad(), dh);
}
