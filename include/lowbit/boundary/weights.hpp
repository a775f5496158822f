// SPDX-License-Identifier: Apache-2.0
// The tensors of one model by name, in canonical form, in any memory (a mapped file, flash, a
// constant array). An encoded matrix NAME.weight is stored as NAME.weight.codes, NAME.weight.scale
// and any other tensors its codec needs. Plain data, outside the per-ISA namespaces: a program
// passes the same set to the code of any instruction set.
#pragma once

#include <cstring>
#include <string_view>

#include "lowbit/boundary/element_type.hpp"
#include "lowbit/core/bits.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit {

/// a == b without standard library functions: a compiler may emit those out of line, as weak
/// symbols that translation units of several instruction sets would share.
[[nodiscard]] LOWBIT_INLINE bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// One canonical tensor. A scalar has rank 0; unused entries of shape are 1.
struct stored_tensor {
  const char* name = nullptr;  // zero-terminated
  const std::byte* data = nullptr;
  element_type type = element_type::f32;
  std::size_t rank = 0;
  std::size_t shape[2] = {1, 1};

  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t elements() const { return shape[0] * shape[1]; }
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t bytes() const {
    return elements() * size_of(type);
  }
  /// Element i of an f32 tensor, which may be unaligned.
  [[nodiscard]] LOWBIT_INLINE float at(std::size_t i) const { return read<float>(i); }
  /// Element i as T, which must be the C++ type of `type`.
  template <class T>
  [[nodiscard]] LOWBIT_INLINE T read(std::size_t i) const {
    T value;
    std::memcpy(&value, data + i * sizeof value, sizeof value);
    return value;
  }
};

inline namespace LOWBIT_ISA {
namespace detail {

inline const stored_tensor* find_tensor(const stored_tensor* tensors, std::size_t count,
                                        std::string_view name) {
  for (std::size_t i = 0; i < count; ++i) {
    if (same_text(name, tensors[i].name)) return tensors + i;
  }
  return nullptr;
}

inline status check_tensor(const stored_tensor* t, std::string_view name, element_type type,
                           std::size_t rows, std::size_t cols) {
  if (t == nullptr) return status::error(errc::not_found, "tensor ", name, " is missing");
  if (t->type != type) {
    return status::error(errc::malformed, "tensor ", name, " is ", name_of(t->type), ", expected ",
                         name_of(type));
  }
  const bool vector_fits = rows == 1 && t->rank <= 1 && t->elements() == cols;
  if (!vector_fits && !(t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols)) {
    return status::error(errc::shape_mismatch, "tensor ", name, " has shape [", t->shape[0], ", ",
                         t->shape[1], "], expected [", rows, ", ", cols, "]");
  }
  return {};
}

}  // namespace detail

/// A name concatenated without a heap: tensor_name(name, ".weight").
class tensor_name {
 public:
  template <class... Parts>
  explicit constexpr tensor_name(const Parts&... parts) {
    detail::append_all(text_, parts...);
  }
  template <class... Parts>
  [[nodiscard]] constexpr tensor_name operator()(const Parts&... parts) const {
    return tensor_name(view(), parts...);
  }
  [[nodiscard]] constexpr std::string_view view() const { return text_.view(); }

 private:
  short_text text_;
};

}  // namespace LOWBIT_ISA

class weight_set {
 public:
  LOWBIT_INLINE constexpr weight_set() {}
  LOWBIT_INLINE constexpr weight_set(const stored_tensor* tensors, std::size_t count)
      : tensors_(tensors), count_(count) {}

  [[nodiscard]] LOWBIT_INLINE constexpr const stored_tensor* begin() const { return tensors_; }
  [[nodiscard]] LOWBIT_INLINE constexpr const stored_tensor* end() const {
    return tensors_ + count_;
  }

  [[nodiscard]] LOWBIT_INLINE const stored_tensor* find(std::string_view name) const {
    return detail::find_tensor(tensors_, count_, name);
  }

  /// Finds `name` as (rows, cols) of `type`; rows = 1 for a vector.
  /// Errors: not_found, malformed (element type), shape_mismatch
  LOWBIT_INLINE status get(std::string_view name, element_type type, std::size_t rows,
                           std::size_t cols, stored_tensor& out) const {
    const stored_tensor* t = find(name);
    const status checked = detail::check_tensor(t, name, type, rows, cols);
    if (checked.ok()) out = *t;
    return checked;
  }

 private:
  const stored_tensor* tensors_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace lowbit
