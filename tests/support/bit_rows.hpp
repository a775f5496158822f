// SPDX-License-Identifier: Apache-2.0
// Conversion between unpacked values and bit rows, one element at a time; the reference for the
// library's word-wise code. Values are int8: -1, 0, 1.
#pragma once

#include <cstdint>
#include <vector>

#include "lowbit/core/bits.hpp"

namespace lowbit_test {

[[nodiscard]] inline bool bit_at(const lowbit::word* row, std::size_t j) {
  return ((row[j / 64] >> (j % 64)) & 1U) != 0;
}
inline void set_bit(lowbit::word* row, std::size_t j) {
  row[j / 64] |= lowbit::word{1} << (j % 64);
}

/// Bit j set where values[j] == marked; pad bits 0.
[[nodiscard]] inline std::vector<lowbit::word> bit_row(const std::int8_t* values, std::size_t k,
                                                       std::int8_t marked) {
  std::vector<lowbit::word> row(lowbit::words_for(k));
  for (std::size_t j = 0; j < k; ++j) {
    if (values[j] == marked) set_bit(row.data(), j);
  }
  return row;
}

[[nodiscard]] inline std::int8_t sign_at(const lowbit::word* row, std::size_t j) {
  return bit_at(row, j) ? std::int8_t{-1} : std::int8_t{1};
}
[[nodiscard]] inline std::int8_t trit_at(const lowbit::trit_word* row, std::size_t j) {
  const lowbit::trit_word w = row[j / 64];
  if (((w.nonzero >> (j % 64)) & 1U) == 0) return 0;
  return ((w.sign >> (j % 64)) & 1U) != 0 ? std::int8_t{-1} : std::int8_t{1};
}

}  // namespace lowbit_test
