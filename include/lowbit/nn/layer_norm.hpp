// SPDX-License-Identifier: Apache-2.0
// Layer normalisation of rows. The normalised lanes go directly to sinks, so one pass both stores
// the residual and packs the bits of the next product.
#pragma once

#include <tuple>
#include <utility>

#include "lowbit/boundary/weights.hpp"
#include "lowbit/core/executor.hpp"
#include "lowbit/epilogue/to_bits.hpp"
#include "lowbit/nn/row_marks.hpp"
#include "lowbit/tensor/arena.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Loads the first min(16, cols - col) values of a row from col on; sets the other lanes to `fill`.
template <class Arch, class Column>
[[nodiscard]] LOWBIT_INLINE f32x16<Arch> load_row(const float* row, Column col, std::size_t cols,
                                                  float fill = 0.0F) {
  const std::size_t count = lanes_at(col, cols);
  return count == virtual_lanes ? f32x16<Arch>::load(row + col)
                                : f32x16<Arch>::load_first(row + col, count, fill);
}

/// Calls visit(column) for every 16 lanes of a row: a whole_column, then std::size_t for the
/// remainder.
template <class Visit>
LOWBIT_INLINE void for_each_column(std::size_t cols, const Visit& visit) {
  const std::size_t whole = cols - cols % virtual_lanes;
  for (std::size_t c = 0; c < whole; c += virtual_lanes) visit(whole_column{c});
  if (whole < cols) visit(whole);
}

/// Copies a stored vector of `count` floats into arena memory.
constexpr status load_vector(arena& memory, const weight_set& weights, std::string_view name,
                             std::size_t count, vector_view<float>& out) {
  out = memory.take_vector<float>(count);
  if (!memory.fills()) return {};
  stored_tensor t;
  LOWBIT_TRY(weights.get(name, element_type::f32, 1, count, t));
  std::memcpy(out.data, t.data, count * sizeof(float));
  return {};
}

/// Notifies a sink that a row is complete, if the sink has finish().
template <class Sink>
LOWBIT_INLINE void finish_row(const Sink& sink, std::size_t row) {
  if constexpr (requires { sink.finish(row); }) sink.finish(row);
}

/// Sends the same lanes to several sinks.
template <class... Sinks>
struct fan_out : epilogue_stage {
  std::tuple<Sinks...> sinks;
  constexpr explicit fan_out(Sinks... all) : sinks(all...) {}
  LOWBIT_INLINE void finish(std::size_t row) const {
    finish_each(row, std::index_sequence_for<Sinks...>{});
  }
  template <class Lanes, class Column>
  LOWBIT_INLINE void operator()(Lanes v, std::size_t row, Column col) const {
    send_each(v, row, col, std::index_sequence_for<Sinks...>{});
  }

 private:  // std::apply might not be inlined
  template <std::size_t... I>
  LOWBIT_INLINE void finish_each(std::size_t row, std::index_sequence<I...>) const {
    (finish_row(std::get<I>(sinks), row), ...);
  }
  template <class Lanes, class Column, std::size_t... I>
  LOWBIT_INLINE void send_each(Lanes v, std::size_t row, Column col,
                               std::index_sequence<I...>) const {
    (std::get<I>(sinks)(v, row, col), ...);
  }
};

/// Sink: bit (row, col) = v + shift[col] < 0, without a shift if the vector is empty. Pad words
/// must be clear.
struct sign_encoder : epilogue_stage {
  matrix_view<word> out;  // (T, words)
  std::size_t cols;
  vector_view<const float> shift;  // (D) or empty
  constexpr sign_encoder(matrix_view<word> rows, std::size_t n,
                         vector_view<const float> shifts = {})
      : out(rows), cols(n), shift(shifts) {}
  template <class Arch, class Column>
  LOWBIT_INLINE void operator()(f32x16<Arch> v, std::size_t row, Column col) const {
    if (shift.count != 0) v = v + load_channels<Arch>(shift, col);
    const std::size_t count = lanes_at(col, cols);
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
  constexpr status load(arena& memory, const weight_set& weights, const tensor_name& name,
                        std::size_t cols, float eps) {
    eps_ = eps;
    LOWBIT_TRY(load_vector(memory, weights, name(".weight").view(), cols, gamma_));
    return load_vector(memory, weights, name(".bias").view(), cols, beta_);
  }

  /// Normalises Rows adjacent rows of x (T, D) from `row` on; several at once hide the latency of
  /// the sums. Rows with non-finite values, and hence a non-finite variance, are marked.
  template <std::size_t Rows, class Sink>
  void run_rows(matrix_view<const float> x, std::size_t row, Sink sink,
                const row_marks& marks = {}) const {
    if constexpr (is_lane_by_lane<Arch>) {
      for (std::size_t r = 0; r < Rows; ++r) run_row(x.row(row + r), row + r, sink, marks);
    } else {
      run_rows_of_lanes<Rows>(x, row, sink, marks);
    }
  }

  /// Normalises every row of x (T, D).
  template <class Sink, executor Executor>
  void run(matrix_view<const float> x, const Sink& sink, Executor& executor,
           const row_marks& marks = {}) const {
    constexpr std::size_t rows_per_task = 16;
    executor.run(ceil_div(x.rows, rows_per_task), [&](std::size_t task, std::size_t) {
      std::size_t r = task * rows_per_task;
      const std::size_t end = r + rows_per_task < x.rows ? r + rows_per_task : x.rows;
      if constexpr (!is_lane_by_lane<Arch>) {
        for (; r + 4 <= end; r += 4) run_rows<4>(x, r, sink, marks);
      }
      for (; r < end; ++r) run_rows<1>(x, r, sink, marks);
    });
  }

 private:
  template <std::size_t Rows, class Sink>
  void run_rows_of_lanes(matrix_view<const float> x, std::size_t row, Sink sink,
                         const row_marks& marks) const {
    using f = f32x16<Arch>;
    // Local copies, which stores in the sink cannot alias.
    const vector_view<const float> gamma = gamma_;
    const vector_view<const float> beta = beta_;
    const std::size_t cols = gamma.count;
    const auto count = static_cast<float>(cols);
    f sum[Rows];
    f inverse[Rows];
    float mean[Rows];
    for (f& s : sum) s = f::broadcast(0.0F);
    for_each_column(cols, [&](auto c) {
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        sum[r] = sum[r] + load_row<Arch>(x.row(row + r), c, cols);
      }
    });
    for (std::size_t r = 0; r < Rows; ++r) {
      mean[r] = reduce_add(sum[r]) / count;
      sum[r] = f::broadcast(0.0F);
    }
    for_each_column(cols, [&](auto c) {
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        const f d = load_row<Arch>(x.row(row + r), c, cols, mean[r]) - f::broadcast(mean[r]);
        sum[r] = fma(d, d, sum[r]);
      }
    });
    for (std::size_t r = 0; r < Rows; ++r) {
      const float variance = reduce_add(sum[r]) / count;
      if (!is_finite(variance)) [[unlikely]]
        marks.mark(row + r);
      inverse[r] = f::broadcast(1.0F) / sqrt(f::broadcast(variance + eps_));
    }
    for_each_column(cols, [&](auto c) {
      const f scale = load_channels<Arch>(gamma, c);
      const f shift = load_channels<Arch>(beta, c);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; ++r) {
        const f d = load_row<Arch>(x.row(row + r), c, cols, mean[r]) - f::broadcast(mean[r]);
        sink(fma(d * inverse[r], scale, shift), row + r, c);
      }
    });
    for (std::size_t r = 0; r < Rows; ++r) finish_row(sink, row + r);
  }

  /// The same with loops over lanes, and one copy for all sinks but of what calls them.
  template <class Sink>
  void run_row(const float* x, std::size_t row, const Sink& sink, const row_marks& marks) const {
    const moments m = moments_of(x);
    if (!is_finite(m.variance)) [[unlikely]]
      marks.mark(row);
    for (std::size_t c = 0; c < gamma_.count; c += virtual_lanes) {
      f32x16<Arch> lanes;
      normalise(x, c, m, lanes.part);
      sink(lanes, row, c);
    }
    finish_row(sink, row);
  }

  struct moments {
    float mean, variance, inverse;
  };
  LOWBIT_NOINLINE moments moments_of(const float* x) const {
    const std::size_t cols = gamma_.count;
    const auto count = static_cast<float>(cols);
    f32x16<Arch> sum = f32x16<Arch>::broadcast(0.0F);
    for (std::size_t c = 0; c < cols; c += virtual_lanes) {
      const std::size_t lanes = lanes_at(c, cols);
      for (std::size_t n = 0; n < lanes; ++n) sum.part[n] += arch_ops<Arch>::load(x + c + n);
    }
    const float mean = reduce_add(sum) / count;
    sum = f32x16<Arch>::broadcast(0.0F);
    const auto add_square = [&](float v, std::size_t n) {
      const float d = v - mean;
      sum.part[n] = arch_ops<Arch>::fma(d, d, sum.part[n]);
    };
    for (std::size_t c = 0; c < cols; c += virtual_lanes) {
      const std::size_t lanes = lanes_at(c, cols);
      for (std::size_t n = 0; n < lanes; ++n) add_square(arch_ops<Arch>::load(x + c + n), n);
      for (std::size_t n = lanes; n < virtual_lanes; ++n) add_square(mean, n);
    }
    const float variance = reduce_add(sum) / count;
    return {mean, variance, 1.0F / arch_ops<Arch>::sqrt(variance + eps_)};
  }
  /// Sixteen normalised lanes from column c on; those past the last column are 0.
  LOWBIT_NOINLINE void normalise(const float* x, std::size_t c, const moments& m,
                                 float (&lanes)[virtual_lanes]) const {
    const std::size_t count = lanes_at(c, gamma_.count);
    const float* gamma = gamma_.data + c;
    const float* beta = beta_.data + c;
    x += c;
    for (std::size_t n = 0; n < count; ++n) {
      const float d = arch_ops<Arch>::load(x + n) - m.mean;
      lanes[n] = arch_ops<Arch>::fma(d * m.inverse, arch_ops<Arch>::load(gamma + n),
                                     arch_ops<Arch>::load(beta + n));
    }
    for (std::size_t n = count; n < virtual_lanes; ++n) lanes[n] = 0.0F;
  }

  vector_view<float> gamma_;  // (D)
  vector_view<float> beta_;   // (D)
  float eps_ = 0.0F;
};

}  // namespace lowbit::inline LOWBIT_ISA
