// SPDX-License-Identifier: Apache-2.0
// Ternary weights against the published definitions, written out on vectors of doubles, and against
// broken tensors.
#include "lowbit/codec/ternary.hpp"

#include <cmath>

#include "encoded_weights.hpp"

namespace {

using namespace lowbit_test;
namespace scale = lowbit::scale;
namespace clip = lowbit::weight_clip;
namespace fit = lowbit::ternary_fit;
using lowbit::errc;
using lowbit::ternary;
using twn = ternary<scale::tensor>;
using twn_rows = ternary<scale::row>;
using twn_clipped = ternary<scale::tensor, clip::fixed>;
using laq = ternary<scale::tensor, clip::none, fit::laq>;
using laq_rows = ternary<scale::row, clip::fixed, fit::laq>;

static_assert(twn::row_bytes(4) == 1 && twn::row_bytes(5) == 2 && twn::bits_per_weight == 2);
static_assert(twn::scales(7, 9) == 1 && twn_rows::scales(7, 9) == 7);

struct expected_ternary {
  double alpha = 0;
  std::vector<int> t;
  double margin = 1;  // how far the closest weight is from its threshold
};

/// TWN (Li, Zhang and Liu, 2016).
expected_ternary twn_of(const std::vector<double>& w) {
  expected_ternary e;
  double mean = 0;
  for (const double v : w) mean += std::fabs(v) / static_cast<double>(w.size());
  double kept = 0;
  double count = 0;
  for (const double v : w) {
    const bool large = std::fabs(v) > 0.7 * mean;
    e.t.push_back(large ? (v > 0 ? 1 : -1) : 0);
    kept += large ? std::fabs(v) : 0;
    count += large ? 1 : 0;
    e.margin = std::min(e.margin, std::fabs(std::fabs(v) - 0.7 * mean));
  }
  e.alpha = count == 0 ? 0 : kept / count;
  return e;
}

/// LAQ (Hou and Kwok, 2018) with n = 1.
expected_ternary laq_of(const std::vector<double>& w) {
  expected_ternary e;
  std::vector<double> b;
  for (const double v : w) b.push_back(v > 0 ? 1 : v < 0 ? -1 : 0);
  for (int step = 0; step < 10; ++step) {
    double top = 0;
    double bottom = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      top += std::fabs(b[i] * w[i]);
      bottom += std::fabs(b[i]);
    }
    e.alpha = bottom == 0 ? 0 : top / bottom;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double x = e.alpha == 0 ? 0 : w[i] / e.alpha;
      b[i] = std::nearbyint(std::max(-1.0, std::min(1.0, x)));
      e.margin = std::min(e.margin, std::fabs(std::fabs(w[i]) - e.alpha / 2));
    }
  }
  for (const double v : b) e.t.push_back(static_cast<int>(v));
  return e;
}

template <class Codec, class Reference>
void check_ternary(std::size_t n, std::size_t k, bool clipped, Reference reference,
                   random_source& random) {
  CAPTURE(n, k, random.seed());
  const std::vector<float> w = random.floats(n * k, 0.1F, 4.0F);  // some beyond 2.5
  const stored_matrix<Codec> m(w, n, k);
  check_readings_agree(m);
  const bool whole = std::is_same_v<typename Codec::scale, scale::tensor>;
  for (std::size_t r = 0; r < n; r += whole ? n : 1) {
    std::vector<double> part;
    for (std::size_t i = r * k; i < (whole ? n * k : (r + 1) * k); ++i) {
      const auto v = static_cast<double>(w[i]);
      part.push_back(clipped ? std::max(-2.5, std::min(2.5, v)) : v);
    }
    const expected_ternary e = reference(part);
    REQUIRE(e.margin > 1e-9);  // else the order of a sum could decide
    CHECK(!(std::fabs(static_cast<double>(m.reader.scale(r)) - e.alpha) > 1e-6 * e.alpha));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (m.integers(r + i / k)[i % k] != e.t[i]) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

}  // namespace

TEST_CASE("ternary codes and scales are those of the published formulas", "[codec]") {
  random_source random(220);
  for (const std::size_t k : {1U, 3U, 15U, 26U, 64U, 75U}) {
    for (const std::size_t n : {1U, 2U, 5U}) {
      check_ternary<twn>(n, k, false, twn_of, random);
      check_ternary<twn_rows>(n, k, false, twn_of, random);
      check_ternary<twn_clipped>(n, k, true, twn_of, random);
      check_ternary<laq>(n, k, false, laq_of, random);
      check_ternary<laq_rows>(n, k, true, laq_of, random);
    }
  }
}

TEST_CASE("a hand-written ternary matrix gives the expected bytes", "[codec]") {
  // mean |w| = 2, threshold 1.4, scale (4 + 3 + 2) / 3 = 3.
  const stored_matrix<twn> m({4, -3, 0.5F, -0.5F, 2}, 1, 5);
  CHECK(m.encoded.tensors[0].bytes == std::vector{std::byte{0b1001}, std::byte{0b01}});
  CHECK(m.floats(0) == std::vector<float>{3, -3, 0, 0, 3});
  // LAQ: 2, then the mean of {4, 3, 2} = 3 (above 1), and 2 stays above 1.5.
  const stored_matrix<laq> other({4, -3, 0.5F, -0.5F, 2}, 1, 5);
  CHECK(other.floats(0) == std::vector<float>{3, -3, 0, 0, 3});
  // Half of the scale rounds to 0: the first scale is 2, and |-1| is half of it.
  const stored_matrix<laq> half({3, -1}, 1, 2);
  CHECK(half.floats(0) == std::vector<float>{3, 0});
}

TEST_CASE("clipping comes before the means", "[codec]") {
  const std::vector<float> w{100, -2.5F, 2.5F, -100};
  CHECK(stored_matrix<twn_clipped>(w, 1, 4).floats(0) ==
        std::vector<float>{2.5F, -2.5F, 2.5F, -2.5F});
  CHECK(stored_matrix<twn>(w, 1, 4).floats(0) == std::vector<float>{100, 0, 0, -100});
}

TEST_CASE("equal magnitudes are all kept, zeros give scale 0", "[codec]") {
  CHECK(stored_matrix<twn>({-2, 2, 2}, 1, 3).floats(0) == std::vector<float>{-2, 2, 2});
  const stored_matrix<twn_rows> m({0, -0.0F, 1, 1}, 2, 2);
  CHECK(m.reader.scale(0) == 0.0F);
  CHECK(m.integers(0) == std::vector<std::int8_t>{0, 0});
  CHECK(m.reader.scale(1) == 1.0F);
  CHECK(stored_matrix<laq>({0, 0, 0}, 1, 3).reader.scale(0) == 0.0F);
}

TEMPLATE_TEST_CASE("ternary encoders keep the contract of encode", "[codec]", twn, twn_rows,
                   twn_clipped, laq, laq_rows) {
  random_source random(221);
  check_encoding_contract<TestType>(random.floats(5 * 26, 0.0F, 1.0F), 5, 26);
  const stored_matrix<TestType> no_rows({}, 0, 5);
  const stored_matrix<TestType> no_columns({}, 5, 0);
  CHECK(no_columns.integers(4).empty());
}

TEST_CASE("malformed ternary tensors are refused by name", "[codec]") {
  stored_matrix<twn_rows> m({4, -3, 0.5F, -0.5F, 2, 1, 1, 1, 1, 1}, 2, 5);
  SECTION("the fourth code") {
    m.tensors.byte(".codes", 2) |= std::byte{0b110000};
    expect_error(m.open(), errc::malformed,
                 {"m.weight.codes row 1 column 2 is code 3", "expected 0 to 2"});
  }
  SECTION("a pad bit") {
    m.tensors.byte(".codes", 1) |= std::byte{0b100};
    expect_error(m.open(), errc::malformed, {"m.weight.codes row 0 has bits set past column 5"});
  }
  SECTION("a negative scale") {
    m.tensors.set(".scale", 1, -1.0F);
    expect_error(m.open(), errc::malformed, {"m.weight.scale element 1 is below 0"});
  }
  SECTION("a short row") {
    m.tensors.descriptor(".codes").shape[1] = 1;
    expect_error(m.open(), errc::shape_mismatch, {"m.weight.codes", "[2, 1]", "[2, 2]"});
  }
}
