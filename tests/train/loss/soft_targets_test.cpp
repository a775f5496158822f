// SPDX-License-Identifier: Apache-2.0
// The losses with soft targets against loops over doubles.
#include "lowbit/train/loss/soft_targets.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

using namespace lowbit::train;
using Catch::Approx;

namespace {

std::vector<double> softmax_of_row(const Tensor& z, std::int64_t row, double temperature) {
  std::vector<double> p;
  double sum = 0;
  for (std::int64_t c = 0; c < z.size(1); ++c) {
    p.push_back(std::exp(z[row][c].item<double>() / temperature));
    sum += p.back();
  }
  for (double& v : p) v /= sum;
  return p;
}

double kl_by_loops(const Tensor& student, const Tensor& teacher, double temperature) {
  double sum = 0;
  for (std::int64_t r = 0; r < student.size(0); ++r) {
    const auto s = softmax_of_row(student, r, temperature);
    const auto t = softmax_of_row(teacher, r, temperature);
    for (std::size_t c = 0; c < s.size(); ++c) sum += t[c] * std::log(t[c] / s[c]);
  }
  return sum / static_cast<double>(student.size(0));
}

}  // namespace

TEST_CASE("the divergence is that of the teacher's distribution from the student's") {
  torch::manual_seed(1);
  const Tensor student = at::randn({5, 7}), teacher = at::randn({5, 7}) * 2;
  for (const double temperature : {1.0, 2.0}) {
    CHECK(kl_divergence(student, teacher, temperature).item<double>() ==
          Approx(kl_by_loops(student, teacher, temperature)).epsilon(1e-5));
  }
  CHECK(std::abs(kl_divergence(student, student, 2.0).item<double>()) < 1e-6);
  // Not its reverse, not of shifted logits.
  CHECK(kl_divergence(student, teacher, 1.0).item<double>() !=
        Approx(kl_by_loops(teacher, student, 1.0)).epsilon(1e-3));
  CHECK(kl_divergence(student + 3.0, teacher, 1.0).item<double>() ==
        Approx(kl_by_loops(student, teacher, 1.0)).epsilon(1e-4));
}

TEST_CASE("the objective is 0.1 MLM + 0.5 T^2 KL, and its gradient that of its definition") {
  torch::manual_seed(2);
  const Tensor student = at::randn({3, 4}).requires_grad_(true), teacher = at::randn({3, 4});
  const std::vector<std::int64_t> labels{2, 0, 3};
  const Tensor loss = soft_target_loss(student, teacher, torch::tensor(labels), {});
  double hard = 0;
  for (std::int64_t r = 0; r < 3; ++r) {
    hard -= std::log(softmax_of_row(
                student, r, 1.0)[static_cast<std::size_t>(labels[static_cast<std::size_t>(r)])]) /
            3;
  }
  CHECK(loss.item<double>() ==
        Approx(0.1 * hard + 0.5 * 4 * kl_by_loops(student, teacher, 2.0)).epsilon(1e-5));
  // d/dz of T^2 KL is T (q - t) / n: of the order of the hard loss's gradient for every T.
  loss.backward();
  for (std::int64_t r = 0; r < 3; ++r) {
    const auto p = softmax_of_row(student, r, 1.0), q = softmax_of_row(student, r, 2.0);
    const auto t = softmax_of_row(teacher, r, 2.0);
    for (std::size_t c = 0; c < 4; ++c) {
      const double label = static_cast<std::size_t>(labels[static_cast<std::size_t>(r)]) == c;
      const double expected = 0.1 * (p[c] - label) / 3 + 0.5 * 2 * (q[c] - t[c]) / 3;
      CHECK(student.grad()[r][static_cast<std::int64_t>(c)].item<double>() ==
            Approx(expected).margin(1e-6));
    }
  }
}
