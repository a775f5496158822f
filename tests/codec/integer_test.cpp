// SPDX-License-Identifier: Apache-2.0
// int8 and int4 against the definition of the nearest step in long double, and against broken
// tensors.
#include "lowbit/codec/integer.hpp"

#include <algorithm>
#include <cmath>

#include "encoded_weights.hpp"

namespace {

using namespace lowbit_test;
namespace scale = lowbit::scale;
using lowbit::errc;
using lowbit::int4;
using lowbit::int8;

static_assert(int8<scale::row>::scales(7, 9) == 7 && int8<scale::tensor>::scales(7, 9) == 1);
static_assert(int4<scale::group<4>>::scales(7, 9) == 21 && int4<>::row_bytes(9) == 5);
static_assert(int4<>::bits_per_weight == 4 && int8<>::bits_per_weight == 8);

/// Roughly normal: a sum of uniform numbers, so that few weights are large.
std::vector<float> bell(std::size_t count, random_source& random) {
  std::vector<float> w(count);
  for (float& v : w) {
    for (int i = 0; i < 8; ++i) v += random.around(0.0F, 0.02F);
  }
  return w;
}

/// q is the integer nearest to w / s, the even one of two, or the limit on w's side.
bool is_nearest(float w, float s, int q, int limit) {
  if (s == 0.0F) return q == 0;
  const long double steps = static_cast<long double>(w) / static_cast<long double>(s);
  if (std::fabs(steps) > static_cast<long double>(limit)) return q == (w < 0 ? -limit : limit);
  const long double off = std::fabs(steps - static_cast<long double>(q));
  return off < 0.5L || (off == 0.5L && q % 2 == 0);
}

/// The definition of int8 on every weight.
template <class Codec>
void check_int8(std::size_t n, std::size_t k, random_source& random) {
  CAPTURE(n, k, random.seed());
  const std::vector<float> w = bell(n * k, random);
  const stored_matrix<Codec> m(w, n, k);
  check_readings_agree(m);
  std::size_t wrong = 0;
  for (std::size_t r = 0; r < n; ++r) {
    const auto integers = m.integers(r);
    const bool whole = std::is_same_v<typename Codec::scale, scale::tensor>;
    float largest = 0;
    for (std::size_t i = whole ? 0 : r * k; i < (whole ? n * k : (r + 1) * k); ++i) {
      largest = std::max(largest, std::fabs(w[i]));
    }
    CHECK(m.reader.scale(r) == largest / 127.0F);
    for (std::size_t j = 0; j < k; ++j) {
      if (!is_nearest(w[r * k + j], m.reader.scale(r), integers[j], 127)) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

/// Squared error of the best integers of the range for scale s.
long double error_of(const std::vector<float>& w, float s, int limit) {
  long double sum = 0;
  for (const float v : w) {
    long double least = HUGE_VALL;
    for (int q = -limit; q <= limit; ++q) {
      const long double off = static_cast<long double>(v) - static_cast<long double>(s) * q;
      least = std::min(least, off * off);
    }
    sum += least;
  }
  return sum;
}

}  // namespace

TEST_CASE("int8 integers are the nearest steps of max / 127", "[codec]") {
  random_source random(210);
  for (const std::size_t k : {1U, 3U, 15U, 26U, 64U, 75U}) {
    for (const std::size_t n : {1U, 2U, 17U}) {
      check_int8<int8<scale::row>>(n, k, random);
      check_int8<int8<scale::tensor>>(n, k, random);
    }
  }
}

TEST_CASE("halves go to the even integer and the extremes to 127, never -128", "[codec]") {
  const std::vector<float> w{-127, 0.5F, -0.5F, 1.5F, -1.5F, 2.5F, 126.5F, -126.5F, 127};
  const stored_matrix<int8<>> m(w, 1, 9);
  CHECK(m.integers(0) == std::vector<std::int8_t>{-127, 0, 0, 2, -2, 2, 126, -126, 127});
  CHECK(m.reader.scale(0) == 1.0F);
}

TEST_CASE("a row of zeros has scale 0 and integers 0, beside rows that do not", "[codec]") {
  const std::vector<float> w{0, -0.0F, 0, 1, 2, -4};
  const stored_matrix<int8<>> eight(w, 2, 3);
  CHECK(eight.reader.scale(0) == 0.0F);
  CHECK(eight.integers(0) == std::vector<std::int8_t>{0, 0, 0});
  CHECK(eight.integers(1) == std::vector<std::int8_t>{32, 64, -127});
  const stored_matrix<int4<>> four(w, 2, 3);
  CHECK(four.floats(0) == std::vector<float>{0, 0, 0});
  CHECK(four.reader.scale(0) == 0.0F);
}

TEST_CASE("weights too small for a scale do not divide by it", "[codec]") {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const stored_matrix<int8<>> m({tiny, -tiny, 0.0F}, 1, 3);
  CHECK(m.reader.scale(0) == 0.0F);
  CHECK(m.integers(0) == std::vector<std::int8_t>{0, 0, 0});
  const stored_matrix<int8<>> coarse({127 * tiny, 190 * tiny, -190 * tiny}, 1, 3);
  CHECK(coarse.reader.scale(0) == tiny);  // 190 / 127 rounds to one unit
  CHECK(coarse.integers(0) == std::vector<std::int8_t>{127, 127, -127});
}

TEST_CASE("int4 stores integer + 8, low nibble first, and 8 after an odd row", "[codec]") {
  // Exact multiples of max / 7: no other scale of the grid is as good.
  const stored_matrix<int4<>> m({7, -7, 3, 0, -1, 14}, 2, 3);
  CHECK(m.encoded.tensors[0].bytes ==
        std::vector{std::byte{0x1F}, std::byte{0x8B}, std::byte{0x88}, std::byte{0x8F}});
  CHECK(m.integers(0) == std::vector<std::int8_t>{7, -7, 3});
  CHECK(m.integers(1) == std::vector<std::int8_t>{0, 0, 7});  // -1 / 2 is a half: even
  CHECK(m.reader.scale(1) == 2.0F);
  CHECK(m.codes(0) == std::vector<std::uint8_t>{15, 1, 11});
}

TEST_CASE("int4 takes the best scale of its grid and the nearest integers", "[codec]") {
  random_source random(211);
  CAPTURE(random.seed());
  float least = 1;
  for (const std::size_t k : {1U, 3U, 15U, 26U, 64U, 75U, 300U, 1500U}) {
    std::vector<float> w = bell(k, random);
    if (k == 64) w[5] *= 4.0F;
    if (k == 1500) w[7] = 0.45F;
    const stored_matrix<int4<>> m(w, 1, k);
    check_readings_agree(m);
    const float s = m.reader.scale(0);
    const auto integers = m.integers(0);
    for (std::size_t j = 0; j < k; ++j) CHECK(is_nearest(w[j], s, integers[j], 7));
    const float whole =
        std::fabs(*std::max_element(w.begin(), w.end(),
                                    [](float a, float b) { return std::fabs(a) < std::fabs(b); })) /
        7.0F;
    for (int i = 9; i <= 32; ++i) {
      const float other = whole * (static_cast<float>(i) / 32.0F);
      CHECK(error_of(w, s, 7) <= error_of(w, other, 7) * (1 + 1e-9L));
    }
    least = std::min(least, s / whole);
  }
  CHECK(least < 0.4F);  // else the lower part of the grid would be of no use
}

TEST_CASE("a group is encoded as a row of its own would be", "[codec]") {
  random_source random(212);
  CAPTURE(random.seed());
  constexpr std::size_t n = 3;
  constexpr std::size_t k = 11;  // groups of 4, 4, 3
  const std::vector<float> w = random.floats(n * k, 0.0F, 1.0F);
  const stored_matrix<int4<scale::group<4>>> m(w, n, k);
  const stored_matrix<int8<scale::group<4>>> eight(w, n, k);
  check_readings_agree(m);
  check_readings_agree(eight);
  CHECK(m.encoded.tensors[1].shape == std::vector<std::size_t>{3, 3});
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t g = 0; g < 3; ++g) {
      const std::size_t wide = g == 2 ? 3 : 4;
      const auto from = w.begin() + static_cast<std::ptrdiff_t>(r * k + g * 4);
      const std::vector<float> part(from, from + static_cast<std::ptrdiff_t>(wide));
      const stored_matrix<int4<>> alone(part, 1, wide);
      CHECK(m.reader.scale(r, g) == alone.reader.scale(0));
      const auto row = m.integers(r);
      const auto begin = row.begin() + static_cast<std::ptrdiff_t>(g * 4);
      CHECK(std::vector<std::int8_t>(begin, begin + static_cast<std::ptrdiff_t>(wide)) ==
            alone.integers(0));
    }
  }
}

TEMPLATE_TEST_CASE("integer encoders keep the contract of encode", "[codec]", int8<scale::row>,
                   int8<scale::tensor>, int4<scale::row>, int4<scale::tensor>,
                   int4<scale::group<4>>) {
  random_source random(213);
  check_encoding_contract<TestType>(random.floats(6 * 15, 0.0F, 1.0F), 6, 15);
  const stored_matrix<TestType> no_rows({}, 0, 5);
  const stored_matrix<TestType> no_columns({}, 5, 0);
  CHECK(no_columns.floats(4).empty());
}

TEST_CASE("malformed int8 tensors are refused by name", "[codec]") {
  random_source random(214);
  const std::vector<float> w = random.floats(3 * 5, 0.0F, 1.0F);
  stored_matrix<int8<>> m(w, 3, 5);
  SECTION("a code of -128") {
    m.tensors.byte(".codes", 7) = std::byte{0x80};
    expect_error(m.open(), errc::malformed,
                 {"m.weight.codes", "row 1 column 2 is -128", "expected -127 to 127"});
  }
  SECTION("a negative scale") {
    m.tensors.set(".scale", 2, -0.5F);
    expect_error(m.open(), errc::malformed, {"m.weight.scale element 2 is below 0"});
  }
  SECTION("a scale that is no number") {
    m.tensors.set(".scale", 1, std::numeric_limits<float>::quiet_NaN());
    expect_error(m.open(), errc::malformed, {"m.weight.scale element 1 is not finite"});
  }
  SECTION("an infinite scale") {
    m.tensors.set(".scale", 0, std::numeric_limits<float>::infinity());
    expect_error(m.open(), errc::malformed, {"m.weight.scale element 0 is not finite"});
  }
  SECTION("other extents") {
    m.tensors.descriptor(".codes").shape[1] = 4;
    expect_error(m.open(), errc::shape_mismatch, {"m.weight.codes", "[3, 4]", "[3, 5]"});
  }
  SECTION("another type") {
    m.tensors.descriptor(".codes").type = lowbit::element_type::u8;
    expect_error(m.open(), errc::malformed, {"m.weight.codes is U8, expected I8"});
  }
  SECTION("a missing scale") {
    m.tensors.remove(".scale");
    expect_error(m.open(), errc::not_found, {"m.weight.scale is missing"});
  }
}

TEST_CASE("malformed int4 tensors are refused by name", "[codec]") {
  random_source random(215);
  const std::vector<float> w = random.floats(3 * 5, 0.0F, 1.0F);
  stored_matrix<int4<>> m(w, 3, 5);
  SECTION("a code of -8, even column") {
    m.tensors.byte(".codes", 4) &= std::byte{0xF0};
    expect_error(m.open(), errc::malformed,
                 {"m.weight.codes", "row 1 column 2 is code 0", "expected 1 to 15"});
  }
  SECTION("a code of -8, odd column") {
    m.tensors.byte(".codes", 4) &= std::byte{0x0F};
    expect_error(m.open(), errc::malformed, {"row 1 column 3 is code 0"});
  }
  SECTION("a pad nibble that is not 0 as a weight") {
    m.tensors.byte(".codes", 8) &= std::byte{0x0F};
    expect_error(m.open(), errc::malformed, {"row 2 has code 0 past column 5", "expected 8"});
  }
  SECTION("one scale for three rows") {
    m.tensors.descriptor(".scale").shape[0] = 1;
    expect_error(m.open(), errc::shape_mismatch, {"m.weight.scale", "[1, 3]"});
  }
}
