// SPDX-License-Identifier: Apache-2.0
// The small products against plain loops, around the edges of their tiles; their gradients against
// libtorch's.
#include "lowbit/train/model/head_matmul.hpp"

#include <catch2/catch_test_macros.hpp>
#include <vector>

using namespace lowbit::train;

namespace {

/// out[i][j] = sum_k a(i, k) b(k, j) in double, for the last matrix of each.
bool equals_loops(const Tensor& found, const Tensor& a, const Tensor& b) {
  const Tensor x = a[0][1], y = b[0][1], z = found[0][1];
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    for (std::int64_t j = 0; j < y.size(1); ++j) {
      double sum = 0.0;
      for (std::int64_t k = 0; k < x.size(1); ++k) {
        sum += x[i][k].item<double>() * y[k][j].item<double>();
      }
      if (!(std::abs(z[i][j].item<double>() - sum) <= 1e-4)) return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("products of heads equal plain sums on ragged tiles") {
  torch::manual_seed(1);
  for (const std::int64_t m : {1, 3, 4, 5, 9}) {
    for (const std::int64_t n : {1, 4, 6}) {
      for (const std::int64_t d : {1, 15, 16, 17, 32, 40}) {
        INFO(m << " x " << n << " x " << d);
        const Tensor p = at::randn({1, 2, m, n}), v = at::randn({1, 2, n, d});
        CHECK(equals_loops(batched_nn(p, v), p, v));
        const Tensor q = at::randn({1, 2, m, d});
        CHECK(equals_loops(batched_nt(q, v), q, v.transpose(2, 3)));
        CHECK(equals_loops(batched_tn(p, q), p.transpose(2, 3), q));
      }
    }
  }
}

TEST_CASE("gradients of scores and contexts are those of a matrix product") {
  torch::manual_seed(2);
  const auto leaf = [](at::IntArrayRef sizes) { return at::randn(sizes).requires_grad_(true); };
  const Tensor q = leaf({2, 3, 5, 18}), k = leaf({2, 3, 5, 18}), v = leaf({2, 3, 5, 18});
  const Tensor weight = at::randn({2, 3, 5, 18});
  const auto gradients = [&](const Tensor& out) {
    std::vector<Tensor> all;
    for (const Tensor& t : {q, k, v}) t.mutable_grad() = Tensor();
    (out * weight).sum().backward();
    for (const Tensor& t : {q, k, v}) all.push_back(t.grad().clone());
    return all;
  };
  const auto own = gradients(head_context(at::softmax(head_scores(q, k), -1), v));
  const auto plain = gradients(at::matmul(at::softmax(at::matmul(q, k.transpose(2, 3)), -1), v));
  for (std::size_t i = 0; i < own.size(); ++i) CHECK(at::allclose(own[i], plain[i], 1e-4, 1e-5));
}
