// SPDX-License-Identifier: Apache-2.0
// Random values with the spread of a trained BERT's, and token ids; identical on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lowbit/core/bits.hpp"

namespace lowbit_tool {

class random_values {
 public:
  static constexpr float spread = 0.07F;  // uniform: standard deviation 0.04, as in trained layers

  explicit random_values(std::uint64_t seed) : state_(seed * 2 + 1) {}  // the state must not be 0

  /// Uniform in [center - spread, center + spread).
  std::vector<std::byte> floats(std::size_t count, float center, float spread) {
    std::vector<std::byte> bytes(count * sizeof(float));
    const float unit = spread / 8388608.0F;  // 2^-23 of the spread: 24 random bits, signed
    for (std::size_t i = 0; i < count; i += 2) {
      const std::uint64_t r = word();
      const float pair[2] = {
          center + unit * static_cast<float>(static_cast<std::int32_t>(r >> 40) - 8388608),
          center +
              unit * static_cast<float>(static_cast<std::int32_t>(r >> 8 & 0xffffff) - 8388608)};
      std::memcpy(bytes.data() + i * sizeof(float), pair, (count - i < 2 ? 1 : 2) * sizeof(float));
    }
    return bytes;
  }

  /// One-bit codes (n, k), rows padded to whole bytes; unused bits are 0.
  std::vector<std::byte> codes(std::size_t n, std::size_t k) {
    const std::size_t row_bytes = lowbit::bytes_for(k);
    std::vector<std::byte> bytes(n * row_bytes);
    for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::uint64_t)) {
      const std::uint64_t r = word();
      const std::size_t left = bytes.size() - i;
      std::memcpy(bytes.data() + i, &r, left < sizeof r ? left : sizeof r);
    }
    if (k % 8 != 0) {
      const auto kept = static_cast<std::byte>((1U << (k % 8)) - 1U);
      for (std::size_t row = 0; row < n; ++row) bytes[(row + 1) * row_bytes - 1] &= kept;
    }
    return bytes;
  }

  /// Token ids spread over the vocabulary.
  std::vector<std::int32_t> tokens(std::size_t count, std::size_t vocabulary) {
    std::vector<std::int32_t> ids(count);
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>((word() >> 33) % vocabulary);
    return ids;
  }

  /// Matrix elements.
  std::vector<float> weights(std::size_t count) {
    std::vector<float> values(count);
    for (float& v : values) v = spread * (static_cast<float>(word() >> 40) / 8388608.0F - 1.0F);
    return values;
  }

 private:
  /// xorshift64* (Vigna, 2016): fast.
  std::uint64_t word() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dULL;
  }

  std::uint64_t state_;
};

}  // namespace lowbit_tool
