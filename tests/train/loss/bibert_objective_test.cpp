// SPDX-License-Identifier: Apache-2.0
// Every loss against the same formula written with plain loops over doubles.
#include "lowbit/train/loss/bibert_objective.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include "support/values.hpp"

using namespace lowbit::train;
using Catch::Approx;
using train_test::double_values;

namespace {

Tensor random(at::IntArrayRef sizes) { return at::randn(sizes); }

double length(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

/// || x/||x|| - y/||y|| ||
double distance(const std::vector<double>& x, const std::vector<double>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = x[i] / length(x) - y[i] / length(y);
    sum += d * d;
  }
  return std::sqrt(sum);
}

/// F F^T / sqrt(d) per sentence and head; entries <= -100 become 0.
std::vector<double> similarities(const Tensor& f) {
  const auto v = double_values(f);
  const auto outer = static_cast<std::size_t>(f.size(0) * f.size(1));
  const auto tokens = static_cast<std::size_t>(f.size(2)), d = static_cast<std::size_t>(f.size(3));
  std::vector<double> out;
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t i = 0; i < tokens; ++i) {
      for (std::size_t j = 0; j < tokens; ++j) {
        double dot = 0;
        for (std::size_t k = 0; k < d; ++k) {
          dot += v[(o * tokens + i) * d + k] * v[(o * tokens + j) * d + k];
        }
        const double s = dot / std::sqrt(static_cast<double>(d));
        out.push_back(s <= -100 ? 0 : s);
      }
    }
  }
  return out;
}

trace trace_of_heads(std::size_t layers) {
  trace t;
  t.hidden.push_back(random({2, 3, 8}));
  for (std::size_t l = 0; l < layers; ++l) {
    t.hidden.push_back(random({2, 3, 8}));
    t.attention.push_back(
        {random({2, 2, 3, 4}), random({2, 2, 3, 4}), random({2, 2, 3, 4}), {}, {}});
  }
  t.logits = random({2, 5});
  return t;
}

/// -softmax(t)_c log_softmax(s)_c, averaged over rows and classes.
double soft_entropy(const Tensor& student, const Tensor& teacher, double temperature) {
  const auto s = double_values(student), t = double_values(teacher);
  const auto rows = static_cast<std::size_t>(student.size(0));
  const auto classes = static_cast<std::size_t>(student.size(1));
  double sum = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    double zs = 0, zt = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      zs += std::exp(s[r * classes + c] / temperature);
      zt += std::exp(t[r * classes + c] / temperature);
    }
    for (std::size_t c = 0; c < classes; ++c) {
      sum -= std::exp(t[r * classes + c] / temperature) / zt *
             (s[r * classes + c] / temperature - std::log(zs));
    }
  }
  return sum / static_cast<double>(rows * classes);
}

}  // namespace

TEST_CASE("soft cross entropy is the mean over batch and classes") {
  torch::manual_seed(1);
  const Tensor s = random({3, 7}), t = random({3, 7});
  for (const double temperature : {1.0, 2.5}) {
    CHECK(soft_cross_entropy(s, t, temperature).item<double>() ==
          Approx(soft_entropy(s, t, temperature)).epsilon(1e-5));
  }
}

TEST_CASE("the direction distance uses Frobenius norms of the whole tensor") {
  torch::manual_seed(2);
  const Tensor x = random({2, 3, 4}), y = random({2, 3, 4});
  CHECK(direction_distance(x, y).item<double>() ==
        Approx(distance(double_values(x), double_values(y))).epsilon(1e-5));
  CHECK(direction_distance(x, 3.0 * x).item<double>() < 1e-6);
  CHECK(direction_distance(x, -x).item<double>() == Approx(2.0));
}

TEST_CASE("similarity sets entries of at most -100 to zero") {
  Tensor f = at::zeros({1, 1, 2, 1});
  f[0][0][0][0] = 20.0;
  f[0][0][1][0] = -10.0;  // 20 * -10 = -200
  const auto expected = similarities(f);
  CHECK(expected == std::vector<double>{400, 0, 0, 100});
  CHECK(double_values(similarity(f)) == expected);
}

TEST_CASE("direction matching sums query, key and value over the student's layers") {
  torch::manual_seed(3);
  const trace student = trace_of_heads(2), teacher = trace_of_heads(4);
  double expected = 0;
  for (std::size_t l = 0; l < 2; ++l) {
    const attention_trace& s = student.attention[l];
    const attention_trace& t = teacher.attention[l * 2 + 1];  // ratio 2
    expected += distance(similarities(s.query), similarities(t.query)) +
                distance(similarities(s.key), similarities(t.key)) +
                distance(similarities(s.value), similarities(t.value));
  }
  CHECK(direction_matching(student, teacher).item<double>() == Approx(expected).epsilon(1e-5));
}

TEST_CASE("hidden matching compares layer l with teacher layer l times the depth ratio") {
  torch::manual_seed(4);
  const trace student = trace_of_heads(2), teacher = trace_of_heads(4);
  double expected = 0;
  for (std::size_t l = 0; l <= 2; ++l) {
    expected += distance(double_values(student.hidden[l]), double_values(teacher.hidden[2 * l]));
  }
  CHECK(hidden_matching(student, teacher).item<double>() == Approx(expected).epsilon(1e-5));
}

TEST_CASE("the objective is the weighted sum of its terms") {
  torch::manual_seed(5);
  trace student = trace_of_heads(2);
  const trace teacher = trace_of_heads(2);
  student.targets = at::tensor(std::vector<std::int64_t>{4, 1});
  const auto logits = double_values(student.logits);
  double hard = 0;
  for (std::size_t r = 0; r < 2; ++r) {
    double z = 0;
    for (std::size_t c = 0; c < 5; ++c) z += std::exp(logits[r * 5 + c]);
    hard -= (logits[r * 5 + (r == 0 ? 4 : 1)] - std::log(z)) / 2;
  }
  const double soft = soft_entropy(student.logits, teacher.logits, 1.0);
  const double matched = direction_matching(student, teacher).item<double>();
  const double hidden = hidden_matching(student, teacher).item<double>();

  const auto objective = [&](const bibert_objective& o) {
    return bibert_loss(student, teacher, o).item<double>();
  };
  CHECK(objective({}) == Approx(soft + 0.5 * hard + matched + hidden).epsilon(1e-5));
  CHECK(objective({.direction_matching = false}) ==
        Approx(soft + 0.5 * hard + hidden).epsilon(1e-5));
  CHECK(objective({.dmd_weight = 2, .hidden_weight = 3, .soft_weight = 4, .hard_weight = 5}) ==
        Approx(4 * soft + 5 * hard + 2 * matched + 3 * hidden).epsilon(1e-5));
}
