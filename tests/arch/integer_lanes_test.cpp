// SPDX-License-Identifier: Apache-2.0
// Every integer lane operation of every arch against 64-bit arithmetic on one value.
#include "lowbit/arch/integer_lanes.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "../support/archs.hpp"
#include "../support/guarded.hpp"
#include "../support/lanes.hpp"
#include "../support/random.hpp"

namespace {

using namespace lowbit_test;

/// The ends of the range beside small and random values; every pair meets at some lane.
std::vector<std::int32_t> operands(random_source& random, std::size_t shift) {
  const std::int32_t special[] = {
      0,         1,         -1,      2,          -2,    127,     -128,       65535,
      INT32_MAX, INT32_MIN, 1 << 30, -(1 << 30), 12345, -987654, 0x55555555, INT32_MIN + 1};
  constexpr std::size_t count = std::size(special);
  std::vector<std::int32_t> values;
  for (std::size_t round = 0; round < count; ++round) {
    for (std::size_t i = 0; i < count; ++i) values.push_back(special[(i + round * shift) % count]);
  }
  while (values.size() < 16 * 300) {
    const auto bits = static_cast<std::int32_t>(random.bits() >> 32);
    values.push_back(bits >> random.below(31));
  }
  return values;
}

template <class F>
int_lanes each_integer(F f) {
  int_lanes lanes;
  for (std::size_t i = 0; i < 16; ++i) lanes[i] = f(i);
  return lanes;
}

std::int32_t low_bits(std::int64_t v) { return static_cast<std::int32_t>(v); }

}  // namespace

TEMPLATE_LIST_TEST_CASE("integer lanes equal the expression for one value", "[simd]",
                        compiled_archs) {
  need_arch<TestType>();
  using i = lowbit::i32x16<TestType>;
  random_source random(610);
  CAPTURE(random.seed());
  const auto left = operands(random, 0);
  const auto right = operands(random, 1);
  for (std::size_t at = 0; at < left.size(); at += 16) {
    const std::int32_t* x = left.data() + at;
    const std::int32_t* y = right.data() + at;
    CAPTURE(at);
    const i a = i::load(x);
    const i b = i::load(y);
    const auto wide = [](std::int32_t v) { return std::int64_t{v}; };
    CHECK(to_array(multiply(a, b)) ==
          each_integer([&](std::size_t n) { return low_bits(wide(x[n]) * y[n]); }));
    CHECK(to_array(max(a, b)) == each_integer([&](std::size_t n) { return std::max(x[n], y[n]); }));
    CHECK(to_array(min(a, b)) == each_integer([&](std::size_t n) { return std::min(x[n], y[n]); }));
    CHECK(to_array(lowbit::shift_right<7>(a)) ==
          each_integer([&](std::size_t n) { return x[n] >> 7; }));
    CHECK(to_array(shift_right(a, b & i::broadcast(31))) ==
          each_integer([&](std::size_t n) { return x[n] >> (y[n] & 31); }));
    CHECK(to_array(clamp(a, i::broadcast(1000))) ==
          each_integer([&](std::size_t n) { return std::clamp(x[n], -1000, 1000); }));
    CHECK(reduce_max(a) == *std::max_element(x, x + 16));
    lowbit::wide_sum<TestType> sum;
    sum.add_products(a, b);
    sum.add_products(b, i::broadcast(3));
    std::int64_t expected = 0;
    for (std::size_t n = 0; n < 16; ++n) expected += wide(x[n]) * y[n] / 2;  // half: it must fit
    bool fits = expected < (std::int64_t{1} << 61) && expected > -(std::int64_t{1} << 61);
    if (fits) {
      expected = 0;
      for (std::size_t n = 0; n < 16; ++n) expected += wide(x[n]) * y[n] + wide(y[n]) * 3;
      CHECK(sum.total() == expected);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("multiply_shift rounds the 64-bit product, ties up", "[simd]",
                        compiled_archs) {
  need_arch<TestType>();
  using i = lowbit::i32x16<TestType>;
  random_source random(611);
  CAPTURE(random.seed());
  const auto values = operands(random, 0);
  const auto others = operands(random, 1);
  for (std::size_t at = 0; at < values.size(); at += 16) {
    std::int32_t factor[16], shift[16];
    for (std::size_t n = 0; n < 16; ++n) {
      factor[n] = others[at + n] == INT32_MIN ? INT32_MAX : others[at + n];  // |m| has 31 bits
      shift[n] = static_cast<std::int32_t>(1 + (at / 16 + n) % 62);
    }
    const std::int32_t* x = values.data() + at;
    CAPTURE(at);
    CHECK(to_array(multiply_shift(i::load(x), i::load(factor), i::load(shift))) ==
          each_integer([&](std::size_t n) {
            __extension__ const __int128 product = static_cast<__int128>(x[n]) * factor[n];
            return static_cast<std::int32_t>(
                (product + (static_cast<__int128>(1) << (shift[n] - 1))) >> shift[n]);
          }));
  }
}

TEMPLATE_LIST_TEST_CASE("bytes become lanes, and none past the last is read", "[simd]",
                        compiled_archs) {
  need_arch<TestType>();
  std::vector<std::int8_t> bytes;
  for (int v = 0; v < 16; ++v) bytes.push_back(static_cast<std::int8_t>(v * 17 - 128));
  for (std::size_t count = 0; count <= 16; ++count) {
    const guarded_copy some(
        std::vector<std::int8_t>(bytes.begin(), bytes.begin() + static_cast<long>(count)));
    CHECK(to_array(lowbit::load_bytes<TestType>(some.data(), count)) ==
          each_integer([&](std::size_t n) { return n < count ? int{bytes[n]} : 0; }));
  }
}
