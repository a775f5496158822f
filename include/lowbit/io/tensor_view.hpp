// SPDX-License-Identifier: Apache-2.0
// A named tensor in borrowed bytes, and conversion of its elements to floats. Independent of the
// file format. Files may pack tensors without padding, so the bytes may be unaligned and every
// element is read with memcpy.
#pragma once

#include <algorithm>
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

#include "lowbit/boundary/element_type.hpp"
#include "lowbit/core/bits.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"

namespace lowbit::inline LOWBIT_ISA {

[[nodiscard]] constexpr std::optional<element_type> element_type_from_name(std::string_view name) {
  for (std::size_t i = 0; i < element_types; ++i) {
    if (name == name_of(static_cast<element_type>(i))) return static_cast<element_type>(i);
  }
  return std::nullopt;
}

/// Row-major elements at data. data.size() == element_count() * size_of(type) for views made by the
/// readers of this library.
struct tensor_view {
  std::string name;
  element_type type = element_type::f32;
  std::vector<std::size_t> shape;  ///< empty for a scalar
  std::span<const std::byte> data;
  std::shared_ptr<const std::string> file;  ///< the path, for messages; may be null

  [[nodiscard]] std::size_t element_count() const { return data.size() / size_of(type); }

  /// `path: tensor "name"`, the prefix of messages about this tensor.
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

/// Bytes of a tensor, or nullopt on overflow. Zero extents are skipped in the check, so [0, 2^40,
/// 2^40] is rejected in any order of extents.
inline std::optional<std::size_t> tensor_bytes(element_type type,
                                               std::span<const std::size_t> shape) {
  std::size_t bytes = size_of(type);
  bool empty = false;
  for (const std::size_t extent : shape) {
    empty = empty || extent == 0;
    if (extent != 0 && !checked_multiply(bytes, extent, bytes)) return std::nullopt;
  }
  return empty ? 0 : bytes;
}

/// The tensor of that name in a list sorted by name, or nullptr.
inline const tensor_view* find_sorted(std::span<const tensor_view> tensors, std::string_view name) {
  const auto at = std::lower_bound(
      tensors.begin(), tensors.end(), name,
      [](const tensor_view& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return at != tensors.end() && at->name == name ? &*at : nullptr;
}

}  // namespace detail

/// Converts F32, F16, BF16 or F64 elements into `out`.
///
/// Shapes:   out (element_count()); any other size is shape_mismatch
/// Errors:   unsupported for any other dtype; malformed for a finite F64 value beyond the range of
/// a
///           float. NaN and infinity are accepted: see check_finite.
/// Exact:    all but F64, which is rounded to nearest
inline status read_f32(const tensor_view& tensor, std::span<float> out) {
  const std::size_t count = tensor.element_count();
  if (out.size() != count) {
    return status::error(errc::shape_mismatch, tensor.place(), " has ", count,
                         " elements, expected ", out.size());
  }
  const std::byte* from = tensor.data.data();
  switch (tensor.type) {
    case element_type::f32:
      if (count != 0) std::memcpy(out.data(), from, count * sizeof(float));
      return {};
    case element_type::f16:
      for (std::size_t i = 0; i < count; ++i) {
        out[i] = f16_to_float(detail::load_unaligned<std::uint16_t>(from + 2 * i));
      }
      return {};
    case element_type::bf16:
      for (std::size_t i = 0; i < count; ++i) {
        out[i] = bf16_to_float(detail::load_unaligned<std::uint16_t>(from + 2 * i));
      }
      return {};
    case element_type::f64:
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
      return status::error(errc::unsupported, tensor.place(), " has dtype ", name_of(tensor.type),
                           ", expected F32, F16, BF16 or F64");
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

namespace detail {
inline status not_finite(std::string_view place, std::size_t element, float value) {
  return status::error(errc::malformed, place, " element ", element, " is ",
                       std::isnan(value) ? "NaN" : "infinite", ", expected a finite number");
}
}  // namespace detail

/// Returns an error with `place` and the first index whose value is NaN or infinite.
inline status check_finite(std::string_view place, std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return detail::not_finite(place, i, values[i]);
  }
  return {};
}

/// Checks an F32 tensor in place.
inline status check_finite(const tensor_view& tensor) {
  for (std::size_t i = 0; i < tensor.element_count(); ++i) {
    const auto value = detail::load_unaligned<float>(tensor.data.data() + i * sizeof(float));
    if (!std::isfinite(value)) return detail::not_finite(tensor.place(), i, value);
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
