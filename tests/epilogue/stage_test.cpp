// SPDX-License-Identifier: Apache-2.0
#include "lowbit/epilogue/stage.hpp"

#include <catch2/catch_test_macros.hpp>

#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "../support/lanes.hpp"
#include "../support/random.hpp"
#include "lowbit/epilogue/activation.hpp"
#include "lowbit/nn/layer_norm.hpp"

namespace {

using namespace lowbit_test;

constexpr std::size_t widths[] = {1, 15, 16, 17, 31, 33, 80};

/// Per-channel values that end at a guard page.
struct channels : guarded_copy<std::vector<float>> {
  channels(random_source& random, std::size_t n, float center)
      : guarded_copy(random.floats(n, center, 1.0F)) {}
  [[nodiscard]] lowbit::vector_view<const float> view() const { return {data(), size()}; }
};
float at(const channels& c, std::size_t n) { return n < c.size() ? c[n] : 0.0F; }

template <class Arch>
struct lanes_case {
  float_lanes values;
  lowbit::f32x16<Arch> lanes;
  explicit lanes_case(random_source& random) {
    for (float& v : values) v = random.around(0.0F, 3.0F);
    lanes = lowbit::f32x16<Arch>::load(values.data());
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("float stages compute their expression at every column", "[epilogue]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(150);
  CAPTURE(random.seed());
  for (const std::size_t n : widths) {
    const channels scale(random, n, 1.0F);
    const channels bias(random, n, 0.0F);
    const channels two_rows(random, 2 * n, 0.0F);
    const lowbit::matrix_view<const float> residual{two_rows.data(), 2, n, n};
    for (std::size_t col = 0; col < n; col += 16) {
      const lanes_case<TestType> v(random);
      const auto check = [&](auto stage, auto expression) {
        CAPTURE(n, col);
        CHECK(lane_difference(to_array(stage(v.lanes, 1, col)), each_lane(expression)) == "");
        if (col + 16 > n) return;
        const lowbit::whole_column whole{col};  // the caller knows that no lane is past the end
        CHECK(lane_difference(to_array(stage(v.lanes, 1, whole)), each_lane(expression)) == "");
      };
      const auto& x = v.values;
      check(lowbit::affine{scale.view(), bias.view()},
            [&](std::size_t i) { return std::fma(x[i], at(scale, col + i), at(bias, col + i)); });
      check(lowbit::add_bias{bias.view()}, [&](std::size_t i) { return x[i] + at(bias, col + i); });
      check(lowbit::scale_by{0.37F}, [&](std::size_t i) { return x[i] * 0.37F; });
      check(lowbit::add_residual{residual},
            [&](std::size_t i) { return x[i] + (col + i < n ? residual(1, col + i) : 0.0F); });
      check(lowbit::activate<lowbit::relu>{},
            [&](std::size_t i) { return x[i] > 0.0F ? x[i] : 0.0F; });
    }
  }
}

TEMPLATE_LIST_TEST_CASE("to_float is exact for every count below 2^24", "[epilogue]",
                        compiled_archs) {
  need_arch<TestType>();
  constexpr std::int32_t limit = 1 << 24;
  for (const std::int32_t start : {-limit, -limit + 1, -8, 0, 65535, limit - 16}) {
    int_lanes n;
    for (std::size_t i = 0; i < 16; ++i) n[i] = start + static_cast<std::int32_t>(i);
    const auto lanes = lowbit::i32x16<TestType>::load(n.data());
    const auto floats = to_array(lowbit::to_float{}(lanes, 0, std::size_t{0}));
    for (std::size_t i = 0; i < 16; ++i) CHECK(static_cast<double>(floats[i]) == n[i]);
  }
}

TEMPLATE_LIST_TEST_CASE("stages compose from left to right, a sink ends them", "[epilogue]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(151);
  CAPTURE(random.seed());
  for (const std::size_t n : widths) {
    const channels scale(random, n, 1.0F);
    const channels bias(random, n, 0.0F);
    const channels residual(random, n, 0.0F);
    const lowbit::matrix_view<const float> h{residual.data(), 1, n, n};
    const canary_matrix<float> out(1, n, n + 3);
    const auto chain = lowbit::to_float{} | lowbit::affine{scale.view(), bias.view()} |
                       lowbit::activate<lowbit::relu>{} | lowbit::add_residual{h} |
                       lowbit::scale_by{0.5F} | lowbit::store{out.view()};
    std::vector<float> expected(n);
    for (std::size_t col = 0; col < n; col += 16) {
      int_lanes counts;
      for (std::size_t i = 0; i < 16; ++i) {
        counts[i] = static_cast<std::int32_t>(random.below(2000)) - 1000;
        if (col + i >= n) continue;
        const float y = std::fma(static_cast<float>(counts[i]), scale[col + i], bias[col + i]);
        const float sum = (y > 0.0F ? y : 0.0F) + residual[col + i];
        expected[col + i] = sum * 0.5F;
      }
      chain(lowbit::i32x16<TestType>::load(counts.data()), 0, col);
    }
    CAPTURE(n);
    CHECK(difference<float>(out.view(), {expected.data(), 1, n, n}) == "");
    CHECK(out.damage() == "");
  }
}

TEMPLATE_LIST_TEST_CASE("store and store_integers write their columns and nothing else",
                        "[epilogue]", compiled_archs) {
  need_arch<TestType>();
  for (const std::size_t n : widths) {
    const std::size_t lanes = lowbit::round_up(n, lowbit::virtual_lanes);
    const canary_matrix<float> floats(3, n, n + 1);
    const canary_matrix<std::int32_t> ints(3, n, lanes, lanes);
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t col = 0; col < lanes + 32; col += 16) {  // whole panels reach past the end
        int_lanes v;
        for (std::size_t i = 0; i < 16; ++i) v[i] = static_cast<std::int32_t>(row * 1000 + col + i);
        const auto counts = lowbit::i32x16<TestType>::load(v.data());
        const lowbit::store_integers integers{ints.view()};
        const auto values = lowbit::to_float{} | lowbit::store{floats.view()};
        if (row == 1 && col + 16 <= n) {
          integers(counts, row, lowbit::whole_column{col});
          values(counts, row, lowbit::whole_column{col});
        } else {
          integers(counts, row, col);
          values(counts, row, col);
        }
      }
    }
    bool equal = true;
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t col = 0; col < n; ++col) {
        const auto expected = static_cast<std::int32_t>(row * 1000 + col);
        equal = equal && ints.view()(row, col) == expected &&
                floats.view()(row, col) == static_cast<float>(expected);
      }
    }
    CAPTURE(n);
    CHECK(equal);
    CHECK(floats.damage() == "");
    CHECK(ints.damage() == "");
  }
}

TEMPLATE_LIST_TEST_CASE("fan_out gives the same lanes to every sink", "[epilogue]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(152);
  const canary_matrix<float> first(1, 17, 20);
  const canary_matrix<float> second(1, 17, 20);
  const lowbit::fan_out both{lowbit::store{first.view()}, lowbit::store{second.view()}};
  std::vector<float> expected(32);
  for (std::size_t col = 0; col < 32; col += 16) {
    const lanes_case<TestType> v(random);
    both(v.lanes, 0, col);
    std::copy(v.values.begin(), v.values.end(), expected.begin() + static_cast<long>(col));
  }
  CHECK(difference<float>(first.view(), {expected.data(), 1, 17, 17}) == "");
  CHECK(difference<float>(second.view(), {expected.data(), 1, 17, 17}) == "");
}
