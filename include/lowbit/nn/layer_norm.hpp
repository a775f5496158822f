// SPDX-License-Identifier: Apache-2.0
// Layer normalisation of rows. The normalised lanes go straight to sinks, so storing the residual
// and packing the next product's bits happen in the same pass (SPEC fusion F8).
#pragma once

#include <tuple>

#include "lowbit/core/executor.hpp"
#include "lowbit/epilogue/to_bits.hpp"
#include "lowbit/model/weight_set.hpp"
#include "lowbit/tensor/arena.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The first min(16, cols - col) values of a row from col on; the other lanes are `fill`.
template <class Arch>
[[nodiscard]] LOWBIT_INLINE f32x16<Arch> load_row(const float* row, std::size_t col,
                                                  std::size_t cols, float fill = 0.0F) {
  return col + virtual_lanes <= cols ? f32x16<Arch>::load(row + col)
                                     : f32x16<Arch>::load_first(row + col, cols - col, fill);
}

/// Copies a stored vector of `count` floats into memory of the arena.
inline status load_vector(arena& memory, const weight_set& weights, std::string_view name,
                          std::size_t count, vector_view<float>& out) {
  out = memory.take_vector<float>(count);
  if (memory.measuring()) return {};
  stored_tensor t;
  LOWBIT_TRY(weights.get(name, stored_type::f32, 1, count, t));
  std::memcpy(out.data, t.data, count * sizeof(float));
  return {};
}

/// Sends the same lanes to several sinks.
template <class... Sinks>
struct fan_out : epilogue_stage {
  std::tuple<Sinks...> sinks;
  constexpr explicit fan_out(Sinks... all) : sinks(all...) {}
  template <class Lanes>
  LOWBIT_INLINE void operator()(Lanes v, std::size_t row, std::size_t col) const {
    std::apply([&](const auto&... sink) { (sink(v, row, col), ...); }, sinks);
  }
};

/// Sink: bit (row, col) = v + shift[col] < 0; no shift where the vector is empty. The pad words
/// must be clear.
struct sign_encoder : epilogue_stage {
  matrix_view<word> out;  // (T, words)
  std::size_t cols;
  vector_view<const float> shift;  // (D) or empty
  constexpr sign_encoder(matrix_view<word> rows, std::size_t n,
                         vector_view<const float> shifts = {})
      : out(rows), cols(n), shift(shifts) {}
  template <class Arch>
  LOWBIT_INLINE void operator()(f32x16<Arch> v, std::size_t row, std::size_t col) const {
    if (shift.count != 0) v = v + load_channels<Arch>(shift, col);
    const std::size_t count = cols - col < virtual_lanes ? cols - col : virtual_lanes;
    const auto mask =
        static_cast<lane_mask>(less(v, f32x16<Arch>::broadcast(0.0F)) & low_mask(count));
    write_bits(out.row(row), col, count, mask);
  }
};

/// y = (x - mean) / sqrt(variance + eps) * gamma + beta over the last axis; biased variance, eps
/// inside the root.
template <class Arch>
class layer_norm {
 public:
  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t cols,
              float eps) {
    eps_ = eps;
    LOWBIT_TRY(load_vector(memory, weights, name(".weight").view(), cols, gamma_));
    return load_vector(memory, weights, name(".bias").view(), cols, beta_);
  }

  /// Normalises x (D) and hands row `row` to the sink.
  template <class Sink>
  void run_row(const float* x, std::size_t row, const Sink& sink) const {
    using f = f32x16<Arch>;
    const std::size_t cols = gamma_.count;
    f sum = f::broadcast(0.0F);
    for (std::size_t c = 0; c < cols; c += virtual_lanes) sum = sum + load_row<Arch>(x, c, cols);
    const float mean = reduce_add(sum) / static_cast<float>(cols);
    f squares = f::broadcast(0.0F);
    for (std::size_t c = 0; c < cols; c += virtual_lanes) {
      const f d = load_row<Arch>(x, c, cols, mean) - f::broadcast(mean);
      squares = fma(d, d, squares);
    }
    const float variance = reduce_add(squares) / static_cast<float>(cols);
    const f inverse = f::broadcast(1.0F) / sqrt(f::broadcast(variance + eps_));
    for (std::size_t c = 0; c < cols; c += virtual_lanes) {
      const f d = load_row<Arch>(x, c, cols, mean) - f::broadcast(mean);
      sink(fma(d * inverse, load_channels<Arch>(gamma_, c), load_channels<Arch>(beta_, c)), row, c);
    }
  }

  /// Normalises every row of x (T, D).
  template <class Sink, executor Executor>
  void run(matrix_view<const float> x, const Sink& sink, Executor& executor) const {
    constexpr std::size_t rows_per_task = 16;
    executor.run(ceil_div(x.rows, rows_per_task), [&](std::size_t task, std::size_t) {
      const std::size_t begin = task * rows_per_task;
      for (std::size_t r = begin; r < x.rows && r < begin + rows_per_task; ++r)
        run_row(x.row(r), r, sink);
    });
  }

 private:
  vector_view<float> gamma_;  // (D)
  vector_view<float> beta_;   // (D)
  float eps_ = 0.0F;
};

}  // namespace lowbit::inline LOWBIT_ISA
