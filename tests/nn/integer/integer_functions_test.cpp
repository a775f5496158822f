// SPDX-License-Identifier: Apache-2.0
// Integer exp, tanh, GELU, softmax and dyadic ratios against double on their whole domains, at
// their ends, and bit for bit across archs.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "../../support/archs.hpp"
#include "../../support/guarded.hpp"
#include "../../support/lanes.hpp"
#include "../../support/random.hpp"
#include "lowbit/nn/integer/exp.hpp"
#include "lowbit/nn/integer/gelu.hpp"
#include "lowbit/nn/integer/softmax.hpp"

namespace {

using namespace lowbit_test;
using lowbit::dyadic;
using lowbit::integer_exp;
using lowbit::integer_gelu;
using lowbit::integer_tanh;

dyadic ratio_of(double ratio) {
  dyadic d;
  REQUIRE(dyadic::from(ratio, "test", d).ok());
  return d;
}

}  // namespace

TEST_CASE("a dyadic number is its ratio to 2^-30 and rounds to nearest", "[integer]") {
  random_source random(620);
  CAPTURE(random.seed());
  for (int n = 0; n < 20000; ++n) {
    const int exponent = static_cast<int>(random.below(61)) - 32;
    const double sign = random.sign();
    const double ratio =
        sign * std::ldexp(1.0 + static_cast<double>(random.bits() >> 12) * 0x1p-52, exponent);
    if (std::abs(ratio) >= 0x1p29) continue;
    const dyadic d = ratio_of(ratio);
    const double held = std::ldexp(static_cast<double>(d.multiplier), -d.shift);
    CHECK(std::abs(held / ratio - 1.0) <= 0x1p-30);
    CHECK((d.shift >= 1 && d.shift <= 62));
    const auto v = static_cast<std::int32_t>(random.bits() >> 32) >> random.below(31);
    const double exact = held * static_cast<double>(v);
    if (std::abs(exact) <= 0x1p29) {  // within the limit: the nearest integer
      CHECK(std::abs(static_cast<double>(d.apply(v)) - exact) <= 0.5);
    } else {
      CHECK(std::abs(static_cast<double>(d.apply(v))) >= 0x1p29 * (1 - 0x1p-26) - std::abs(held));
      CHECK(std::abs(static_cast<double>(d.apply(v))) <= 0x1p29 + 1);
      CHECK(std::signbit(static_cast<double>(d.apply(v))) == std::signbit(exact));
    }
  }
}

TEST_CASE("a dyadic number takes any finite ratio below 2^29 and refuses the others", "[integer]") {
  CHECK(ratio_of(0.0).apply(INT32_MAX) == 0);
  CHECK(ratio_of(1e-300).apply(INT32_MIN) == 0);
  CHECK(ratio_of(std::numeric_limits<double>::denorm_min()).apply(INT32_MAX) == 0);
  CHECK(ratio_of(0.5).apply(1) == 1);  // ties up
  CHECK(ratio_of(0.5).apply(-1) == 0);
  CHECK(ratio_of(1.0).apply(123456) == 123456);
  CHECK(ratio_of(-2.0).apply(21) == -42);
  CHECK(ratio_of(1 - 0x1p-53).apply(1 << 29) ==
        1 << 29);  // the multiplier rounds up to a power of 2
  CHECK(ratio_of(0x1.ffffffp28).apply(1) == (1 << 29) - 16);
  CHECK(ratio_of(4.0).apply(INT32_MIN) == -(1 << 29));
  CHECK(ratio_of(4.0).apply(INT32_MAX) == 1 << 29);
  const double bad[] = {0x1p29, -0x1p29, 1e300, std::numeric_limits<double>::infinity(),
                        std::numeric_limits<double>::quiet_NaN()};
  for (const double ratio : bad) {
    dyadic d;
    const auto s = dyadic::from(ratio, "some.layer", d);
    CHECK(s.code() == lowbit::errc::unsupported);
    CHECK(s.message() ==
          "the ratio of the scales of some.layer is not below 2^29: no integer layer can rescale "
          "by it");
  }
}

TEMPLATE_LIST_TEST_CASE("dyadic lanes equal the one-value definition", "[integer]",
                        compiled_archs) {
  need_arch<TestType>();
  using i = lowbit::i32x16<TestType>;
  random_source random(621);
  CAPTURE(random.seed());
  for (const double ratio : {0.0, 1e-9, 0.3, -0.7, 1.0, 3.9, -1000.5, 5e8}) {
    const dyadic d = ratio_of(ratio);
    for (int n = 0; n < 50; ++n) {
      std::int32_t x[16];
      for (auto& v : x) v = static_cast<std::int32_t>(random.bits() >> 32) >> random.below(31);
      x[0] = INT32_MIN;
      x[15] = INT32_MAX;
      const auto out = to_array(lowbit::dyadic_lanes<TestType>(d).apply(i::load(x)));
      for (std::size_t l = 0; l < 16; ++l) CHECK(out[l] == d.apply(x[l]));
    }
  }
}

TEST_CASE("integer exp is within 0.003 of e^-x on its whole domain and monotone", "[integer]") {
  CHECK(integer_exp::apply(0) == integer_exp::one);
  double worst = 0;
  std::size_t rises = 0;
  std::int32_t before = integer_exp::one;
  for (std::int32_t n = 0; n <= integer_exp::largest; ++n) {
    const std::int32_t e = integer_exp::apply(n);
    rises += e > before || e < 0 ? 1 : 0;
    before = e;
    const double value = static_cast<double>(e) / integer_exp::one;
    worst = std::max(worst, std::abs(value - std::exp(-integer_exp::grid * n)));
  }
  CHECK(worst <= 0.003);
  CHECK(rises == 0);
  CHECK(integer_exp::apply(INT32_MAX) == integer_exp::apply(integer_exp::largest));
}

TEMPLATE_LIST_TEST_CASE("integer exp lanes equal the one-value definition", "[integer]",
                        compiled_archs) {
  need_arch<TestType>();
  std::size_t different = 0;
  for (std::int32_t n = 0; n < integer_exp::largest + 4000; n += 16 * 7) {
    std::int32_t x[16];
    for (std::int32_t l = 0; l < 16; ++l) x[l] = n + 7 * l;
    const auto out = to_array(integer_exp::apply(lowbit::i32x16<TestType>::load(x)));
    for (std::size_t l = 0; l < 16; ++l) different += out[l] != integer_exp::apply(x[l]) ? 1 : 0;
  }
  CHECK(different == 0);
}

TEST_CASE("integer tanh is odd and within 0.003 and half a code of tanh", "[integer]") {
  double worst = 0;
  for (std::int32_t x = -300000; x <= 300000; ++x) {
    const double code = integer_tanh::apply(x);
    worst = std::max(worst, std::abs(code / 127 - std::tanh(integer_exp::grid * x)));
    if (integer_tanh::apply(-x) != -integer_tanh::apply(x)) FAIL("not odd at " << x);
  }
  CHECK(worst <= 0.003 + 0.5 / 127);
  CHECK(integer_tanh::apply(0) == 0);
  CHECK(integer_tanh::apply((1 << 29) + 1) == 127);
  CHECK(integer_tanh::apply(-(1 << 29) - 1) == -127);
}

TEMPLATE_LIST_TEST_CASE("integer GELU is within 0.0185 of the erf form and exact far out",
                        "[integer]", compiled_archs) {
  need_arch<TestType>();
  using i = lowbit::i32x16<TestType>;
  const auto run = [](const std::int32_t(&x)[16]) {
    return to_array(integer_gelu::apply(i::load(x)));
  };
  double worst = 0;
  std::size_t nonzero = 0, different = 0;  // from 0 far left; from the one-value definition
  for (std::int32_t n = -7 << 14; n < 7 << 14; n += 16) {
    std::int32_t x[16];
    for (std::int32_t l = 0; l < 16; ++l) x[l] = n + l;
    const auto out = run(x);
    for (std::size_t l = 0; l < 16; ++l) {
      different += out[l] != integer_gelu::apply(x[l]) ? 1 : 0;
      const double in = static_cast<double>(x[l]) * integer_gelu::input_scale;
      const double y = static_cast<double>(out[l]) * integer_gelu::output_scale;
      worst = std::max(worst, std::abs(y - 0.5 * in * (1 + std::erf(in / std::sqrt(2.0)))));
      if (x[l] <= -integer_gelu::clip && out[l] != 0) ++nonzero;
    }
  }
  CHECK(worst <= 0.0185);
  CHECK(nonzero == 0);
  CHECK(different == 0);
  const std::int32_t ends[16] = {(1 << 29) + 1, -(1 << 29) - 1, 1 << 20, -(1 << 20), 0, 1, -1};
  const auto out = run(ends);
  for (std::size_t l = 0; l < 4; ++l) {  // identity or 0, at the largest inputs, too
    const double expected = std::max(static_cast<double>(ends[l]) * integer_gelu::input_scale, 0.0);
    CHECK(std::abs(static_cast<double>(out[l]) * integer_gelu::output_scale - expected) <=
          expected * 1e-5);
  }
  CHECK(out[4] == 0);
}

TEMPLATE_LIST_TEST_CASE("integer softmax is within one step of 2^-8 of softmax", "[integer]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(622);
  CAPTURE(random.seed());
  for (const std::size_t length : {1U, 2U, 15U, 16U, 17U, 33U, 500U, 4097U}) {
    for (const double scale : {1e-6, 1e-4, 0.01}) {
      CAPTURE(length, scale);
      const std::size_t padded = (length + 15) / 16 * 16;
      const guarded<std::int32_t> x(padded, 0x7F);  // garbage past the end
      const guarded<std::int8_t> codes(padded, 0x55);
      for (std::size_t j = 0; j < length; ++j)
        x[j] = static_cast<std::int32_t>(random.around(0.0F, 1.0F) * 50000.0F);
      std::vector<double> p(length);
      double largest = -1e300, sum = 0;
      for (std::size_t j = 0; j < length; ++j) largest = std::max(largest, scale * x[j]);
      for (std::size_t j = 0; j < length; ++j) sum += p[j] = std::exp(scale * x[j] - largest);
      const dyadic ratio = ratio_of(scale / integer_exp::grid);
      const std::int32_t count =
          lowbit::integer_softmax::run<TestType>(x.data(), length, ratio, codes.data());
      std::int32_t total = 0;
      double worst = 0;
      for (std::size_t j = 0; j < length; ++j) {
        total += codes[j];
        worst = std::max(worst, std::abs(codes[j] + 128 - 256 * p[j] / sum));
      }
      CHECK(worst <= 1.6);  // half a step, 0.3 % of exp in numerator and sum, and 256 -> 255
      CHECK(count == total);
      for (std::size_t j = length; j < padded; ++j) CHECK(codes[j] == 0);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("integer softmax keeps to 32 bits at its extremes", "[integer]",
                        compiled_archs) {
  need_arch<TestType>();
  constexpr std::size_t length = 1 << 16;
  const guarded<std::int32_t> x(length);
  const guarded<std::int8_t> codes(length);
  const auto run = [&](double ratio) {
    return lowbit::integer_softmax::run<TestType>(x.data(), length, ratio_of(ratio), codes.data());
  };
  for (std::int32_t& v : x) v = -(1 << 30);  // 2^16 equal scores: each 1/65536, code 0
  CHECK(run(1.0) == -128 * (1 << 16));
  constexpr std::int32_t largest = 127 * 127 * (1 << 16);  // of 2^16 channels
  for (std::int32_t& v : x) v = -largest;
  x[7] = largest;  // the largest distance, at the largest ratio
  CHECK(run(0x1p28) == 127 - 128 * ((1 << 16) - 1));
  CHECK(codes[7] == 127);
  CHECK(codes[8] == -128);
}
