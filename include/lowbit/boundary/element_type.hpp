// SPDX-License-Identifier: Apache-2.0
// Element types of stored tensors, named as in a safetensors header.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lowbit/core/config.hpp"

namespace lowbit {

enum class element_type : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  f8_e4m3,
  f8_e5m2,
  i64,
  u64,
  i32,
  u32,
  i16,
  u16,
  i8,
  u8,
  boolean,
};
inline constexpr std::size_t element_types = static_cast<std::size_t>(element_type::boolean) + 1;

[[nodiscard]] LOWBIT_INLINE constexpr const char* name_of(element_type type) {
  constexpr const char* names[] = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "U64",
                                   "I32", "U32", "I16", "U16",  "I8",      "U8",      "BOOL"};
  static_assert(sizeof names / sizeof *names == element_types);
  return names[static_cast<std::size_t>(type)];
}

/// Bytes of one element.
[[nodiscard]] LOWBIT_INLINE constexpr std::size_t size_of(element_type type) {
  constexpr std::size_t sizes[] = {8, 4, 2, 2, 1, 1, 8, 8, 4, 4, 2, 2, 1, 1, 1};
  static_assert(sizeof sizes / sizeof *sizes == element_types);
  return sizes[static_cast<std::size_t>(type)];
}

}  // namespace lowbit
