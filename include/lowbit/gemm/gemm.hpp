// SPDX-License-Identifier: Apache-2.0
// The one driver: panels, row tiles, tails, tasks and epilogues for every op and arch. Only
// micro_kernel knows instructions.
#pragma once

#include "lowbit/core/executor.hpp"
#include "lowbit/epilogue/stage.hpp"
#include "lowbit/gemm/kernel/avx2.hpp"
#include "lowbit/gemm/kernel/avx512.hpp"
#include "lowbit/gemm/kernel/scalar.hpp"
#include "lowbit/pack/interleaved.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Hands `rows` accumulator rows of one tile to the epilogue, 16 lanes at a time.
template <class Op, class Arch, class Epilogue>
LOWBIT_INLINE void finish_tile(const typename Op::accumulator* acc, const activation_rows<Op>& a,
                               std::size_t nr, std::size_t first_row, std::size_t rows,
                               std::size_t first_col, std::size_t cols, const Epilogue& epilogue) {
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t row = first_row + r;
    for (std::size_t j = 0; j < nr && first_col + j < cols; j += virtual_lanes) {
      if constexpr (std::is_same_v<typename Op::accumulator, float>) {
        epilogue(f32x16<Arch>::load(acc + r * nr + j), row, first_col + j);
      } else {
        const std::int32_t count = a.row_counts == nullptr ? 0 : a.row_counts[row];
        const auto term = i32x16<Arch>::broadcast(Op::term(a.k, count));
        epilogue(Op::finish(i32x16<Arch>::load(acc + r * nr + j), term), row, first_col + j);
      }
    }
  }
}

/// Calls the kernel instantiated for exactly `rows` rows.
template <class Kernel, class Op, std::size_t Rows = Kernel::mr>
LOWBIT_INLINE void run_rows(std::size_t rows, const typename Op::activation* a, std::size_t stride,
                            const typename Op::weight* w, std::size_t units,
                            typename Op::accumulator* acc) {
  if (Rows == 1 || rows == Rows) {
    Kernel::template run<Rows>(a, stride, w, units, acc);
  } else if constexpr (Rows > 1) {
    run_rows<Kernel, Op, Rows - 1>(rows, a, stride, w, units, acc);
  }
}

}  // namespace detail

/// Rows [first_row, last_row) and panels [first_panel, last_panel) of epilogue(a . w^T): what one
/// task computes.
template <class Op, class Arch, class Epilogue>
void gemm_block(const activation_rows<Op>& a, const packed_weights<Op, Arch>& w,
                const Epilogue& epilogue, std::size_t first_row, std::size_t last_row,
                std::size_t first_panel, std::size_t last_panel) {
  using kernel = selected_kernel<Op, Arch>;
  alignas(buffer_alignment) typename Op::accumulator acc[kernel::mr * kernel::nr];
  for (std::size_t p = first_panel; p < last_panel; ++p) {
    for (std::size_t m = first_row; m < last_row; m += kernel::mr) {
      const std::size_t rows = last_row - m < kernel::mr ? last_row - m : kernel::mr;
      detail::run_rows<kernel, Op>(rows, a.units.row(m), a.units.stride, w.panel(p), w.units, acc);
      detail::finish_tile<Op, Arch>(acc, a, kernel::nr, m, rows, p * kernel::nr, w.n, epilogue);
    }
  }
}

/// epilogue(dot(a_m, w_n), m, n) for every m < M, n < N.
///
/// Shapes:   a (M, K), w (N, K) packed
/// Types:    Op::accumulator; for one-bit ops |acc| <= K
/// Requires: a.k == w.k; a.row_counts where Op::term reads it; pad bits zero (guaranteed by pack)
/// Exact:    the same bits on every arch, for every executor
/// Cost:     M * N * units steps of the op; no allocation
template <class Op, class Arch, class Epilogue, executor Executor>
void gemm(const activation_rows<Op>& a, const packed_weights<Op, Arch>& w, const Epilogue& epilogue,
          Executor& executor) {
  LOWBIT_EXPECTS(a.k == w.k);
  using kernel = selected_kernel<Op, Arch>;
  const std::size_t rows = a.units.rows;
  const std::size_t panels = w.panels();
  if (rows == 0 || panels == 0) return;
  if (executor.workers() == 1) {
    gemm_block<Op, Arch>(a, w, epilogue, 0, rows, 0, panels);
    return;
  }
  // Split the outputs first (each worker then streams its own weights), the rows only when there
  // are too few panels.
  const std::size_t wanted = executor.workers() * 4;
  const std::size_t column_tasks = panels < wanted ? panels : wanted;
  const std::size_t row_tiles = ceil_div(rows, kernel::mr);
  const std::size_t wanted_rows = ceil_div(wanted, column_tasks);
  const std::size_t row_tasks = row_tiles < wanted_rows ? row_tiles : wanted_rows;
  executor.run(column_tasks * row_tasks, [&](std::size_t task, std::size_t) {
    const std::size_t c = task / row_tasks;
    const std::size_t r = task % row_tasks;
    const std::size_t first_row = row_tiles * r / row_tasks * kernel::mr;
    const std::size_t last_row = row_tiles * (r + 1) / row_tasks * kernel::mr;
    gemm_block<Op, Arch>(a, w, epilogue, first_row, last_row < rows ? last_row : rows,
                         panels * c / column_tasks, panels * (c + 1) / column_tasks);
  });
}

}  // namespace lowbit::inline LOWBIT_ISA
