// SPDX-License-Identifier: Apache-2.0
// The one driver: panels, row tiles, tails, tasks and epilogues for every op and arch. Only
// micro_kernel knows instructions.
#pragma once

#include "lowbit/core/executor.hpp"
#include "lowbit/epilogue/stage.hpp"
#include "lowbit/gemm/kernel/avx2.hpp"
#include "lowbit/gemm/kernel/avx2_codes.hpp"
#include "lowbit/gemm/kernel/avx2_planes.hpp"
#include "lowbit/gemm/kernel/avx512.hpp"
#include "lowbit/gemm/kernel/avx512_codes.hpp"
#include "lowbit/gemm/kernel/avx512_planes.hpp"
#include "lowbit/gemm/kernel/scalar.hpp"
#include "lowbit/gemm/kernel/scalar_codes.hpp"
#include "lowbit/gemm/kernel/scalar_planes.hpp"
#include "lowbit/pack/interleaved.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// What finish() needs to know of a row: the op's own term, or what takes a kernel's offset back.
template <class Op, class Kernel>
[[nodiscard]] constexpr std::int32_t row_term(std::size_t k, std::int32_t count) {
  if constexpr (requires { Kernel::offset; }) {
    return -static_cast<std::int32_t>(Kernel::offset) * count;
  } else {
    return Op::term(k, count);
  }
}

/// The accumulators of one row of a panel to the epilogue, 16 lanes at a time; a ragged last panel
/// (Whole = false) stops at column w.n.
template <class Op, class Arch, bool Whole, class Epilogue>
LOWBIT_INLINE void finish_row_of_tile(const typename Op::accumulator* acc,
                                      const activation_rows<Op>& a,
                                      const packed_weights<Op, Arch>& w, const Epilogue& epilogue,
                                      std::size_t row, std::size_t panel) {
  using kernel = selected_kernel<Op, Arch>;
  constexpr std::size_t nr = kernel::nr;
  const std::size_t first = panel * nr;
#pragma GCC unroll 4
  for (std::size_t j = 0; j < nr; j += virtual_lanes) {
    using column = std::conditional_t<Whole, whole_column, std::size_t>;
    const column col{first + j};
    if (!Whole && col >= w.n) break;
    if constexpr (std::is_same_v<typename Op::accumulator, float>) {
      epilogue(f32x16<Arch>::load(acc + j), row, col);
    } else {
      const std::int32_t count = a.row_counts == nullptr ? 0 : a.row_counts[row];
      const auto term = i32x16<Arch>::broadcast(row_term<Op, kernel>(a.k, count));
      epilogue(Op::finish(i32x16<Arch>::load(acc + j), term), row, col);
    }
  }
}

/// A whole register tile: the row count is a constant, so that its loops unroll.
template <class Op, class Arch, class Epilogue>
LOWBIT_INLINE void run_tile(const activation_rows<Op>& a, const packed_weights<Op, Arch>& w,
                            const Epilogue& epilogue, std::size_t row, std::size_t panel) {
  using kernel = selected_kernel<Op, Arch>;
  alignas(buffer_alignment) typename Op::accumulator acc[kernel::mr * kernel::nr];
  kernel::template run<kernel::mr>(a.units.row(row), a.units.stride, w.panel(panel), w.units, acc);
#pragma GCC unroll 12
  for (std::size_t r = 0; r < kernel::mr; ++r)
    finish_row_of_tile<Op, Arch, true>(acc + r * kernel::nr, a, w, epilogue, row + r, panel);
}

/// The kernel for `rows` <= Rows rows. One copy per op, whatever the epilogue.
template <class Op, class Arch, std::size_t Rows>
LOWBIT_NOINLINE void run_kernel(std::size_t rows, const activation_rows<Op>& a,
                                const packed_weights<Op, Arch>& w, std::size_t row,
                                std::size_t panel, typename Op::accumulator* acc) {
  if constexpr (Rows > 0) {
    if (rows == Rows) {
      selected_kernel<Op, Arch>::template run<Rows>(a.units.row(row), a.units.stride,
                                                    w.panel(panel), w.units, acc);
    } else {
      run_kernel<Op, Arch, Rows - 1>(rows, a, w, row, panel, acc);
    }
  }
}

template <class Op, class Arch, bool Whole, class Epilogue>
LOWBIT_INLINE void run_panel(const activation_rows<Op>& a, const packed_weights<Op, Arch>& w,
                             const Epilogue& epilogue, std::size_t first_row, std::size_t last_row,
                             std::size_t panel) {
  using kernel = selected_kernel<Op, Arch>;
  constexpr std::size_t mr = kernel::mr;
  std::size_t m = first_row;
  if constexpr (Whole) {
    for (; m + mr <= last_row; m += mr) run_tile<Op, Arch>(a, w, epilogue, m, panel);
  }
  for (; m < last_row; m += mr) {
    const std::size_t rows = last_row - m < mr ? last_row - m : mr;
    alignas(buffer_alignment) typename Op::accumulator acc[mr * kernel::nr];
    run_kernel<Op, Arch, mr>(rows, a, w, m, panel, acc);
    // A loop, other than in run_tile: unrolled copies of every epilogue were a third of the time
    // that the compiler takes for an engine.
#pragma GCC unroll 1
    for (std::size_t r = 0; r < rows; ++r)
      finish_row_of_tile<Op, Arch, Whole>(acc + r * kernel::nr, a, w, epilogue, m + r, panel);
  }
}

}  // namespace detail

/// Rows [first_row, last_row) and panels [first_panel, last_panel) of epilogue(a . w^T): what one
/// task computes. The operands are taken by value: as locals they stay in registers, however many
/// bytes an epilogue writes. A call of its own: inlined where a caller's arrays are known to be
/// small, gcc 12 warns of whole panels that do not exist.
template <class Op, class Arch, class Epilogue>
LOWBIT_NOINLINE void gemm_block(activation_rows<Op> a, packed_weights<Op, Arch> w,
                                Epilogue epilogue, std::size_t first_row, std::size_t last_row,
                                std::size_t first_panel, std::size_t last_panel) {
  const std::size_t whole = w.n / w.nr;
  std::size_t p = first_panel;
  for (; p < last_panel && p < whole; ++p) {
    detail::run_panel<Op, Arch, true>(a, w, epilogue, first_row, last_row, p);
  }
  for (; p < last_panel; ++p) {
    detail::run_panel<Op, Arch, false>(a, w, epilogue, first_row, last_row, p);
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
