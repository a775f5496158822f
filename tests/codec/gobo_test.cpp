// SPDX-License-Identifier: Apache-2.0
// GOBO: outliers against the log-density written out, the rest against a search over the centroids,
// and broken tensors.
#include "lowbit/codec/gobo.hpp"

#include <cmath>

#include "encoded_weights.hpp"

namespace {

using namespace lowbit_test;
using lowbit::errc;
using lowbit::gobo;

static_assert(gobo<3>::size == 8 && gobo<3>::bits_per_weight == 3 && gobo<3>::row_bytes(9) == 4);
static_assert(gobo<3>::kernel_bits == 3 && gobo<4>::kernel_bits == 4 && gobo<5>::kernel_bits == 8);

/// Roughly normal with sigma 0.04, and a few weights anywhere from 0.05 to 0.35.
std::vector<float> weights(std::size_t count, std::size_t far, random_source& random) {
  std::vector<float> w(count);
  for (float& v : w) {
    for (int i = 0; i < 12; ++i) v += random.around(0.0F, 0.02F);
  }
  for (std::size_t i = 0; i < far; ++i) {
    w[random.below(count)] = static_cast<float>(random.sign()) * random.around(0.2F, 0.15F);
  }
  return w;
}

double log_density(const std::vector<float>& w, float x) {
  double mean = 0;
  double variance = 0;
  for (const float v : w) mean += static_cast<double>(v) / static_cast<double>(w.size());
  for (const float v : w) {
    variance += std::pow(static_cast<double>(v) - mean, 2) / static_cast<double>(w.size());
  }
  return std::log(std::exp(-std::pow(static_cast<double>(x) - mean, 2) / (2 * variance)) /
                  std::sqrt(2 * std::acos(-1.0) * variance));
}

}  // namespace

TEST_CASE("outliers are the weights of low density, and stay exact", "[codec]") {
  random_source random(260);
  CAPTURE(random.seed());
  for (const std::size_t k : {15U, 26U, 64U, 75U}) {
    constexpr std::size_t n = 9;
    std::vector<float> w = weights(n * k, 20, random);
    for (float& v : w) v *= k == 26 ? 5.0F : k == 75 ? 20.0F : 1.0F;  // the density has a unit
    const stored_matrix<gobo<3>> m(w, n, k);
    std::size_t outliers = 0;
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < n; ++r) {
      const auto floats = m.floats(r);
      const auto codes = m.codes(r);
      std::vector<bool> listed(k);
      m.reader.each_outlier(r, [&](std::size_t column, float value) {
        listed[column] = true;
        if (value != w[r * k + column]) ++wrong;
      });
      for (std::size_t j = 0; j < k; ++j) {
        const float x = w[r * k + j];
        const double density = log_density(w, x);
        REQUIRE(std::fabs(density + 4) > 1e-9);
        const bool outlier = !(density >= -4);
        outliers += outlier ? 1 : 0;
        if (listed[j] != outlier) ++wrong;
        const float book = m.reader.centroids()[codes[j]];
        if (floats[j] != (outlier ? x : book)) ++wrong;
        for (std::size_t c = 0; c < 8; ++c) {
          if (std::fabs(x - m.reader.centroids()[c]) < std::fabs(x - book) * (1 - 1e-6F)) ++wrong;
        }
      }
    }
    CHECK(wrong == 0);
    CHECK(outliers > 0);
    CHECK(m.encoded.report.outliers == outliers);
    CHECK(m.encoded.tensors[2].shape == std::vector<std::size_t>{outliers});
  }
}

TEST_CASE("the codebook is that of the weights without outliers", "[codec]") {
  random_source random(261);
  CAPTURE(random.seed());
  const std::vector<float> w = weights(8 * 64, 6, random);
  const stored_matrix<gobo<4>> m(w, 8, 64);
  std::vector<float> inner;
  for (const float v : w) {
    if (log_density(w, v) >= -4) inner.push_back(v);
  }
  CHECK(inner.size() + m.encoded.report.outliers == w.size());
  const auto expected = lowbit::l1_means(inner, 16);
  REQUIRE(expected.ok());
  CHECK(std::equal(expected->begin(), expected->end(), m.reader.centroids()));
}

TEST_CASE("a matrix without outliers has empty lists", "[codec]") {
  random_source random(262);
  CAPTURE(random.seed());
  const stored_matrix<gobo<2>> m(random.floats(4 * 26, 0.0F, 0.1F), 4, 26);  // uniform
  CHECK(m.encoded.report.outliers == 0);
  CHECK(m.encoded.tensors[2].shape == std::vector<std::size_t>{0});
  for (const float v : m.floats(3)) CHECK(std::fabs(v) <= 0.1F);
}

TEST_CASE("GOBO keeps the contract of encode", "[codec]") {
  random_source random(263);
  check_encoding_contract<gobo<3>>(weights(6 * 26, 3, random), 6, 26);
}

TEST_CASE("too few distinct inner weights are an error", "[codec]") {
  const auto refused = [](const std::vector<float>& w) {
    return encode(gobo<3>{}, lowbit::matrix_view<const float>{w.data(), 1, w.size(), w.size()})
        .status();
  };
  expect_error(refused(std::vector<float>(50, 0.5F)), errc::invalid_argument,
               {"codebook of 8 values is larger than its data", "1 distinct"});
  expect_error(refused({}), errc::invalid_argument, {"0 distinct"});
  // The density of a wide distribution is low everywhere: no weight is left.
  random_source random(264);
  expect_error(refused(random.floats(100, 0.0F, 100.0F)), errc::invalid_argument, {"0 distinct"});
}

TEST_CASE("malformed GOBO tensors are refused by name", "[codec]") {
  random_source random(265);
  const std::vector<float> w = weights(6 * 26, 6, random);
  stored_matrix<gobo<3>> m(w, 6, 26);
  const std::size_t count = m.encoded.report.outliers;
  REQUIRE(count >= 2);
  SECTION("positions out of order") {
    m.tensors.set(".outliers.index", 1, m.tensors.get<std::int32_t>(".outliers.index", 0));
    expect_error(m.open(), errc::malformed,
                 {"m.weight.outliers.index element 1", "ascending positions below 156"});
  }
  SECTION("a position past the matrix") {
    m.tensors.set(".outliers.index", count - 1, std::int32_t{156});
    expect_error(m.open(), errc::malformed, {"m.weight.outliers.index element", "is 156"});
  }
  SECTION("a negative position") {
    m.tensors.set(".outliers.index", 0, std::int32_t{-1});
    expect_error(m.open(), errc::malformed, {"m.weight.outliers.index element 0 is -1"});
  }
  SECTION("fewer values than positions") {
    m.tensors.descriptor(".outliers.value").shape[0] = count - 1;
    expect_error(m.open(), errc::shape_mismatch, {"m.weight.outliers.value"});
  }
  SECTION("a value that is no number") {
    m.tensors.set(".outliers.value", 1, std::numeric_limits<float>::infinity());
    expect_error(m.open(), errc::malformed, {"m.weight.outliers.value element 1 is not finite"});
  }
  SECTION("a matrix of positions") {
    m.tensors.descriptor(".outliers.index").rank = 2;
    m.tensors.descriptor(".outliers.index").shape[1] = 2;
    expect_error(m.open(), errc::shape_mismatch, {"m.weight.outliers.index"});
  }
  SECTION("no positions") {
    m.tensors.remove(".outliers.index");
    expect_error(m.open(), errc::not_found, {"m.weight.outliers.index is missing"});
  }
}
