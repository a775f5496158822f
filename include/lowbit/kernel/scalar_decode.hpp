// SPDX-License-Identifier: Apache-2.0
// Decoding of float codes into blocks of floats in plain C++.
#pragma once

#include "lowbit/codec/half.hpp"
#include "lowbit/kernel/scalar.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <>
struct micro_kernel<decoded_mul_add, scalar> {
  using arch = scalar;
  static constexpr std::size_t mr = micro_kernel<mul_add, scalar>::mr;
  static constexpr std::size_t nr = micro_kernel<mul_add, scalar>::nr;

  /// Codes of at most four bits; eight codes take `bits` bytes.
  static void decode_table_16(const float* table, std::size_t bits, const std::byte* codes,
                              std::size_t units, float* out) {
    for (std::size_t i = 0; i < units * nr; i += 8, codes += bits) {
      std::uint32_t eight = 0;
      for (std::size_t b = 0; b < bits; ++b)
        eight |= std::to_integer<std::uint32_t>(codes[b]) << (b * 8);
      for (std::size_t j = 0; j < 8; ++j) out[i + j] = table[eight >> (j * bits) & 15U];
    }
  }
  static void decode_table_256(const float* table, const std::byte* codes, std::size_t units,
                               float* out) {
    for (std::size_t i = 0; i < units * nr; ++i)
      out[i] = table[std::to_integer<unsigned>(codes[i])];
  }
  static void decode_bf16(const std::byte* codes, std::size_t units, float* out) {
    for (std::size_t i = 0; i < units * nr; ++i) out[i] = bf16_to_float(half_at(codes, i));
  }
  static void decode_f16(const std::byte* codes, std::size_t units, float* out) {
    for (std::size_t i = 0; i < units * nr; ++i) out[i] = f16_to_float(half_at(codes, i));
  }

 private:
  static std::uint16_t half_at(const std::byte* codes, std::size_t i) {
    std::uint16_t half;
    std::memcpy(&half, codes + i * sizeof half, sizeof half);
    return half;
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
