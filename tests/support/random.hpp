// SPDX-License-Identifier: Apache-2.0
// Random numbers from a fixed seed, the same with every compiler: one rounding per value, and
// nothing that a compiler could contract. Print the seed with CAPTURE(random.seed()).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace lowbit_test {

class random_source {
 public:
  explicit random_source(std::uint64_t seed) : engine_(seed), seed_(seed) {}

  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  std::uint64_t bits() { return engine_(); }
  /// 0 .. n - 1.
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(bits() >> 11) % n; }
  /// center + [-spread, spread).
  float around(float center, float spread) { return std::fma(unit(), spread, center); }
  std::vector<float> floats(std::size_t count, float center, float spread) {
    std::vector<float> values(count);
    for (float& v : values) v = around(center, spread);
    return values;
  }
  std::int8_t sign() { return (bits() >> 63) != 0 ? std::int8_t{-1} : std::int8_t{1}; }
  std::vector<std::int8_t> signs(std::size_t count) {
    std::vector<std::int8_t> values(count);
    for (std::int8_t& v : values) v = sign();
    return values;
  }

 private:
  /// [-1, 1) in steps of 2^-23, exact.
  float unit() {
    const auto step = static_cast<std::int32_t>(bits() >> 40);  // 24 bits
    return static_cast<float>(step - (1 << 23)) * 0x1p-23F;
  }

  std::mt19937_64 engine_;
  std::uint64_t seed_;
};

}  // namespace lowbit_test
