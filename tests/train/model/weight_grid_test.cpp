// SPDX-License-Identifier: Apache-2.0
// Grids of quantization-aware training: equal to the codec right after its choice, and what the
// projection does away from it, against loops.
#include "lowbit/train/model/weight_grid.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <string>

using namespace lowbit::train;

namespace {

/// Rows of different scale, with outliers, one row of zeros and one constant row.
Tensor weights() {
  torch::manual_seed(11);
  Tensor w = at::randn({24, 37}) * (at::arange(24).unsqueeze(1) + 1) * 0.01;
  w[3].fill_(0.0);
  w[4].fill_(0.125);
  w[5][7] = 2.5, w[9][2] = -3.0;
  return w;
}

}  // namespace

TEST_CASE("a projection right after the codec's choice is what the codec makes") {
  const std::string format = GENERATE(
      "f32", "bf16", "f16", "int8", "int4", "int4g32", "int4g64", "ternary", "sign", "codebook8",
      "codebook16", "codebook256", "codebook8f", "codebook16f", "codebook256f", "gobo3", "gobo4");
  INFO(format);
  const Tensor w = weights();
  const auto encoded = encode_weights(w, format);
  REQUIRE(encoded.ok());
  const Tensor projected = project(*grid_of_format(format), w, encoded->grid);
  // Means in double are summed in another order here: at most the last bit of a scale differs.
  const bool has_mean = format == "ternary" || format == "sign";
  if (has_mean) {
    CHECK(at::allclose(projected, encoded->values, 1e-6, 0));
  } else {
    CHECK(at::equal(projected, encoded->values));
  }
  if (format != "f32") CHECK(!at::equal(projected, w));
}

TEST_CASE("int4 keeps the codec's scale while weights move, clips, and halves go to even") {
  const Tensor w = at::tensor({0.5F, 1.5F, -0.5F, -1.5F, 2.4F, 100.0F, -100.0F, 0.0F}).view({1, 8});
  const Tensor grid = at::ones({1, 1});
  const Tensor expected =
      at::tensor({0.0F, 2.0F, 0.0F, -2.0F, 2.0F, 7.0F, -7.0F, 0.0F}).view({1, 8});
  CHECK(at::equal(project(grid_kind::int4, w, grid), expected));
  CHECK(at::equal(project(grid_kind::int4, w, at::zeros({1, 1})), at::zeros({1, 8})));
}

TEST_CASE("a codebook's grid takes the nearest level, the lower one of two") {
  const Tensor levels = at::tensor({-1.0F, 0.0F, 2.0F});
  const Tensor w = at::tensor({-9.0F, -0.5F, -0.4F, 1.0F, 1.1F, 9.0F}).view({2, 3});
  const Tensor expected = at::tensor({-1.0F, -1.0F, 0.0F, 0.0F, 2.0F, 2.0F}).view({2, 3});
  CHECK(at::equal(project(grid_kind::levels, w, levels), expected));
}

TEST_CASE("GOBO's grid keeps what lies outside of its bounds") {
  const Tensor grid = at::tensor({-1.0F, 1.0F, -2.0F, 3.0F});
  const Tensor w = at::tensor({-2.5F, -2.0F, 0.5F, 3.0F, 3.5F}).view({1, 5});
  const Tensor expected = at::tensor({-2.5F, -1.0F, 1.0F, 1.0F, 3.5F}).view({1, 5});
  CHECK(at::equal(project(grid_kind::outliers, w, grid), expected));
}

TEST_CASE("ternary and sign rows follow their definitions") {
  const Tensor w = weights();
  const Tensor t = project(grid_kind::ternary, w, {}), s = project(grid_kind::sign, w, {});
  for (std::int64_t r = 0; r < w.size(0); ++r) {
    double sum = 0, mean = 0;
    for (std::int64_t j = 0; j < w.size(1); ++j) {
      sum += std::abs(w[r][j].item<double>()), mean += w[r][j].item<double>();
    }
    const auto n = static_cast<double>(w.size(1));
    double large = 0, count = 0;
    for (std::int64_t j = 0; j < w.size(1); ++j) {
      const double a = std::abs(w[r][j].item<double>());
      if (a > 0.7 * sum / n) large += a, ++count;
    }
    for (std::int64_t j = 0; j < w.size(1); ++j) {
      const double v = w[r][j].item<double>();
      const double ternary = std::abs(v) > 0.7 * sum / n ? (v > 0 ? 1 : -1) * large / count : 0.0;
      CHECK(std::abs(t[r][j].item<double>() - ternary) < 1e-6);
      const bool constant = r == 3 || r == 4;
      const double sign = constant ? 0.0 : (v < mean / n ? -1 : 1) * sum / n;
      CHECK(std::abs(s[r][j].item<double>() - sign) < 1e-6);
    }
  }
}

TEST_CASE("formats without training and weights without a codebook are one message") {
  CHECK(encode_weights(weights(), "sparse").status().code() == lowbit::errc::unsupported);
  CHECK(encode_weights(weights(), "int3").status().code() == lowbit::errc::unsupported);
  const auto few = encode_weights(at::ones({4, 4}), "codebook16");
  CHECK(few.status().code() == lowbit::errc::invalid_argument);
  Tensor bad = weights();
  bad[1][1] = std::nan("");
  CHECK(!encode_weights(bad, "int8").ok());
}
