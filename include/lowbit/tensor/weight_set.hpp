// SPDX-License-Identifier: Apache-2.0
// The tensors of one model by name, in canonical form, wherever they live (a mapped file, flash, a
// constant array). Names are those of Hugging Face BERT; an encoded matrix NAME.weight
// is stored as NAME.weight.codes, NAME.weight.scale and what else its codec names. Plain data and
// no library types, so that it can cross the boundary between translation units of different
// instruction sets.
#pragma once

#include <cstring>
#include <string_view>

#include "lowbit/core/bits.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {

enum class stored_type : std::uint8_t { f32, u8, i8, i32, f16, bf16 };

[[nodiscard]] constexpr const char* name_of(stored_type type) {
  constexpr const char* names[] = {"F32", "U8", "I8", "I32", "F16", "BF16"};  // as in safetensors
  return names[static_cast<std::size_t>(type)];
}
[[nodiscard]] constexpr std::size_t size_of(stored_type type) {
  constexpr std::size_t sizes[] = {4, 1, 1, 4, 2, 2};
  return sizes[static_cast<std::size_t>(type)];
}

/// a == b without a function of the standard library, which a compiler may emit out of line: a weak
/// symbol that translation units of several instruction sets would share.
[[nodiscard]] inline bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// One canonical tensor; a scalar has rank 0, shape unused entries are 1.
struct stored_tensor {
  const char* name = nullptr;  // zero-terminated
  const std::byte* data = nullptr;
  stored_type type = stored_type::f32;
  std::size_t rank = 0;
  std::size_t shape[2] = {1, 1};

  [[nodiscard]] constexpr std::size_t elements() const { return shape[0] * shape[1]; }
  [[nodiscard]] constexpr std::size_t bytes() const { return elements() * size_of(type); }
  /// Element i of an f32 tensor; the file need not align it.
  [[nodiscard]] float at(std::size_t i) const { return read<float>(i); }
  /// Element i as T, the C++ type of `type`.
  template <class T>
  [[nodiscard]] T read(std::size_t i) const {
    T value;
    std::memcpy(&value, data + i * sizeof value, sizeof value);
    return value;
  }
};

/// A name put together without a heap: tensor_name("bert.encoder.layer.", 3, ".output.dense").
class tensor_name {
 public:
  template <class... Parts>
  explicit constexpr tensor_name(const Parts&... parts)
      : text_(status::error(errc::ok, parts...)) {}
  template <class... Parts>
  [[nodiscard]] constexpr tensor_name operator()(const Parts&... parts) const {
    return tensor_name(view(), parts...);
  }
  [[nodiscard]] constexpr std::string_view view() const { return text_.message(); }

 private:
  status text_;  // its message is the text; the code is not used
};

class weight_set {
 public:
  constexpr weight_set() = default;
  constexpr weight_set(const stored_tensor* tensors, std::size_t count)
      : tensors_(tensors), count_(count) {}

  [[nodiscard]] constexpr const stored_tensor* begin() const { return tensors_; }
  [[nodiscard]] constexpr const stored_tensor* end() const { return tensors_ + count_; }

  [[nodiscard]] const stored_tensor* find(std::string_view name) const {
    for (const stored_tensor& t : *this) {
      if (same_text(name, t.name)) return &t;
    }
    return nullptr;
  }

  /// Finds `name` as (rows, cols) of `type`; rows = 1 for a vector. Says what was found instead.
  status get(std::string_view name, stored_type type, std::size_t rows, std::size_t cols,
             stored_tensor& out) const {
    const stored_tensor* t = find(name);
    if (t == nullptr) return status::error(errc::not_found, "tensor ", name, " is missing");
    if (t->type != type) {
      return status::error(errc::malformed, "tensor ", name, " is ", name_of(t->type),
                           ", expected ", name_of(type));
    }
    const bool vector_fits = rows == 1 && t->rank <= 1 && t->elements() == cols;
    if (!vector_fits && !(t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols)) {
      return status::error(errc::shape_mismatch, "tensor ", name, " has shape [", t->shape[0], ", ",
                           t->shape[1], "], expected [", rows, ", ", cols, "]");
    }
    out = *t;
    return {};
  }

 private:
  const stored_tensor* tensors_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace lowbit::inline LOWBIT_ISA
