// SPDX-License-Identifier: Apache-2.0
// Every lane operation of every arch against the plain expression for one value. Equal to the same
// expression means equal across archs.
#include "lowbit/arch/simd.hpp"

#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <vector>

#include "../support/archs.hpp"
#include "../support/guarded.hpp"
#include "../support/lanes.hpp"
#include "../support/random.hpp"

namespace {

using namespace lowbit_test;

/// Every pair of special values occurs at some lane, then random bit patterns of all exponents.
std::vector<float> operands(random_source& random, std::size_t shift) {
  using limits = std::numeric_limits<float>;
  const float special[] = {0.0F,
                           -0.0F,
                           1.0F,
                           -1.0F,
                           limits::min(),
                           -limits::min(),
                           limits::max(),
                           limits::lowest(),
                           limits::denorm_min(),
                           1e-40F,
                           limits::infinity(),
                           -limits::infinity(),
                           limits::quiet_NaN(),
                           0.5F,
                           16777217.0F,
                           -3.75F};
  constexpr std::size_t count = std::size(special);
  std::vector<float> values;
  for (std::size_t round = 0; round < count; ++round) {
    for (std::size_t i = 0; i < count; ++i) values.push_back(special[(i + round * shift) % count]);
  }
  while (values.size() < 16 * 500) {
    const float v = std::bit_cast<float>(static_cast<std::uint32_t>(random.bits()));
    values.push_back(std::isnan(v) ? random.around(0.0F, 4.0F) : v);  // no signalling NaN
  }
  while (values.size() < 16 * 1000) values.push_back(random.around(0.0F, 4.0F));
  return values;
}

template <class F>
lowbit::lane_mask mask_of(F f) {
  unsigned mask = 0;
  for (std::size_t i = 0; i < 16; ++i) mask |= f(i) ? 1U << i : 0U;
  return static_cast<lowbit::lane_mask>(mask);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("f32x16 operations equal the expression for one value", "[simd]",
                        compiled_archs) {
  need_arch<TestType>();
  using f = lowbit::f32x16<TestType>;
  random_source random(140);
  CAPTURE(random.seed());
  const auto left = operands(random, 0);
  const auto right = operands(random, 1);
  const auto third = operands(random, 3);
  for (std::size_t at = 0; at < left.size(); at += 16) {
    const float* x = left.data() + at;
    const float* y = right.data() + at;
    const float* z = third.data() + at;
    const f a = f::load(x);
    const f b = f::load(y);
    const f c = f::load(z);
    CAPTURE(at);
    const auto check = [&](const f& v, auto expression) {
      CHECK(lane_difference(to_array(v), each_lane(expression)) == "");
    };
    check(a + b, [&](std::size_t i) { return x[i] + y[i]; });
    check(a - b, [&](std::size_t i) { return x[i] - y[i]; });
    check(a * b, [&](std::size_t i) { return x[i] * y[i]; });
    check(a / b, [&](std::size_t i) { return x[i] / y[i]; });
    check(fma(a, b, c), [&](std::size_t i) { return std::fma(x[i], y[i], z[i]); });
    check(sqrt(a), [&](std::size_t i) { return std::sqrt(x[i]); });
    // The second operand where either is NaN, and for zeros of unlike sign.
    check(max(a, b), [&](std::size_t i) { return x[i] > y[i] ? x[i] : y[i]; });
    check(min(a, b), [&](std::size_t i) { return x[i] < y[i] ? x[i] : y[i]; });
    CHECK(less(a, b) == mask_of([&](std::size_t i) { return x[i] < y[i]; }));
    const auto mask = static_cast<lowbit::lane_mask>(random.bits());
    check(select(mask, a, b), [&](std::size_t i) { return (mask >> i & 1) != 0 ? x[i] : y[i]; });
    check(f::from_bits(bits_of(a)), [&](std::size_t i) { return x[i]; });
    check(f::broadcast(x[3]), [&](std::size_t) { return x[3]; });
  }
}

TEMPLATE_LIST_TEST_CASE("i32x16 operations equal the expression for one value", "[simd]",
                        compiled_archs) {
  need_arch<TestType>();
  using i = lowbit::i32x16<TestType>;
  random_source random(141);
  CAPTURE(random.seed());
  constexpr std::int32_t special[] = {0, 1, -1, INT32_MAX, INT32_MIN, 127, -8388608, 16777216};
  for (std::size_t round = 0; round < 300; ++round) {
    int_lanes x;
    int_lanes y;
    for (std::size_t n = 0; n < 16; ++n) {
      x[n] = round < 8 ? special[(n + round) % 8] : static_cast<std::int32_t>(random.bits());
      y[n] = round < 8 ? special[n % 8] : static_cast<std::int32_t>(random.bits());
    }
    const i a = i::load(x.data());
    const i b = i::load(y.data());
    const auto check = [&](const i& v, auto expression) {  // in 32 bits, wrapping
      int_lanes expected;
      for (std::size_t n = 0; n < 16; ++n) {
        expected[n] = static_cast<std::int32_t>(static_cast<std::uint32_t>(
            expression(static_cast<std::int64_t>(x[n]), static_cast<std::int64_t>(y[n]))));
      }
      CHECK(to_array(v) == expected);
    };
    check(a + b, [](std::int64_t p, std::int64_t q) { return p + q; });
    check(a - b, [](std::int64_t p, std::int64_t q) { return p - q; });
    check(a & b, [](std::int64_t p, std::int64_t q) { return p & q; });
    check(a | b, [](std::int64_t p, std::int64_t q) { return p | q; });
    check(twice(a), [](std::int64_t p, std::int64_t) { return p * 2; });
    check(exponent_shift(a), [](std::int64_t p, std::int64_t) { return p * (1 << 23); });
    check(i::broadcast(x[5]), [&](std::int64_t, std::int64_t) { return std::int64_t{x[5]}; });
    CHECK(less(a, b) == mask_of([&](std::size_t n) { return x[n] < y[n]; }));
    using f = lowbit::f32x16<TestType>;
    CHECK(lane_difference(to_array(f::from(a)), each_lane([&](std::size_t n) {
                            return static_cast<float>(x[n]);
                          })) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("partial loads and stores touch the first n lanes only", "[simd]",
                        compiled_archs) {
  need_arch<TestType>();
  using f = lowbit::f32x16<TestType>;
  using i = lowbit::i32x16<TestType>;
  for (std::size_t n = 0; n <= 16; ++n) {
    CAPTURE(n);
    const guarded<float> floats(n);
    const guarded<std::int32_t> ints(n);
    for (std::size_t j = 0; j < n; ++j) {
      floats[j] = static_cast<float>(j) + 1.0F;
      ints[j] = static_cast<std::int32_t>(j) + 1;
    }
    CHECK(to_array(f::load_first(floats.data(), n, -7.0F)) ==
          each_lane([&](std::size_t j) { return j < n ? static_cast<float>(j) + 1.0F : -7.0F; }));
    CHECK(to_array(f::load_first(floats.data(), n)) ==
          each_lane([&](std::size_t j) { return j < n ? static_cast<float>(j) + 1.0F : 0.0F; }));
    int_lanes expected{};
    for (std::size_t j = 0; j < n; ++j) expected[j] = static_cast<std::int32_t>(j) + 1;
    CHECK(to_array(i::load_first(ints.data(), n)) == expected);
    f::broadcast(9.0F).store_first(floats.data(), n);
    for (const float v : floats) CHECK(v == 9.0F);
  }
}

TEMPLATE_LIST_TEST_CASE("loads and stores need no alignment", "[simd]", compiled_archs) {
  need_arch<TestType>();
  using f = lowbit::f32x16<TestType>;
  const guarded<char> bytes(16 * sizeof(float) + 1);
  const float_lanes values = each_lane([](std::size_t j) { return static_cast<float>(j); });
  std::memcpy(bytes.data() + 1, values.data(), sizeof values);
  // As a stored table of a file whose header has an odd length.
  const f v = f::load(reinterpret_cast<const float*>(bytes.data() + 1));
  CHECK(to_array(v) == values);
}

TEMPLATE_LIST_TEST_CASE("reduce_add folds the lanes 8, 4, 2, 1", "[simd]", compiled_archs) {
  need_arch<TestType>();
  random_source random(142);
  CAPTURE(random.seed());
  for (int round = 0; round < 1000; ++round) {
    const std::vector<float> l = random.floats(16, 0.0F, 100.0F);
    const float even = ((l[0] + l[8]) + (l[4] + l[12])) + ((l[2] + l[10]) + (l[6] + l[14]));
    const float odd = ((l[1] + l[9]) + (l[5] + l[13])) + ((l[3] + l[11]) + (l[7] + l[15]));
    REQUIRE(lowbit::reduce_add(lowbit::f32x16<TestType>::load(l.data())) == even + odd);
  }
  // Absorption makes the order visible: lane 8 meets lane 0 before anything else does.
  float lane[16] = {1e8F};
  lane[1] = 1.0F;
  lane[8] = -1e8F;
  CHECK(lowbit::reduce_add(lowbit::f32x16<TestType>::load(lane)) == 1.0F);
  lane[8] = 0.0F;
  lane[15] = -1e8F;
  CHECK(lowbit::reduce_add(lowbit::f32x16<TestType>::load(lane)) == 0.0F);
}

TEMPLATE_LIST_TEST_CASE("reduce_max is the largest lane", "[simd]", compiled_archs) {
  need_arch<TestType>();
  for (std::size_t at = 0; at < 16; ++at) {
    float lane[16];
    for (float& v : lane) v = -std::numeric_limits<float>::infinity();
    lane[at] = -3.0F;
    CHECK(lowbit::reduce_max(lowbit::f32x16<TestType>::load(lane)) == -3.0F);
  }
}
