// SPDX-License-Identifier: Apache-2.0
// The layout of decoded_mul_add: floats that stay encoded in memory. A unit of a panel is nr codes
// of `bits` bits, packed little-endian. Outliers, which have no code, are stored separately, sorted
// by the block they are decoded with.
//
//   [bits, is f16][table][panel 0: u0: n0 n1 .. | u1: ..][panel 1] .. [first outlier of each block]
//   [outlier: position in its block, value] ..
//
// The code width is data, so that one compiled product serves all such formats.
#pragma once

#include "lowbit/codec/codec.hpp"
#include "lowbit/pack/interleaved.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Arch>
struct packed_weights<decoded_mul_add, Arch> {
  using kernel = selected_kernel<decoded_mul_add, Arch>;
  static constexpr std::size_t nr = kernel::nr;
  static constexpr std::size_t block = decoded_mul_add::block_units;

  struct outlier {
    std::uint32_t at;  // position in a block of nr columns
    float value;
  };

  const std::byte* data = nullptr;
  std::size_t n = 0;      // outputs
  std::size_t k = 0;      // true inner size
  std::size_t units = 0;  // k

  [[nodiscard]] static constexpr std::size_t table_bytes(std::size_t bits) {
    return (bits == 8 ? 256 : 16) * sizeof(float);
  }
  [[nodiscard]] static constexpr std::size_t unit_bytes(std::size_t bits) { return nr * bits / 8; }
  [[nodiscard]] static constexpr std::size_t panel_bytes(std::size_t k, std::size_t bits) {
    return round_up(k * unit_bytes(bits), buffer_alignment);
  }
  [[nodiscard]] static constexpr std::size_t blocks(std::size_t k) { return ceil_div(k, block); }
  /// Offset of the outlier index.
  [[nodiscard]] static constexpr std::size_t codes_end(std::size_t n, std::size_t k,
                                                       std::size_t bits) {
    return buffer_alignment + table_bytes(bits) + ceil_div(n, nr) * panel_bytes(k, bits);
  }
  [[nodiscard]] static constexpr std::size_t index_bytes(std::size_t n, std::size_t k) {
    return (ceil_div(n, nr) * blocks(k) + 1) * sizeof(std::uint32_t);
  }
  [[nodiscard]] static constexpr std::size_t elements(std::size_t n, std::size_t k,
                                                      std::size_t bits, std::size_t outliers) {
    return codes_end(n, k, bits) + index_bytes(n, k) + outliers * sizeof(outlier);
  }
  [[nodiscard]] constexpr std::size_t panels() const { return ceil_div(n, nr); }

  /// Decodes one block of panel p: out[u * nr + j] = weight of unit first + u and output j.
  void decode(std::size_t p, std::size_t first, float* out) const {
    std::uint32_t header[2];
    std::memcpy(header, data, sizeof header);
    const std::size_t bits = header[0];
    const std::byte* table = data + buffer_alignment;
    const std::byte* codes = table + table_bytes(bits) + p * panel_bytes(k, bits);
    const std::size_t count = k - first < block ? k - first : block;
    codes += first * unit_bytes(bits);
    const auto* values = reinterpret_cast<const float*>(table);
    if (bits <= 4) {
      kernel::decode_table_16(values, bits, codes, count, out);
    } else if (bits == 8) {
      kernel::decode_table_256(values, codes, count, out);
    } else if (header[1] == 0) {
      kernel::decode_bf16(codes, count, out);
    } else {
      kernel::decode_f16(codes, count, out);
    }
    const std::byte* index = data + codes_end(n, k, bits);
    std::uint32_t range[2];
    std::memcpy(range, index + (p * blocks(k) + first / block) * sizeof range[0], sizeof range);
    const std::byte* list = index + index_bytes(n, k);
    for (std::size_t i = range[0]; i < range[1]; ++i) {
      outlier o;
      std::memcpy(&o, list + i * sizeof o, sizeof o);
      out[o.at] = o.value;
    }
  }
};

/// Packs the codes from stored.codes(row, Code*) and stored.values(), and the outliers if any, into
/// `memory` of elements(). `row` is scratch for K codes.
///
/// Requires: fewer than 2^32 outliers
template <class Arch, class Code, class Reader>
void pack_decoded(std::byte* memory, std::size_t n, std::size_t k, Code* row,
                  const Reader& stored) {
  using packed = packed_weights<decoded_mul_add, Arch>;
  constexpr std::size_t nr = packed::nr;
  code_values form;
  stored.values(form);
  const std::size_t bits = form.bits;
  std::memset(memory, 0, packed::codes_end(n, k, bits) + packed::index_bytes(n, k));
  const std::uint32_t header[2] = {form.bits, form.half ? 1U : 0U};
  std::memcpy(memory, header, sizeof header);
  std::byte* at = memory + buffer_alignment;
  // Tables of fewer than 16 values are repeated: a kernel looks up four bits whatever the upper
  // ones are.
  for (std::size_t c = 0; c < packed::table_bytes(bits) / sizeof(float); ++c) {
    const float value = form.table[c & ((1U << bits) - 1U)];
    std::memcpy(at + c * sizeof value, &value, sizeof value);
  }
  at += packed::table_bytes(bits);
  for (std::size_t o = 0; o < n; ++o) {
    stored.codes(o, row);
    std::byte* panel = at + o / nr * packed::panel_bytes(k, bits);
    for (std::size_t u = 0; u < k; ++u) {
      std::byte* unit = panel + u * packed::unit_bytes(bits);
      const std::size_t bit = o % nr * bits;
      const unsigned code = static_cast<unsigned>(row[u]) << (bit % 8);
      unit[bit / 8] |= static_cast<std::byte>(code & 255U);
      if (bit % 8 + bits > 8) unit[bit / 8 + 1] |= static_cast<std::byte>(code >> 8);
    }
  }
  if constexpr (requires { stored.outliers(); }) {
    // Counting sort: while outliers are placed, index[b] advances to the end of block b; the last
    // loop shifts it back to block starts.
    auto* index = reinterpret_cast<std::uint32_t*>(memory + packed::codes_end(n, k, bits));
    const std::size_t blocks = packed::blocks(k);
    const auto block_of = [&](std::size_t o, std::size_t column) {
      return o / nr * blocks + column / packed::block;
    };
    const std::size_t all = ceil_div(n, nr) * blocks;
    for (std::size_t o = 0; o < n; ++o)
      stored.each_outlier(o, [&](std::size_t column, float) { ++index[block_of(o, column) + 1]; });
    for (std::size_t b = 0; b < all; ++b) index[b + 1] += index[b];
    auto* list = reinterpret_cast<std::byte*>(index) + packed::index_bytes(n, k);
    for (std::size_t o = 0; o < n; ++o) {
      stored.each_outlier(o, [&](std::size_t column, float value) {
        const typename packed::outlier placed{
            static_cast<std::uint32_t>(column % packed::block * nr + o % nr), value};
        std::memcpy(list + index[block_of(o, column)]++ * sizeof placed, &placed, sizeof placed);
      });
    }
    for (std::size_t b = all; b > 0; --b) index[b] = index[b - 1];
    index[0] = 0;
  }
}

}  // namespace lowbit::inline LOWBIT_ISA
