// SPDX-License-Identifier: Apache-2.0
// A named tensor in somebody else's bytes, and how floats are read from it. Must not know the file
// format around it. The bytes may start at any address: files are free to pack tensors without
// padding, so every element is read with memcpy.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/bits.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"

namespace lowbit::inline LOWBIT_ISA {

enum class dtype : std::uint8_t {
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

namespace detail {

struct dtype_entry {
  dtype type;
  std::string_view name;  // in a safetensors header
  std::size_t size;
};

inline constexpr std::array<dtype_entry, 15> dtype_table{{
    {dtype::f64, "F64", 8},
    {dtype::f32, "F32", 4},
    {dtype::f16, "F16", 2},
    {dtype::bf16, "BF16", 2},
    {dtype::f8_e4m3, "F8_E4M3", 1},
    {dtype::f8_e5m2, "F8_E5M2", 1},
    {dtype::i64, "I64", 8},
    {dtype::u64, "U64", 8},
    {dtype::i32, "I32", 4},
    {dtype::u32, "U32", 4},
    {dtype::i16, "I16", 2},
    {dtype::u16, "U16", 2},
    {dtype::i8, "I8", 1},
    {dtype::u8, "U8", 1},
    {dtype::boolean, "BOOL", 1},
}};

static_assert(
    [] {
      for (std::size_t i = 0; i < dtype_table.size(); ++i) {
        if (static_cast<std::size_t>(dtype_table[i].type) != i) return false;
      }
      return true;
    }(),
    "dtype_table is indexed by dtype");

}  // namespace detail

[[nodiscard]] constexpr std::string_view dtype_name(dtype type) {
  return detail::dtype_table[static_cast<std::size_t>(type)].name;
}

/// Bytes of one element.
[[nodiscard]] constexpr std::size_t dtype_size(dtype type) {
  return detail::dtype_table[static_cast<std::size_t>(type)].size;
}

[[nodiscard]] constexpr std::optional<dtype> dtype_from_name(std::string_view name) {
  for (const detail::dtype_entry& entry : detail::dtype_table) {
    if (entry.name == name) return entry.type;
  }
  return std::nullopt;
}

/// Row-major elements at data; data.size() == element_count() * dtype_size(type) whenever a reader
/// of this library made the view.
struct tensor_view {
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::size_t> shape;  ///< empty for a scalar
  std::span<const std::byte> data;
  std::shared_ptr<const std::string> file;  ///< the path, for messages; may be null

  [[nodiscard]] std::size_t element_count() const { return data.size() / dtype_size(type); }

  /// `path: tensor "name"`, the start of every message about this tensor.
  [[nodiscard]] std::string place() const {
    return (file ? *file + ": " : std::string()) + "tensor " + detail::quote_name(name);
  }
};

namespace detail {

template <class T>
T load_unaligned(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline std::string shape_text(std::span<const std::size_t> shape) {
  std::string text = "[";
  for (const std::size_t extent : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  return text + "]";
}

}  // namespace detail

/// Converts F32, F16, BF16 or F64 elements into `out`.
///
/// Shapes:   out (element_count()); any other size is shape_mismatch
/// Errors:   unsupported for a dtype that is none of the four; malformed for a finite F64 value
///           that a float cannot hold. NaN and infinity pass: see check_finite.
/// Exact:    all but F64, which rounds to nearest
inline status read_f32(const tensor_view& tensor, std::span<float> out) {
  const std::size_t count = tensor.element_count();
  if (out.size() != count) {
    return status::error(errc::shape_mismatch, tensor.place(), " has ", count,
                         " elements, expected ", out.size());
  }
  const std::byte* from = tensor.data.data();
  switch (tensor.type) {
    case dtype::f32:
      if (count != 0) std::memcpy(out.data(), from, count * sizeof(float));
      return {};
    case dtype::f16:
      for (std::size_t i = 0; i < count; ++i) {
        out[i] = f16_to_float(detail::load_unaligned<std::uint16_t>(from + 2 * i));
      }
      return {};
    case dtype::bf16:
      for (std::size_t i = 0; i < count; ++i) {
        out[i] = bf16_to_float(detail::load_unaligned<std::uint16_t>(from + 2 * i));
      }
      return {};
    case dtype::f64:
      for (std::size_t i = 0; i < count; ++i) {
        const auto value = detail::load_unaligned<double>(from + 8 * i);
        out[i] = static_cast<float>(value);
        if (std::isfinite(value) && !std::isfinite(out[i])) {
          return status::error(errc::malformed, tensor.place(), " element ", i,
                               " is beyond the range of a float");
        }
      }
      return {};
    default:
      return status::error(errc::unsupported, tensor.place(), " has dtype ",
                           dtype_name(tensor.type), ", expected F32, F16, BF16 or F64");
  }
}

/// The elements as floats; see read_f32 above. Allocates at most twice the bytes of the tensor.
inline result<std::vector<float>> read_f32(const tensor_view& tensor) {
  return detail::without_exceptions(tensor.name, [&]() -> result<std::vector<float>> {
    std::vector<float> out(tensor.element_count());
    LOWBIT_TRY(read_f32(tensor, out));
    return out;
  });
}

/// An error that names `place` and the first index whose value is NaN or infinite.
inline status check_finite(std::string_view place, std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return status::error(errc::malformed, place, " element ", i, " is ",
                           std::isnan(values[i]) ? "NaN" : "infinite",
                           ", expected a finite number");
    }
  }
  return {};
}

inline status check_shape(const tensor_view& tensor, std::span<const std::size_t> expected) {
  if (std::equal(tensor.shape.begin(), tensor.shape.end(), expected.begin(), expected.end())) {
    return {};
  }
  return status::error(errc::shape_mismatch, tensor.place(), " has shape ",
                       detail::shape_text(tensor.shape), ", expected ",
                       detail::shape_text(expected));
}

inline status check_shape(const tensor_view& tensor, std::initializer_list<std::size_t> expected) {
  return check_shape(tensor, std::span<const std::size_t>(expected.begin(), expected.size()));
}

}  // namespace lowbit::inline LOWBIT_ISA
