// SPDX-License-Identifier: Apache-2.0
// Epilogues process accumulators before they leave the registers. A stage is a small value with
// state and `operator()(lanes, row, col) -> lanes`, where lanes are an f32x16 or i32x16 of the
// outputs (row, col .. col + 15); a sink is a stage that returns nothing. Stages are composed with
// `|`, in reading order: `to_float{} | affine{scale, bias} | add_residual{h} | store{sum}`.
//
// Stages must read per-column data through load_channels, which never reads past the last output of
// a row. If the caller knows that all 16 lanes are outputs, `col` is a whole_column and no stage
// checks.
#pragma once

#include "lowbit/arch/simd.hpp"
#include "lowbit/tensor/matrix_view.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// A column whose 16 lanes are all outputs. Stages that never read past a row may take it as
/// std::size_t, to which it converts.
struct whole_column {
  std::size_t first;
  constexpr operator std::size_t() const { return first; }
};
template <class Column>
inline constexpr bool is_whole = std::is_same_v<Column, whole_column>;

/// Number of lanes from `col` on, at most 16, that are among `cols` outputs.
template <class Column>
[[nodiscard]] LOWBIT_INLINE std::size_t lanes_at(Column col, std::size_t cols) {
  const auto first = static_cast<std::size_t>(col);
  if (is_whole<Column> || first + virtual_lanes <= cols) return virtual_lanes;
  return first < cols ? cols - first : 0;
}

/// Base of everything that can be composed with `|`.
struct epilogue_stage {};

template <class First, class Second>
struct composed_stage : epilogue_stage {
  First first;
  Second second;
  template <class Lanes, class Column>
  LOWBIT_INLINE auto operator()(Lanes v, std::size_t row, Column col) const {
    return second(first(v, row, col), row, col);
  }
};

template <class First, class Second>
requires(std::is_base_of_v<epilogue_stage, First>&& std::is_base_of_v<epilogue_stage, Second>)
    [[nodiscard]] constexpr composed_stage<First, Second>
    operator|(First first, Second second) {
  return {{}, first, second};
}

/// 16 values from v[col]; lanes past the end are 0.
template <class Arch, class Column>
[[nodiscard]] LOWBIT_INLINE f32x16<Arch> load_channels(vector_view<const float> v, Column col) {
  const std::size_t count = lanes_at(col, v.count);
  return count == virtual_lanes ? f32x16<Arch>::load(v.data + col)
                                : f32x16<Arch>::load_first(v.data + col, count);
}
template <class Arch, class Column>
[[nodiscard]] LOWBIT_INLINE i32x16<Arch> load_channels(vector_view<const std::int32_t> v,
                                                       Column col) {
  const std::size_t count = lanes_at(col, v.count);
  return count == virtual_lanes ? i32x16<Arch>::load(v.data + col)
                                : i32x16<Arch>::load_first(v.data + col, count);
}

/// Converts an integer accumulator to float: exact for one-bit products (|n| <= K < 2^24), rounded
/// to nearest above 2^24. Products that sum their groups in f32 already have float accumulators.
struct to_float : epilogue_stage {
  template <class Arch>
  LOWBIT_INLINE f32x16<Arch> operator()(i32x16<Arch> v, std::size_t, std::size_t) const {
    return f32x16<Arch>::from(v);
  }
  template <class Arch>
  LOWBIT_INLINE f32x16<Arch> operator()(f32x16<Arch> v, std::size_t, std::size_t) const {
    return v;
  }
};

/// v * scale[col] + bias[col], rounded once.
struct affine : epilogue_stage {
  vector_view<const float> scale;  // (N)
  vector_view<const float> bias;   // (N)
  constexpr affine(vector_view<const float> scales, vector_view<const float> biases)
      : scale(scales), bias(biases) {}
  template <class Arch, class Column>
  LOWBIT_INLINE f32x16<Arch> operator()(f32x16<Arch> v, std::size_t, Column col) const {
    return fma(v, load_channels<Arch>(scale, col), load_channels<Arch>(bias, col));
  }
};

struct add_bias : epilogue_stage {
  vector_view<const float> bias;  // (N)
  constexpr explicit add_bias(vector_view<const float> biases) : bias(biases) {}
  template <class Arch, class Column>
  LOWBIT_INLINE f32x16<Arch> operator()(f32x16<Arch> v, std::size_t, Column col) const {
    return v + load_channels<Arch>(bias, col);
  }
};

/// v * scale[row]: dequantizes rows of dynamically quantized codes.
struct scale_rows : epilogue_stage {
  const float* scale;  // (M)
  constexpr explicit scale_rows(const float* scales) : scale(scales) {}
  template <class Arch>
  LOWBIT_INLINE f32x16<Arch> operator()(f32x16<Arch> v, std::size_t row, std::size_t) const {
    return v * f32x16<Arch>::broadcast(scale[row]);
  }
};

/// v * factor, with the same factor for every output.
struct scale_by : epilogue_stage {
  float factor;
  constexpr explicit scale_by(float value) : factor(value) {}
  template <class Arch>
  LOWBIT_INLINE f32x16<Arch> operator()(f32x16<Arch> v, std::size_t, std::size_t) const {
    return v * f32x16<Arch>::broadcast(factor);
  }
};

/// v + residual(row, col).
struct add_residual : epilogue_stage {
  matrix_view<const float> residual;  // (M, N)
  constexpr explicit add_residual(matrix_view<const float> rows) : residual(rows) {}
  template <class Arch, class Column>
  LOWBIT_INLINE f32x16<Arch> operator()(f32x16<Arch> v, std::size_t row, Column col) const {
    return v + load_channels<Arch>(vector_view<const float>{residual.row(row), residual.cols}, col);
  }
};

/// Function(v), for the functions of epilogue/activation.hpp.
template <class Function>
struct activate : epilogue_stage {
  template <class Arch>
  LOWBIT_INLINE f32x16<Arch> operator()(f32x16<Arch> v, std::size_t, std::size_t) const {
    return Function::apply(v);
  }
};

/// Sink: out(row, col .. col + 15) = v, for columns below out.cols.
struct store : epilogue_stage {
  matrix_view<float> out;  // (M, N)
  constexpr explicit store(matrix_view<float> rows) : out(rows) {}
  template <class Arch, class Column>
  LOWBIT_INLINE void operator()(f32x16<Arch> v, std::size_t row, Column col) const {
    const std::size_t count = lanes_at(col, out.cols);
    if (count == virtual_lanes) {
      v.store(out.row(row) + col);
    } else if (count > 0) {
      v.store_first(out.row(row) + col, count);
    }
  }
};

/// Sink: stores the integers unchanged.
struct store_integers : epilogue_stage {
  matrix_view<std::int32_t> out;  // (M, N), stride >= N rounded up to a multiple of 16
  constexpr explicit store_integers(matrix_view<std::int32_t> rows) : out(rows) {
    LOWBIT_EXPECTS(out.stride >= round_up(out.cols, virtual_lanes));
  }
  template <class Arch>
  LOWBIT_INLINE void operator()(i32x16<Arch> v, std::size_t row, std::size_t col) const {
    if (col < out.cols) v.store(out.row(row) + col);
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
