// SPDX-License-Identifier: Apache-2.0
// bf16 and f16 against the definition: every pattern is decoded by ldexp, and a float goes to the
// nearest value of a sorted list of all of them, the even pattern of two.
#include "lowbit/codec/half.hpp"

#include <algorithm>
#include <cmath>

#include "encoded_weights.hpp"

namespace {

using namespace lowbit_test;
using lowbit::bf16;
using lowbit::errc;
using lowbit::f16;

static_assert(f16::row_bytes(3) == 6 && bf16::bits_per_weight == 16);
static_assert(f16::decode(0x3C00) == 1.0F && bf16::encode(-2.0F) == 0xC000);

/// The value of a pattern with `exponent_bits`, by its definition.
double value_of(unsigned pattern, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto exponent = static_cast<int>((pattern & 0x7FFFU) >> mantissa_bits);
  const auto mantissa = static_cast<double>(pattern & ((1U << mantissa_bits) - 1));
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return (pattern & 0x8000U) != 0 ? -magnitude : magnitude;
}

/// The pattern nearest to x among all finite ones; `count` patterns are finite and positive.
unsigned nearest_of(float x, int exponent_bits, unsigned count) {
  const double magnitude = std::fabs(static_cast<double>(x));
  unsigned low = 0;  // positive patterns rise with their value
  unsigned high = count - 1;
  while (high - low > 1) {
    const unsigned middle = (low + high) / 2;
    (value_of(middle, exponent_bits) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - value_of(low, exponent_bits);
  const double above = value_of(high, exponent_bits) - magnitude;
  const unsigned best = below < above ? low : above < below ? high : low % 2 == 0 ? low : high;
  return best | (std::signbit(x) ? 0x8000U : 0U);
}

template <class Format>
void check_format(int exponent_bits, random_source& random) {
  CAPTURE(Format::name, random.seed());
  const unsigned count = unsigned{Format::largest} + 1;
  std::size_t wrong = 0;
  for (unsigned p = 0; p < 0x10000U; ++p) {
    if ((p & 0x7FFFU) >= count) continue;  // infinities and NaN
    const float value = Format::decode(static_cast<std::uint16_t>(p));
    if (static_cast<double>(value) != value_of(p, exponent_bits)) ++wrong;
    if (Format::encode(value) != p) ++wrong;
    if ((p & 0x7FFFU) + 1 == count) continue;
    // Around the middle between two neighbours, which is a float.
    const double next = value_of(p + 1, exponent_bits);
    const auto middle = static_cast<float>((value_of(p, exponent_bits) + next) / 2);
    for (const float x : {middle, std::nextafter(middle, 0.0F), std::nextafter(middle, 1e38F)}) {
      if (Format::encode(x) != nearest_of(x, exponent_bits, count)) ++wrong;
    }
  }
  for (int i = 0; i < 20000; ++i) {
    const float x = std::ldexp(random.around(0.0F, 1.0F), static_cast<int>(random.below(42)) - 27);
    if (Format::encode(x) != nearest_of(x, exponent_bits, count)) ++wrong;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("f16 and bf16 are exact to decode and nearest, halves to even, to encode", "[codec]") {
  random_source random(230);
  check_format<f16>(5, random);
  check_format<bf16>(8, random);
}

TEST_CASE("small f16 magnitudes round to subnormals and to zero", "[codec]") {
  CHECK(f16::encode(0x1p-24F) == 1);
  CHECK(f16::encode(0x1p-25F) == 0);  // half of it: even
  CHECK(f16::encode(std::nextafter(0x1p-25F, 1.0F)) == 1);
  CHECK(f16::encode(-0x1.8p-24F) == 0x8002);  // one and a half: even
  CHECK(f16::encode(-0.0F) == 0x8000);
  CHECK(f16::encode(std::nextafter(0x1p-14F, 0.0F)) == 0x400);  // rounds up to the first normal
}

TEMPLATE_TEST_CASE("half tensors read as the rounded weights", "[codec]", f16, bf16) {
  random_source random(231);
  CAPTURE(random.seed());
  for (const std::size_t k : {1U, 3U, 15U, 26U, 64U, 75U}) {
    const std::vector<float> w = random.floats(3 * k, 0.0F, 1.0F);
    const stored_matrix<TestType> m(w, 3, k);
    CHECK(m.encoded.tensors.size() == 1);
    CHECK(m.encoded.tensors[0].suffix.empty());
    CHECK(m.encoded.tensors[0].bytes.size() == 3 * TestType::row_bytes(k));
    for (std::size_t r = 0; r < 3; ++r) {
      const auto floats = m.floats(r);
      for (std::size_t j = 0; j < k; ++j) {
        const float step = TestType::type == lowbit::element_type::f16 ? 0x1p-11F : 0x1p-8F;
        CHECK(std::fabs(floats[j] - w[r * k + j]) <= step * std::fabs(w[r * k + j]) + 0x1p-25F);
      }
    }
  }
  check_encoding_contract<TestType>(random.floats(4 * 7, 0.0F, 1.0F), 4, 7);
  const stored_matrix<TestType> no_columns({}, 5, 0);
  CHECK(no_columns.floats(4).empty());
}

TEST_CASE("a weight that would become infinite is an error", "[codec]") {
  const std::vector<float> fits{65504, 65519.996F, -65519.996F};
  CHECK(stored_matrix<f16>(fits, 1, 3).floats(0) == std::vector<float>{65504, 65504, -65504});
  const std::vector<float> w{1, 2, 3, -65520};
  expect_error(encode(f16{}, lowbit::matrix_view<const float>{w.data(), 2, 2, 2}).status(),
               errc::invalid_argument, {"row 1 column 1", "-65520", "largest f16", "65504"});
  const std::vector<float> huge{std::numeric_limits<float>::max()};
  expect_error(encode(bf16{}, lowbit::matrix_view<const float>{huge.data(), 1, 1, 1}).status(),
               errc::invalid_argument, {"row 0 column 0", "3.4028235e+38", "largest bf16"});
}

TEST_CASE("malformed half tensors are refused by name", "[codec]") {
  stored_matrix<f16> m({1, 2, 3, 4, 5, 6}, 2, 3);
  SECTION("an infinity") {
    m.tensors.set("", 4, std::uint16_t{0xFC00});
    expect_error(m.open(), errc::malformed, {"m.weight element 4 is not finite"});
  }
  SECTION("NaN") {
    m.tensors.set("", 0, std::uint16_t{0x7E01});
    expect_error(m.open(), errc::malformed, {"m.weight element 0 is not finite"});
  }
  SECTION("the other half format") {
    m.tensors.descriptor("").type = lowbit::element_type::bf16;
    expect_error(m.open(), errc::malformed, {"m.weight is BF16, expected F16"});
  }
  SECTION("other extents") {
    m.tensors.descriptor("").shape[0] = 3;
    expect_error(m.open(), errc::shape_mismatch, {"m.weight", "[3, 3]", "[2, 3]"});
  }
}
