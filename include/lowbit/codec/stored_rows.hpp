// SPDX-License-Identifier: Apache-2.0
// Readers of stored tensors shared by codecs: which weights share a scale, rows of codes of a few
// bits, and validated scales. No heap; the meaning of a code is left to the codec.
#pragma once

#include <limits>
#include <type_traits>

#include "lowbit/boundary/weights.hpp"
#include "lowbit/core/bits.hpp"
#include "lowbit/tensor/matrix_view.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// How many weights of an (N, K) matrix share a scale. columns: how many within a row, 0 = all.
/// count: number of scales of the matrix; index: the scale of group group_index of a row.
namespace scale {
struct row {
  static constexpr const char* name = "row";
  static constexpr std::size_t columns = 0;
  static constexpr std::size_t count(std::size_t n, std::size_t /*k*/) { return n; }
  static constexpr std::size_t index(std::size_t row, std::size_t, std::size_t) { return row; }
};
struct tensor {
  static constexpr const char* name = "tensor";
  static constexpr std::size_t columns = 0;
  static constexpr std::size_t count(std::size_t /*n*/, std::size_t /*k*/) { return 1; }
  static constexpr std::size_t index(std::size_t, std::size_t, std::size_t) { return 0; }
};
/// Groups of Columns consecutive weights of a row; the last group may be shorter.
template <std::size_t Columns>
struct group {
  static_assert(Columns > 0);
  static constexpr const char* name = "group";
  static constexpr std::size_t columns = Columns;
  static constexpr std::size_t count(std::size_t n, std::size_t k) {
    return n * ceil_div(k, Columns);
  }
  static constexpr std::size_t index(std::size_t row, std::size_t group_index, std::size_t k) {
    return row * ceil_div(k, Columns) + group_index;
  }
};
/// Groups of Rows consecutive rows; the last group may be smaller.
template <std::size_t Rows>
struct row_group {
  static_assert(Rows > 0);
  static constexpr const char* name = "row_group";
  static constexpr std::size_t columns = 0;
  static constexpr std::size_t rows = Rows;
  static constexpr std::size_t count(std::size_t n, std::size_t /*k*/) { return ceil_div(n, Rows); }
  static constexpr std::size_t index(std::size_t row, std::size_t, std::size_t) {
    return row / Rows;
  }
};
}  // namespace scale

namespace detail {

/// Code j of a packed row: bits [j Bits, (j + 1) Bits), little-endian. Reads only the bytes that
/// hold them.
template <std::size_t Bits>
[[nodiscard]] constexpr unsigned read_code(const std::byte* row, std::size_t j) {
  static_assert(Bits >= 1 && Bits <= 8);
  const std::byte* at = row + j * Bits / 8;
  const std::size_t shift = j * Bits % 8;
  unsigned bits = std::to_integer<unsigned>(at[0]) >> shift;
  if (shift + Bits > 8) bits |= std::to_integer<unsigned>(at[1]) << (8 - shift);
  return bits & static_cast<unsigned>(low_mask(Bits));
}
/// Writes code j of a row, whose bits must be zero there.
template <std::size_t Bits>
constexpr void write_code(std::byte* row, std::size_t j, unsigned code) {
  static_assert(Bits >= 1 && Bits <= 8);
  std::byte* at = row + j * Bits / 8;
  const std::size_t shift = j * Bits % 8;
  at[0] |= static_cast<std::byte>((code << shift) & 0xFFU);
  if (shift + Bits > 8) at[1] |= static_cast<std::byte>(code >> (8 - shift));
}

[[nodiscard]] inline bool is_finite(float value) {
  return value >= std::numeric_limits<float>::lowest() &&
         value <= std::numeric_limits<float>::max();
}

/// Checks that the first `count` elements of an F32 tensor are finite and at least `least`.
inline status check_floats(const stored_tensor& t, std::size_t count,
                           float least = std::numeric_limits<float>::lowest()) {
  for (std::size_t i = 0; i < count; ++i) {
    const float value = t.at(i);
    if (!is_finite(value)) {
      return status::error(errc::malformed, "tensor ", t.name, " element ", i, " is not finite");
    }
    if (value < least) {
      return status::error(errc::malformed, "tensor ", t.name, " element ", i, " is below 0");
    }
  }
  return {};
}

/// NAME.codes, U8 (N, ceil(K Bits / 8)).
template <std::size_t Bits>
class packed_rows {
 public:
  static constexpr std::size_t row_bytes(std::size_t k) { return ceil_div(k * Bits, 8); }

  /// Checks that every code is in first..last and that the bits past column K equal `pad`.
  status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k,
              unsigned first, unsigned last, unsigned pad = 0) {
    k_ = k;
    LOWBIT_TRY(weights.get(name(".codes").view(), element_type::u8, n, row_bytes(k), codes_));
    for (std::size_t r = 0; r < n; ++r) LOWBIT_TRY(check_row(r, first, last, pad));
    return {};
  }

  [[nodiscard]] const std::byte* row(std::size_t r) const {
    return codes_.data + r * row_bytes(k_);
  }
  /// Writes transform(code) for the codes of row r to out (K).
  template <class T, class Transform>
  void read(std::size_t r, T* out, Transform transform) const {
    const std::byte* codes = row(r);
    for (std::size_t j = 0; j < k_; ++j) out[j] = transform(read_code<Bits>(codes, j));
  }

 private:
  [[nodiscard]] status check_row(std::size_t r, unsigned first, unsigned last, unsigned pad) const {
    const bool every_code_is_valid = first == 0 && last == low_mask(Bits);
    for (std::size_t j = 0; !every_code_is_valid && j < k_; ++j) {
      const unsigned code = read_code<Bits>(row(r), j);
      if (code < first || code > last) {
        return status::error(errc::malformed, "tensor ", codes_.name, " row ", r, " column ", j,
                             " is code ", code, ", expected ", first, " to ", last);
      }
    }
    const std::size_t used = k_ * Bits % 8;  // used bits of the last byte
    if (used == 0) return {};
    const unsigned found = std::to_integer<unsigned>(row(r)[row_bytes(k_) - 1]) >> used;
    if (found == pad) return {};
    if (pad == 0) {  // a nonzero pad bit could count as a weight
      return status::error(errc::malformed, "tensor ", codes_.name, " row ", r,
                           " has bits set past column ", k_);
    }
    return status::error(errc::malformed, "tensor ", codes_.name, " row ", r, " has code ", found,
                         " past column ", k_, ", expected ", pad);
  }

  stored_tensor codes_;
  std::size_t k_ = 0;
};

/// NAME.scale, F32 [Scale::count(N, K)], or [N, groups] for column groups; finite and nonnegative.
template <class Scale>
class stored_scales {
 public:
  status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
    k_ = k;
    const std::size_t rows = Scale::columns == 0 ? 1 : n;
    const std::size_t cols = Scale::columns == 0 ? Scale::count(n, k) : ceil_div(k, Scale::columns);
    LOWBIT_TRY(weights.get(name(".scale").view(), element_type::f32, rows, cols, scales_));
    return check_floats(scales_, rows * cols, 0.0F);
  }
  [[nodiscard]] float at(std::size_t row, std::size_t group_index) const {
    return scales_.at(Scale::index(row, group_index, k_));
  }
  /// out[j] = integer(j) times its scale, rounded once, for the K weights of a row.
  template <class Integer>
  void multiply(std::size_t row, Integer integer, float* out) const {
    const std::size_t step = Scale::columns == 0 ? k_ : Scale::columns;
    for (std::size_t begin = 0, g = 0; begin < k_; begin += step, ++g) {
      const float s = at(row, g);
      const std::size_t end = k_ - begin < step ? k_ : begin + step;
      for (std::size_t j = begin; j < end; ++j) out[j] = static_cast<float>(integer(j)) * s;
    }
  }

 private:
  stored_tensor scales_;
  std::size_t k_ = 0;
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
