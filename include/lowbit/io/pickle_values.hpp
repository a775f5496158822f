// SPDX-License-Identifier: Apache-2.0
// What io/pickle.hpp may make: the list of functions and types, values and items of containers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lowbit/boundary/element_type.hpp"
#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct pickle_function {
  enum class purpose : std::uint8_t { ordered_dict, tensor, parameter, storage };
  std::string_view module, name;
  purpose use;
  element_type type = element_type::f32;  ///< of a storage
};

/// All functions and types that a pickle may name.
inline constexpr std::array<pickle_function, 13> pickle_functions = {{
    {"collections", "OrderedDict", pickle_function::purpose::ordered_dict},
    {"torch._utils", "_rebuild_tensor_v2", pickle_function::purpose::tensor},
    {"torch._utils", "_rebuild_parameter", pickle_function::purpose::parameter},
    {"torch", "FloatStorage", pickle_function::purpose::storage, element_type::f32},
    {"torch", "HalfStorage", pickle_function::purpose::storage, element_type::f16},
    {"torch", "BFloat16Storage", pickle_function::purpose::storage, element_type::bf16},
    {"torch", "DoubleStorage", pickle_function::purpose::storage, element_type::f64},
    {"torch", "LongStorage", pickle_function::purpose::storage, element_type::i64},
    {"torch", "IntStorage", pickle_function::purpose::storage, element_type::i32},
    {"torch", "ShortStorage", pickle_function::purpose::storage, element_type::i16},
    {"torch", "CharStorage", pickle_function::purpose::storage, element_type::i8},
    {"torch", "ByteStorage", pickle_function::purpose::storage, element_type::u8},
    {"torch", "BoolStorage", pickle_function::purpose::storage, element_type::boolean},
}};

enum class pickle_kind : std::uint8_t {
  none,
  boolean,
  integer,
  text,
  tuple,
  list,
  dict,
  function,
  storage,  ///< children: the persistent id
  tensor,   ///< children: the arguments of _rebuild_tensor_v2
};

[[nodiscard]] constexpr std::string_view name_of(pickle_kind kind) {
  constexpr std::string_view names[] = {"None",      "a boolean", "an integer",   "a string",
                                        "a tuple",   "a list",    "a dictionary", "a function",
                                        "a storage", "a tensor"};
  return names[static_cast<std::size_t>(kind)];
}

struct pickle_value {
  pickle_kind kind = pickle_kind::none;
  std::uint32_t count = 0;  ///< bytes of a text, children of a tuple, storage or tensor
  /// The value; of a text its offset, of anything with children the first of them, of a container
  /// its number, of a function its place in pickle_functions.
  std::int64_t number = 0;
};

struct pickle_item {
  std::int64_t container = 0;
  pickle_value key;  ///< none in a list
  pickle_value value;
};

}  // namespace lowbit::inline LOWBIT_ISA
