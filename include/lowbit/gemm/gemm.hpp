// SPDX-License-Identifier: Apache-2.0
// The dense driver: panels, row tiles, tails, tasks and epilogues for every op and arch. It
// partitions the work; panel.hpp computes it.
#pragma once

#include "lowbit/core/executor.hpp"
#include "lowbit/gemm/panel.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Computes rows [first_row, last_row) and panels [first_panel, last_panel) of epilogue(a . w^T):
/// one task. The operands are passed by value: as locals they stay in registers even though an
/// epilogue writes bytes. Not inlined: where a caller's arrays are known to be small, gcc 12 warns
/// about whole panels that do not exist.
template <class Op, class Arch, class Epilogue>
LOWBIT_NOINLINE void gemm_block(activation_rows<Op> a, packed_weights<Op, Arch> w,
                                Epilogue epilogue, std::size_t first_row, std::size_t last_row,
                                std::size_t first_panel, std::size_t last_panel) {
  using kernel = selected_kernel<Op, Arch>;
  const std::size_t whole = w.n / w.nr;
  std::size_t p = first_panel;
  if constexpr (detail::has_tiles<kernel>) {
    if (kernel::tiles::pay(last_row - first_row, w.units)) {
      const typename kernel::tiles tiles(last_row - first_row);
      for (; p < last_panel && p < whole; ++p)
        detail::run_panel<Op, Arch, true>(tiles, a, w, epilogue, first_row, last_row, p);
      for (; p < last_panel; ++p)
        detail::run_panel<Op, Arch, false>(tiles, a, w, epilogue, first_row, last_row, p);
      return;
    }
  }
  for (; p < last_panel && p < whole; ++p) {
    detail::run_panel<Op, Arch, true>(a, w, epilogue, first_row, last_row, p);
  }
  for (; p < last_panel; ++p) {
    detail::run_panel<Op, Arch, false>(a, w, epilogue, first_row, last_row, p);
  }
}

/// Computes epilogue(dot(a_m, w_n), m, n) for every m < M, n < N.
///
/// Shapes:   a (M, K), w (N, K) packed
/// Types:    Op::accumulator; for one-bit ops |acc| <= K
/// Requires: a.k == w.k; the vectors and rows of the epilogue hold N outputs;
///           a.row_counts if Op::term reads it; pad bits zero (guaranteed by pack)
/// Exact:    the same bits on every arch, with every executor
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
  // Split by outputs first, so that each worker streams its own weights; split rows only if there
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
