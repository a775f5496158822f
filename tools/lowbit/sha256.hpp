// SPDX-License-Identifier: Apache-2.0
// SHA-256, to check downloads against the digest that the Hub states. Not for secrets.
//
// Source: FIPS 180-4, sections 4.1.2, 5.1.1, 5.3.3 and 6.2
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace lowbit_tool {

class sha256 {
 public:
  void add(std::span<const std::byte> bytes) {
    length_ += bytes.size();
    while (!bytes.empty()) {
      const std::size_t count = std::min(bytes.size(), block_.size() - filled_);
      std::memcpy(block_.data() + filled_, bytes.data(), count);
      filled_ += count;
      bytes = bytes.subspan(count);
      if (filled_ == block_.size()) compress();
    }
  }

  /// 64 hexadecimal digits. Call once, at the end.
  std::string finish() {
    const std::uint64_t bits = 8 * length_;
    const std::byte one{0x80}, zero{0};
    add({&one, 1});
    while (filled_ != 56) add({&zero, 1});
    std::array<std::byte, 8> tail{};
    for (unsigned i = 0; i < 8; ++i) tail[i] = static_cast<std::byte>(bits >> (56 - 8 * i) & 255U);
    add(tail);
    std::string out;
    for (const std::uint32_t word : state_)
      for (unsigned shift = 32; shift != 0; shift -= 4)
        out += "0123456789abcdef"[word >> (shift - 4) & 15U];
    return out;
  }

 private:
  void compress() {
    std::array<std::uint32_t, 64> w{};
    for (unsigned i = 0; i < 16; ++i)
      for (unsigned byte = 0; byte < 4; ++byte)
        w[i] = w[i] << 8U | std::to_integer<std::uint32_t>(block_[4 * i + byte]);
    for (unsigned i = 16; i < 64; ++i) {
      const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3U;
      const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10U;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (unsigned i = 0; i < 64; ++i) {
      const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants()[i] + w[i];
      const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
    const std::uint32_t added[] = {a, b, c, d, e, f, g, h};
    for (unsigned i = 0; i < 8; ++i) state_[i] += added[i];
    filled_ = 0;
  }

  /// The first 32 bits of the fractions of the cube roots of the first 64 primes.
  static const std::array<std::uint32_t, 64>& constants() {
    static const auto table = [] {
      std::array<std::uint32_t, 64> out{};
      std::size_t found = 0;
      for (unsigned n = 2; found < out.size(); ++n) {
        bool prime = true;
        for (unsigned d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
        if (!prime) continue;
        // floor(cbrt(n) 2^32): the largest r with r^3 <= n 2^96
        unsigned __int128 low = 0, high = std::uint64_t{8} << 32U;
        while (high - low > 1) {
          const unsigned __int128 middle = (low + high) / 2;
          // middle < 2^35: its cube needs 105 bits
          (middle * middle * middle <= static_cast<unsigned __int128>(n) << 96U ? low : high) =
              middle;
        }
        out[found++] = static_cast<std::uint32_t>(low);
      }
      return out;
    }();
    return table;
  }

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> block_{};
  std::size_t filled_ = 0;
  std::uint64_t length_ = 0;
};

}  // namespace lowbit_tool
