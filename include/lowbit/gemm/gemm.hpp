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

/// One register tile: the kernel, then its accumulators to the epilogue, 16 lanes at a time. Rows
/// is a constant so that the loops over the tile unroll; a ragged last panel (Whole = false) stops
/// at column w.n.
template <class Op, class Arch, std::size_t Rows, bool Whole, class Epilogue>
LOWBIT_INLINE void run_tile(const activation_rows<Op>& a, const packed_weights<Op, Arch>& w,
                            const Epilogue& epilogue, std::size_t row, std::size_t panel) {
  using kernel = selected_kernel<Op, Arch>;
  constexpr std::size_t nr = kernel::nr;
  alignas(buffer_alignment) typename Op::accumulator acc[Rows * nr];
  kernel::template run<Rows>(a.units.row(row), a.units.stride, w.panel(panel), w.units, acc);
  const std::size_t first = panel * nr;
#pragma GCC unroll 8
  for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < nr; j += virtual_lanes) {
      using column = std::conditional_t<Whole, whole_column, std::size_t>;
      const column col{first + j};
      if (!Whole && col >= w.n) break;
      if constexpr (std::is_same_v<typename Op::accumulator, float>) {
        epilogue(f32x16<Arch>::load(acc + r * nr + j), row + r, col);
      } else {
        const std::int32_t count = a.row_counts == nullptr ? 0 : a.row_counts[row + r];
        const auto term = i32x16<Arch>::broadcast(Op::term(a.k, count));
        epilogue(Op::finish(i32x16<Arch>::load(acc + r * nr + j), term), row + r, col);
      }
    }
  }
}

/// The last `rows` < mr rows: the tile instantiated for exactly as many.
template <class Op, class Arch, std::size_t Rows, bool Whole, class Epilogue>
void run_last_tile(std::size_t rows, const activation_rows<Op>& a,
                   const packed_weights<Op, Arch>& w, const Epilogue& epilogue, std::size_t row,
                   std::size_t panel) {
  if constexpr (Rows > 0) {
    if (rows == Rows) {
      run_tile<Op, Arch, Rows, Whole>(a, w, epilogue, row, panel);
    } else {
      run_last_tile<Op, Arch, Rows - 1, Whole>(rows, a, w, epilogue, row, panel);
    }
  }
}

template <class Op, class Arch, bool Whole, class Epilogue>
LOWBIT_INLINE void run_panel(const activation_rows<Op>& a, const packed_weights<Op, Arch>& w,
                             const Epilogue& epilogue, std::size_t first_row, std::size_t last_row,
                             std::size_t panel) {
  constexpr std::size_t mr = selected_kernel<Op, Arch>::mr;
  std::size_t m = first_row;
  for (; m + mr <= last_row; m += mr) run_tile<Op, Arch, mr, Whole>(a, w, epilogue, m, panel);
  run_last_tile<Op, Arch, mr - 1, Whole>(last_row - m, a, w, epilogue, m, panel);
}

}  // namespace detail

/// Rows [first_row, last_row) and panels [first_panel, last_panel) of epilogue(a . w^T): what one
/// task computes. The operands are taken by value: as locals they stay in registers, however many
/// bytes an epilogue writes.
template <class Op, class Arch, class Epilogue>
void gemm_block(activation_rows<Op> a, packed_weights<Op, Arch> w, Epilogue epilogue,
                std::size_t first_row, std::size_t last_row, std::size_t first_panel,
                std::size_t last_panel) {
  const std::size_t whole = w.n / w.nr;
  for (std::size_t p = first_panel; p < last_panel; ++p) {
    if (p < whole) {
      detail::run_panel<Op, Arch, true>(a, w, epilogue, first_row, last_row, p);
    } else {
      detail::run_panel<Op, Arch, false>(a, w, epilogue, first_row, last_row, p);
    }
  }
}

/// epilogue(dot(a_m, w_n), m, n) for every m < M, n < N.
///
/// Shapes:   a (M, K), w (N, K) packed
/// Types:    Op::accumulator; for one-bit ops |acc| <= K
/// Requires: a.k == w.k; the vectors and rows of the epilogue hold N outputs;
///           a.row_counts where Op::term reads it; pad bits zero (guaranteed by pack)
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
