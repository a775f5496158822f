// SPDX-License-Identifier: Apache-2.0
// What the binarizers compute and which gradient they pass, each against its definition.
#include "lowbit/train/model/straight_through.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include "lowbit/train/model/matmul.hpp"
#include "support/values.hpp"

using namespace lowbit::train;
using Catch::Approx;
using train_test::float_values;

namespace {

const std::vector<float> edges{-2.0F, std::nextafter(-1.0F, -2.0F), -1.0F, -0.5F, -0.0F, 0.0F, 0.5F,
                               1.0F,  std::nextafter(1.0F, 2.0F),   2.0F};

Tensor leaf(const std::vector<float>& values) {
  return at::tensor(values).clone().requires_grad_(true);
}

float sign(double x) { return x > 0 ? 1.0F : x < 0 ? -1.0F : 0.0F; }

/// A weighted sum, so that every output has a gradient of its own.
Tensor weights_like(const Tensor& t) {
  return at::arange(1, t.numel() + 1, t.options().requires_grad(false)).view(t.sizes());
}

}  // namespace

TEST_CASE("sign keeps zero and passes the gradient inside its band") {
  for (const pass_band band : {pass_band::closed, pass_band::open}) {
    const Tensor x = leaf(edges);
    const Tensor y = sign_through(x, band);
    (y * weights_like(y)).sum().backward();
    for (std::size_t i = 0; i < edges.size(); ++i) {
      CHECK(float_values(y)[i] == sign(edges[i]));
      const bool inside =
          band == pass_band::closed ? std::abs(edges[i]) <= 1 : std::abs(edges[i]) < 1;
      CHECK(float_values(x.grad())[i] == (inside ? static_cast<float>(i + 1) : 0.0F));
    }
  }
}

TEST_CASE("an attention bit is on above zero only, gradient inside the open band") {
  const Tensor x = leaf(edges);
  const Tensor y = attention_bit(x);
  (y * weights_like(y)).sum().backward();
  for (std::size_t i = 0; i < edges.size(); ++i) {
    CHECK(float_values(y)[i] == (edges[i] > 0 ? 1.0F : 0.0F));
    CHECK(float_values(x.grad())[i] == (std::abs(edges[i]) < 1 ? static_cast<float>(i + 1) : 0.0F));
  }
}

TEST_CASE("sign of GELU: the sign of its input, the gradient of sign after GELU") {
  const std::vector<float> points{-20.0F, -6.0F, -2.0F, -0.3F, 0.0F,
                                  0.3F,   1.0F,  1.14F, 1.15F, 3.0F};
  const Tensor x = leaf(points);
  const Tensor y = sign_gelu(x);
  (y * weights_like(y)).sum().backward();
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double v = points[i];
    const double phi = std::exp(-v * v / 2) / std::sqrt(2 * M_PI);
    const double cdf = 0.5 * (1 + std::erf(v / std::sqrt(2.0)));
    const double expected =
        std::abs(v * cdf) <= 1 ? static_cast<double>(i + 1) * (cdf + v * phi) : 0;
    CHECK(float_values(y)[i] == sign(v));
    CHECK(float_values(x.grad())[i] == Approx(expected).margin(1e-5));
  }
}

namespace {

struct plain_rows {
  std::vector<double> center, scale;
};

plain_rows row_statistics(const std::vector<float>& w, std::size_t rows, std::size_t columns) {
  plain_rows out;
  for (std::size_t r = 0; r < rows; ++r) {
    double sum = 0, absolute = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      sum += w[r * columns + c];
      absolute += std::abs(w[r * columns + c]);
    }
    out.center.push_back(sum / static_cast<double>(columns));
    out.scale.push_back(absolute / static_cast<double>(columns));
  }
  return out;
}

/// g * 1[|w - center| <= 1], minus its row mean.
std::vector<double> expected_gradient(const std::vector<float>& w, const std::vector<double>& g,
                                      std::size_t rows, std::size_t columns) {
  const plain_rows stats = row_statistics(w, rows, columns);
  std::vector<double> out(w.size());
  for (std::size_t r = 0; r < rows; ++r) {
    double mean = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      const std::size_t i = r * columns + c;
      out[i] = std::abs(w[i] - stats.center[r]) <= 1 ? g[i] : 0;
      mean += out[i] / static_cast<double>(columns);
    }
    for (std::size_t c = 0; c < columns; ++c) out[r * columns + c] -= mean;
  }
  return out;
}

}  // namespace

TEST_CASE("a binary linear layer computes its formula and passes its gradients") {
  torch::manual_seed(6);
  constexpr std::size_t m = 3, n = 4, k = 7;
  const Tensor x = at::randn({m, k}).sign().requires_grad_(true);
  const Tensor w = at::randn({n, k}).requires_grad_(true);
  const Tensor b = at::randn({n}).requires_grad_(true);
  for (const precision type : {precision::f32, precision::bf16}) {
    for (const Tensor& t : {x, w, b}) t.mutable_grad() = Tensor();
    const Tensor y = binary_linear_function::apply(x, w, b, type);
    const Tensor dy = weights_like(y) / 8.0;  // exact in bfloat16
    (y * dy).sum().backward();

    const auto xs = float_values(x), ws = float_values(w), bs = float_values(b),
               gs = float_values(dy);
    const plain_rows stats = row_statistics(ws, n, k);
    std::vector<double> dw(n * k), dx(m * k), db(n);
    const double tolerance = type == precision::f32 ? 1e-5 : 2e-2;
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t o = 0; o < n; ++o) {
        double sum = 0;
        for (std::size_t j = 0; j < k; ++j) {
          const double s = sign(ws[o * k + j] - stats.center[o]);
          sum += xs[i * k + j] * s;
          dw[o * k + j] += gs[i * n + o] * xs[i * k + j];
          dx[i * k + j] += gs[i * n + o] * stats.scale[o] * s;
        }
        db[o] += gs[i * n + o];
        CHECK(float_values(y)[i * n + o] == Approx(stats.scale[o] * sum + bs[o]).epsilon(1e-5));
      }
    }
    const auto wanted = expected_gradient(ws, dw, n, k);
    for (std::size_t i = 0; i < n * k; ++i) {
      CHECK(float_values(w.grad())[i] == Approx(wanted[i]).margin(tolerance));
    }
    for (std::size_t i = 0; i < m * k; ++i) {
      CHECK(float_values(x.grad())[i] == Approx(dx[i]).margin(tolerance));
    }
    for (std::size_t o = 0; o < n; ++o)
      CHECK(float_values(b.grad())[o] == Approx(db[o]).margin(1e-5));
  }
}

TEST_CASE("a full precision linear layer has the gradients of a matrix product") {
  torch::manual_seed(7);
  const Tensor x = at::randn({3, 5}).requires_grad_(true);
  const Tensor w = at::randn({4, 5}).requires_grad_(true);
  const Tensor b = at::randn({4}).requires_grad_(true);
  const Tensor y = linear_function::apply(x, w, b, precision::f32);
  CHECK(at::allclose(y, at::linear(x, w, b), 1e-5, 1e-6));
  const Tensor dy = weights_like(y);
  (y * dy).sum().backward();
  CHECK(at::allclose(x.grad(), dy.matmul(w), 1e-5, 1e-5));
  CHECK(at::allclose(w.grad(), dy.t().matmul(x), 1e-5, 1e-5));
  CHECK(at::allclose(b.grad(), dy.sum(0), 1e-5, 1e-5));
}

TEST_CASE("a binary embedding binarizes the rows it reads and trains only those") {
  torch::manual_seed(8);
  const Tensor table = (at::randn({5, 6}) * 0.9).requires_grad_(true);
  const Tensor ids = at::tensor(std::vector<std::int64_t>{3, 1, 3});
  const Tensor y = binary_embedding(table, ids);
  const auto ws = float_values(table);
  const plain_rows stats = row_statistics(ws, 5, 6);
  const std::size_t rows[] = {3, 1, 3};
  for (std::size_t t = 0; t < 3; ++t) {
    for (std::size_t c = 0; c < 6; ++c) {
      const double s = sign(ws[rows[t] * 6 + c] - stats.center[rows[t]]);
      CHECK(float_values(y)[t * 6 + c] == Approx(stats.scale[rows[t]] * s));
    }
  }
  const Tensor dy = weights_like(y);
  (y * dy).sum().backward();
  std::vector<double> g(30, 0.0);
  for (std::size_t t = 0; t < 3; ++t) {
    for (std::size_t c = 0; c < 6; ++c) g[rows[t] * 6 + c] += float_values(dy)[t * 6 + c];
  }
  const auto expected = expected_gradient(ws, g, 5, 6);
  for (std::size_t i = 0; i < 30; ++i) {
    CHECK(float_values(table.grad())[i] == Approx(expected[i]).margin(1e-4));
  }
}
