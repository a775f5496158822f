// SPDX-License-Identifier: Apache-2.0
// Activations in the encoding that the next product reads: the element type of a row, and the
// conversion of float rows to codes. Rows are filled as a whole or, if the encoding does not depend
// on the whole row, lane by lane by the preceding layer norm.
#pragma once

#include "lowbit/nn/linear.hpp"
#include "lowbit/nn/sparse_linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Rows in one input encoding. f32 rows alias the float rows; every other encoding has its own
/// memory.
template <class Format>
struct encoded_rows {
  using op = typename Format::op;
  using input = typename Format::input;
  using element = typename op::activation;
  static constexpr bool is_float = std::is_same_v<element, float>;
  static constexpr bool is_bytes = std::is_same_v<element, quad>;
  static constexpr bool counted = is_bytes || requires { requires op::counts_row; };

  matrix_view<element> rows;  // (T, units)
  std::size_t k = 0;
  std::int32_t* counts = nullptr;  // (T), if the op's term needs it
  float* scales = nullptr;         // (T), if each row has its own scale

  constexpr void plan(arena& memory, std::size_t tokens, std::size_t cols) {
    k = cols;
    // Codes are stored in whole groups of 16.
    const std::size_t stride = is_float   ? float_stride(cols)
                               : is_bytes ? round_up(op::units(cols), virtual_lanes / 4)
                                          : op::units(cols);
    rows = memory.take_matrix<element>(tokens, op::units(cols), stride);
    if (counted) counts = memory.take<std::int32_t>(tokens);
    if (has_row_scale<input>) scales = memory.take<float>(tokens);
  }
  [[nodiscard]] activation_rows<op> first(std::size_t m) const {
    return {rows.rows_from(0, m), k, counts};
  }
  void clear_pad(std::size_t m) const {
    if constexpr (std::is_same_v<element, word>) clear_pad_words(rows.rows_from(0, m));
  }
  /// Copies row `from` of another site of the same format to row `to`, including the padding codes,
  /// because readers load whole groups.
  void copy_row(std::size_t to, const encoded_rows& other, std::size_t from) const {
    std::memcpy(rows.row(to), other.rows.row(from), rows.stride * sizeof(element));
    if (counted) counts[to] = other.counts[from];
    if (has_row_scale<input>) scales[to] = other.scales[from];
  }

  /// Encodes x (K) as row `row`. Byte encodings zero the row and return false if x contains a
  /// non-finite value. One-bit rows must have clear pad words.
  template <class Arch>
  bool encode(const float* x, std::size_t row, const input_encoding& learned) const {
    if constexpr (is_float) {
      std::memcpy(rows.row(row), x, k * sizeof(float));
    } else if constexpr (is_bytes) {
      return encode_bytes<Arch>(x, row, learned);
    } else {
      encode_bits<Arch>(x, row, learned);
    }
    return true;
  }

 private:
  /// Symmetric int8: code = round(x / scale), half to even, in -127 .. 127. A dynamic row scale is
  /// max |x| / 127; a row of zeros has scale 0.
  template <class Arch>
  bool encode_bytes(const float* x, std::size_t row, const input_encoding& learned) const {
    using f = f32x16<Arch>;
    largest_magnitude<Arch> top;
    float inverse = 1.0F / learned.scale;
    if constexpr (has_row_scale<input>) {
      for_each_column(k, [&](auto c) { top.add(load_row<Arch>(x, c, k)); });
      const float largest = top.value();
      if (!is_finite(largest)) [[unlikely]]
        return clear_row(row);
      scales[row] = largest / 127.0F;
      inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
    }
    const f factor = f::broadcast(inverse);
    const f limit = f::broadcast(127.0F);
    auto sum = i32x16<Arch>::broadcast(0);
    auto* codes = reinterpret_cast<std::int8_t*>(rows.row(row));
    for_each_column(k, [&](auto c) {
      f v = load_row<Arch>(x, c, k);
      if constexpr (!has_row_scale<input>) {  // a stored scale may be exceeded
        top.add(v);
        v = max(min(v, limit * f::broadcast(learned.scale)), limit * f::broadcast(-learned.scale));
      }
      const auto code = round_product(v, factor);
      code.store_low_bytes(codes + c);
      sum = sum + code;
    });
    counts[row] = reduce_add(sum);
    if constexpr (!has_row_scale<input>) {
      if (!top.finite()) [[unlikely]]
        return clear_row(row);
    }
    return true;
  }

  LOWBIT_NOINLINE bool clear_row(std::size_t row) const {
    std::memset(rows.row(row), 0, rows.stride * sizeof(element));
    counts[row] = 0;
    if constexpr (has_row_scale<input>) scales[row] = 0.0F;
    return false;
  }

  template <class Arch>
  void encode_bits(const float* x, std::size_t row, const input_encoding& learned) const {
    static_assert(std::is_same_v<element, word>, "lowbit: this encoding is made by attention only");
    using f = f32x16<Arch>;
    for_each_column(k, [&](auto c) {
      f v = load_row<Arch>(x, c, k);
      if (learned.shift.count != 0) v = v + load_channels<Arch>(learned.shift, c);
      const std::size_t count = lanes_at(c, k);
      lane_mask mask = 0;
      if constexpr (std::is_same_v<input, activation::elastic_bool>) {
        mask = less(f::broadcast(0.5F), v / f::broadcast(learned.scale));
      } else {
        mask = less(v, f::broadcast(0.0F));
      }
      write_bits(rows.row(row), c, count, static_cast<lane_mask>(mask & low_mask(count)));
    });
    if constexpr (counted) counts[row] = count_ones(rows.row(row), rows.cols);
  }
};

/// Encodes `count` rows of `from` as rows 0 .. count - 1, and marks rows with non-finite values.
template <class Arch, class Format, executor Executor>
void encode_rows(const encoded_rows<Format>& out, matrix_view<const float> from, std::size_t count,
                 const input_encoding& learned, Executor& executor, const row_marks& marks) {
  constexpr std::size_t rows_per_task = 16;
  out.clear_pad(count);
  executor.run(ceil_div(count, rows_per_task), [&](std::size_t task, std::size_t) {
    const std::size_t begin = task * rows_per_task;
    const std::size_t end = begin + rows_per_task < count ? begin + rows_per_task : count;
    for (std::size_t r = begin; r < end; ++r) {
      if (!out.template encode<Arch>(from.row(r), r, learned)) marks.mark(r);
    }
  });
}

}  // namespace lowbit::inline LOWBIT_ISA
