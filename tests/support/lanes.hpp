// SPDX-License-Identifier: Apache-2.0
// f32x16 and i32x16 as plain arrays of 16, to compare archs with each other and with scalar
// expressions.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <string>

#include "lowbit/arch/simd.hpp"

namespace lowbit_test {

using float_lanes = std::array<float, 16>;
using int_lanes = std::array<std::int32_t, 16>;

template <class Arch>
[[nodiscard]] float_lanes to_array(const lowbit::f32x16<Arch>& v) {
  float_lanes lanes;
  v.store(lanes.data());
  return lanes;
}
template <class Arch>
[[nodiscard]] int_lanes to_array(const lowbit::i32x16<Arch>& v) {
  int_lanes lanes;
  v.store(lanes.data());
  return lanes;
}

/// The first lane whose bits differ. If the test expects NaN, any NaN is accepted (the payload is
/// not part of the contract).
[[nodiscard]] inline std::string lane_difference(const float_lanes& actual,
                                                 const float_lanes& expected) {
  for (std::size_t i = 0; i < 16; ++i) {
    const bool both_nan = std::isnan(actual[i]) && std::isnan(expected[i]);
    if (!both_nan &&
        std::bit_cast<std::uint32_t>(actual[i]) != std::bit_cast<std::uint32_t>(expected[i])) {
      std::ostringstream text;
      text << std::hexfloat << "lane " << i << ": " << actual[i] << ", expected " << expected[i];
      return text.str();
    }
  }
  return {};
}

template <class F>
[[nodiscard]] float_lanes each_lane(F f) {
  float_lanes lanes;
  for (std::size_t i = 0; i < 16; ++i) lanes[i] = f(i);
  return lanes;
}

}  // namespace lowbit_test
