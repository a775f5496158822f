// SPDX-License-Identifier: Apache-2.0
// Multiplies one panel of weights by a block of rows and runs the epilogue: register tiles,
// remainders of rows and columns, narrow panels, codes decoded on the fly, and AMX tiles. Only
// gemm.hpp uses this file; only micro_kernel uses instructions of an arch.
#pragma once

#include "lowbit/epilogue/stage.hpp"
#include "lowbit/kernel/amx_codes.hpp"
#include "lowbit/kernel/avx2.hpp"
#include "lowbit/kernel/avx2_codes.hpp"
#include "lowbit/kernel/avx2_decode.hpp"
#include "lowbit/kernel/avx2_groups.hpp"
#include "lowbit/kernel/avx2_planes.hpp"
#include "lowbit/kernel/avx512.hpp"
#include "lowbit/kernel/avx512_codes.hpp"
#include "lowbit/kernel/avx512_decode.hpp"
#include "lowbit/kernel/avx512_groups.hpp"
#include "lowbit/kernel/avx512_planes.hpp"
#include "lowbit/kernel/avx_vnni_codes.hpp"
#include "lowbit/kernel/dotprod_codes.hpp"
#include "lowbit/kernel/i8mm_codes.hpp"
#include "lowbit/kernel/neon.hpp"
#include "lowbit/kernel/neon_codes.hpp"
#include "lowbit/kernel/neon_decode.hpp"
#include "lowbit/kernel/neon_groups.hpp"
#include "lowbit/kernel/neon_planes.hpp"
#include "lowbit/kernel/scalar.hpp"
#include "lowbit/kernel/scalar_codes.hpp"
#include "lowbit/kernel/scalar_decode.hpp"
#include "lowbit/kernel/scalar_groups.hpp"
#include "lowbit/kernel/scalar_planes.hpp"
#include "lowbit/pack/decoded_panels.hpp"

namespace lowbit::inline LOWBIT_ISA::detail {

/// The row term for finish(): that of the op, or the correction of a kernel's offset.
template <class Op, class Kernel>
[[nodiscard]] constexpr std::int32_t row_term(std::size_t k, std::int32_t count) {
  if constexpr (requires { Kernel::offset; }) {
    return -static_cast<std::int32_t>(Kernel::offset) * count;
  } else {
    return Op::term(k, count);
  }
}

/// Passes the accumulators of one row of a panel to the epilogue, 16 lanes at a time; in a ragged
/// last panel (Whole = false) it stops at column w.n.
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

/// finish_row_of_tile for `rows` rows. A loop, because unrolled copies of every epilogue took a
/// third of the compile time of an engine.
template <class Op, class Arch, bool Whole, class Epilogue>
LOWBIT_INLINE void finish_tile(const typename Op::accumulator* acc, std::size_t rows,
                               const activation_rows<Op>& a, const packed_weights<Op, Arch>& w,
                               const Epilogue& epilogue, std::size_t row, std::size_t panel) {
#pragma GCC unroll 1
  for (std::size_t r = 0; r < rows; ++r) {
    finish_row_of_tile<Op, Arch, Whole>(acc + r * selected_kernel<Op, Arch>::nr, a, w, epilogue,
                                        row + r, panel);
  }
}

/// A full register tile; the constant row count lets the loops unroll.
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

/// Runs the kernel for `rows` <= Rows rows. One copy per op, independent of the epilogue.
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

/// A kernel that can skip the last vectors of a panel.
template <class Kernel>
concept has_narrow_tiles = requires {
  &Kernel::template run<1, 1>;
};

/// Runs the kernel for `rows` <= Rows rows and the first `vectors` <= Vectors vectors of a panel.
template <class Op, class Arch, std::size_t Rows, std::size_t Vectors>
LOWBIT_NOINLINE void run_narrow_kernel(std::size_t rows, std::size_t vectors,
                                       const activation_rows<Op>& a,
                                       const packed_weights<Op, Arch>& w, std::size_t row,
                                       std::size_t panel, typename Op::accumulator* acc) {
  if constexpr (Rows > 0 && Vectors > 0) {
    if (vectors < Vectors) {
      run_narrow_kernel<Op, Arch, Rows, Vectors - 1>(rows, vectors, a, w, row, panel, acc);
    } else if (rows < Rows) {
      run_narrow_kernel<Op, Arch, Rows - 1, Vectors>(rows, vectors, a, w, row, panel, acc);
    } else {
      selected_kernel<Op, Arch>::template run<Rows, Vectors>(a.units.row(row), a.units.stride,
                                                             w.panel(panel), w.units, acc);
    }
  }
}

/// A panel with outputs only in its first `vectors` vectors, which is common in attention (a head
/// of 64 channels, a sentence of 16 tokens).
template <class Op, class Arch, class Epilogue>
LOWBIT_INLINE void run_narrow_panel(std::size_t vectors, const activation_rows<Op>& a,
                                    const packed_weights<Op, Arch>& w, const Epilogue& epilogue,
                                    std::size_t first_row, std::size_t last_row,
                                    std::size_t panel) {
  using kernel = selected_kernel<Op, Arch>;
  alignas(buffer_alignment) typename Op::accumulator acc[kernel::mr * kernel::nr];
  for (std::size_t m = first_row; m < last_row; m += kernel::mr) {
    const std::size_t rows = last_row - m < kernel::mr ? last_row - m : kernel::mr;
    run_narrow_kernel<Op, Arch, kernel::mr, kernel::nr / virtual_lanes - 1>(rows, vectors, a, w, m,
                                                                            panel, acc);
    for (std::size_t r = 0; r < rows; ++r)
      finish_tile<Op, Arch, false>(acc + r * kernel::nr, 1, a, w, epilogue, m + r, panel);
  }
}

/// Adds the products of `units` units of at most Rows rows to acc.
template <class Arch, std::size_t Rows>
void continue_rows(std::size_t rows, matrix_view<const float> a, const float* w, std::size_t units,
                   float* acc) {
  if constexpr (Rows > 0) {
    if (rows == Rows) {
      selected_kernel<mul_add, Arch>::template add<Rows>(a.data, a.stride, w, units, acc);
    } else {
      continue_rows<Arch, Rows - 1>(rows, a, w, units, acc);
    }
  }
}

/// acc = a . w^T for at most block_rows rows of one panel: each block of the panel is decoded once
/// and stays in L1. Sums pass through acc between blocks, so they accumulate over k in order. The
/// buffer is on the stack: 12 KiB with AVX-512, 4 KiB without.
template <class Arch>
LOWBIT_NOINLINE void run_decoded(matrix_view<const float> a,
                                 const packed_weights<decoded_mul_add, Arch>& w, std::size_t panel,
                                 float* acc) {
  using decoder = typename packed_weights<decoded_mul_add, Arch>::kernel::arch;
  using kernel = selected_kernel<mul_add, decoder>;
  constexpr std::size_t nr = kernel::nr;
  constexpr std::size_t block = decoded_mul_add::block_units;
  static_assert(nr == packed_weights<decoded_mul_add, Arch>::nr,
                "lowbit: an arch decodes panels for its own mul_add");
  alignas(buffer_alignment) float weights[block * nr];
  std::memset(acc, 0, a.rows * nr * sizeof(float));
  for (std::size_t first = 0; first < w.units; first += block) {
    const std::size_t count = w.units - first < block ? w.units - first : block;
    w.decode(panel, first, weights);
    for (std::size_t m = 0; m < a.rows; m += kernel::mr) {
      const std::size_t rows = a.rows - m < kernel::mr ? a.rows - m : kernel::mr;
      continue_rows<decoder, kernel::mr>(rows, {a.row(m) + first, rows, count, a.stride}, weights,
                                         count, acc + m * nr);
    }
  }
}

template <class Arch, bool Whole, class Epilogue>
LOWBIT_INLINE void run_decoded_panel(const activation_rows<decoded_mul_add>& a,
                                     const packed_weights<decoded_mul_add, Arch>& w,
                                     const Epilogue& epilogue, std::size_t first_row,
                                     std::size_t last_row, std::size_t panel) {
  constexpr std::size_t most = decoded_mul_add::block_rows;
  alignas(buffer_alignment) float acc[most * packed_weights<decoded_mul_add, Arch>::nr];
  for (std::size_t m = first_row; m < last_row; m += most) {
    const std::size_t rows = last_row - m < most ? last_row - m : most;
    run_decoded<Arch>(a.units.rows_from(m, rows), w, panel, acc);
    finish_tile<decoded_mul_add, Arch, Whole>(acc, rows, a, w, epilogue, m, panel);
  }
}

template <class Op, class Arch, bool Whole, class Epilogue>
LOWBIT_INLINE void run_panel(const activation_rows<Op>& a, const packed_weights<Op, Arch>& w,
                             const Epilogue& epilogue, std::size_t first_row, std::size_t last_row,
                             std::size_t panel) {
  if constexpr (std::is_same_v<Op, decoded_mul_add>) {
    run_decoded_panel<Arch, Whole>(a, w, epilogue, first_row, last_row, panel);
  } else {
    using kernel = selected_kernel<Op, Arch>;
    constexpr std::size_t mr = kernel::mr;
    if constexpr (!Whole && has_narrow_tiles<kernel>) {
      const std::size_t vectors = ceil_div(w.n - panel * w.nr, virtual_lanes);
      if (vectors < w.nr / virtual_lanes) {
        run_narrow_panel<Op, Arch>(vectors, a, w, epilogue, first_row, last_row, panel);
        return;
      }
    }
    std::size_t m = first_row;
    if constexpr (Whole) {
      for (; m + mr <= last_row; m += mr) run_tile<Op, Arch>(a, w, epilogue, m, panel);
    }
    for (; m < last_row; m += mr) {
      const std::size_t rows = last_row - m < mr ? last_row - m : mr;
      alignas(buffer_alignment) typename Op::accumulator acc[mr * kernel::nr];
      run_kernel<Op, Arch, mr>(rows, a, w, m, panel, acc);
      finish_tile<Op, Arch, Whole>(acc, rows, a, w, epilogue, m, panel);
    }
  }
}

/// A kernel that also has tiles, registers configured for a block of rows.
template <class Kernel>
concept has_tiles = requires {
  typename Kernel::tiles;
};

/// Computes a panel with tiles, which all have the same height: remaining rows are computed
/// together with preceding rows, whose repeated sums are dropped.
template <class Op, class Arch, bool Whole, class Tiles, class Epilogue>
LOWBIT_INLINE void run_panel(const Tiles& tiles, const activation_rows<Op>& a,
                             const packed_weights<Op, Arch>& w, const Epilogue& epilogue,
                             std::size_t first_row, std::size_t last_row, std::size_t panel) {
  alignas(buffer_alignment) typename Op::accumulator acc[Tiles::rows * w.nr];
  for (std::size_t m = first_row; m < last_row; m += Tiles::rows) {
    const std::size_t rows = last_row - m < Tiles::rows ? last_row - m : Tiles::rows;
    const std::size_t again = rows < tiles.height() ? tiles.height() - rows : 0;
    tiles.run(again + rows, a.units.row(m - again), a.units.stride, w.panel(panel), w.units, acc);
    for (std::size_t r = 0; r < rows; ++r) {
      finish_tile<Op, Arch, Whole>(acc + (again + r) * w.nr, 1, a, w, epilogue, m + r, panel);
    }
  }
}

}  // namespace lowbit::inline LOWBIT_ISA::detail
