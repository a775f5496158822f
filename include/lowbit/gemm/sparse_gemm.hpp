// SPDX-License-Identifier: Apache-2.0
// The sparse driver: tiles, tails, tasks and epilogues for both layouts of pack/sparse_panels.hpp.
// It skips only products with zero weights, so operands, epilogues and results are the same as for
// gemm().
#pragma once

#include "lowbit/core/executor.hpp"
#include "lowbit/epilogue/stage.hpp"
#include "lowbit/gemm/sparse_tiles.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Passes sixteen sums of one row to the epilogue.
template <class Op, class Arch, class Epilogue>
LOWBIT_INLINE void finish_lanes(const typename Op::accumulator* acc, const Epilogue& epilogue,
                                std::size_t n, std::size_t row, std::size_t panel) {
  const auto sum = sparse_lanes<Op, Arch>::lanes::load(acc);
  const std::size_t first = panel * virtual_lanes;
  if (first + virtual_lanes <= n) {
    epilogue(sum, row, whole_column{first});
  } else {
    epilogue(sum, row, first);
  }
}

/// A block of rows and panels.
struct product_range {
  std::size_t first_row, last_row, first_panel, last_panel;
};

/// The last `rows` <= Rows rows of a block. With few rows, several panels are computed at a time.
template <class Op, class Arch, std::size_t Rows, class Epilogue>
void run_block_rows(std::size_t rows, const activation_rows<Op>& a, const panel_blocks<Op, Arch>& w,
                    const Epilogue& epilogue, const product_range& part) {
  if constexpr (Rows > 0) {
    if (rows != Rows) {
      run_block_rows<Op, Arch, Rows - 1>(rows, a, w, epilogue, part);
      return;
    }
    constexpr std::size_t most = sparse_tile<Arch>::panels_in_flight;
    constexpr std::size_t panels = Rows >= most ? 1 : most / Rows;
    alignas(buffer_alignment) typename Op::accumulator acc[panels * Rows * virtual_lanes];
    for (std::size_t p = part.first_panel; p < part.last_panel; p += panels) {
      const std::size_t count = part.last_panel - p < panels ? part.last_panel - p : panels;
      run_blocks<Op, Arch, Rows, panels>(a.units.row(part.first_row), a.units.stride, w, p, count,
                                         acc);
      for (std::size_t i = 0; i < count * Rows; ++i) {
        finish_lanes<Op, Arch>(acc + i * virtual_lanes, epilogue, w.n, part.first_row + i % Rows,
                               p + i / Rows);
      }
    }
  }
}

template <class Op, class Arch, class Epilogue>
void run_part(const activation_rows<Op>& a, const panel_blocks<Op, Arch>& w,
              const Epilogue& epilogue, const product_range& part) {
  constexpr std::size_t mr = sparse_tile<Arch>::rows;
  const std::size_t whole = part.first_row + (part.last_row - part.first_row) / mr * mr;
  alignas(buffer_alignment) typename Op::accumulator acc[mr * virtual_lanes];
  // Rows in the outer loop: their activations, read at every k, stay in L1 while the few stored
  // weights stream past.
  for (std::size_t m = part.first_row; m < whole; m += mr) {
    for (std::size_t p = part.first_panel; p < part.last_panel; ++p) {
      run_blocks<Op, Arch, mr, 1>(a.units.row(m), a.units.stride, w, p, 1, acc);
      for (std::size_t r = 0; r < mr; ++r) {
        finish_lanes<Op, Arch>(acc + r * virtual_lanes, epilogue, w.n, m + r, p);
      }
    }
  }
  run_block_rows<Op, Arch, mr - 1>(part.last_row - whole, a, w, epilogue,
                                   {whole, part.last_row, part.first_panel, part.last_panel});
}

/// Buffers of run_token_tile, on the stack: 64 KiB of activations, 32 KiB of sums.
template <class Op, class Arch>
struct token_tile {
  static constexpr std::size_t tokens = sparse_tile<Arch>::token_vectors * virtual_lanes;
  static constexpr std::size_t panels = 16;
  alignas(buffer_alignment)
      typename Op::activation units[row_slices<Op, Arch>::chunk_units * tokens];
  alignas(buffer_alignment) typename Op::accumulator sums[panels * virtual_lanes * tokens];

  /// Stores units [first, first + count) of rows m .. m + rows - 1 as (count, tokens), prepared. An
  /// incomplete group of 16 tokens is padded with the last row.
  void fill(const activation_rows<Op>& a, std::size_t m, std::size_t rows, std::size_t first,
            std::size_t count) {
    for (std::size_t t = 0; t < rows; t += virtual_lanes) {
      const std::byte* row[virtual_lanes];
      for (std::size_t j = 0; j < virtual_lanes; ++j) {
        const std::size_t at = t + j < rows ? t + j : rows - 1;
        row[j] = reinterpret_cast<const std::byte*>(a.units.row(m + at) + first);
      }
      arch_ops<Arch>::transpose_16_rows(row, count, reinterpret_cast<std::byte*>(units + t), tokens,
                                        sparse_lanes<Op, Arch>::flip);
    }
  }
  void start(const row_slices<Op, Arch>& w, std::size_t panel, std::size_t slot) {
    for (std::size_t i = 0; i < virtual_lanes * tokens; i += virtual_lanes) {
      const std::size_t output = i / tokens;
      sparse_lanes<Op, Arch>::start_of_one(w.start[panel * virtual_lanes + output])
          .store(sums + slot * virtual_lanes * tokens + i);
    }
  }
  /// Transposes the sums of one panel to lanes of outputs and runs the epilogue.
  template <class Epilogue>
  void finish(const Epilogue& epilogue, std::size_t n, std::size_t m, std::size_t rows,
              std::size_t panel, std::size_t slot) const {
    for (std::size_t t = 0; t < rows; t += virtual_lanes) {
      const std::byte* row[virtual_lanes];
      for (std::size_t j = 0; j < virtual_lanes; ++j) {
        row[j] = reinterpret_cast<const std::byte*>(sums + (slot * virtual_lanes + j) * tokens + t);
      }
      alignas(buffer_alignment) typename Op::accumulator acc[virtual_lanes * virtual_lanes];
      arch_ops<Arch>::transpose_16_rows(row, virtual_lanes, reinterpret_cast<std::byte*>(acc),
                                        virtual_lanes, 0);
      for (std::size_t r = 0; r < virtual_lanes && t + r < rows; ++r) {
        finish_lanes<Op, Arch>(acc + r * virtual_lanes, epilogue, n, m + t + r, panel);
      }
    }
  }
};

template <class Op, class Arch, std::size_t Vectors>
void run_slice(std::size_t vectors, const typename Op::activation* tile,
               const row_slices<Op, Arch>& w, std::size_t slice, typename Op::accumulator* acc) {
  if constexpr (Vectors > 0) {
    if (vectors == Vectors) {
      run_tokens<Op, Arch, Vectors>(tile, w, slice, acc);
    } else {
      run_slice<Op, Arch, Vectors - 1>(vectors, tile, w, slice, acc);
    }
  }
}

/// Computes up to token_tile::tokens rows. Activations are transposed once, or once per 256 outputs
/// if there is more than one chunk.
template <class Op, class Arch, class Epilogue>
LOWBIT_NOINLINE void run_token_tile(const activation_rows<Op>& a, const row_slices<Op, Arch>& w,
                                    const Epilogue& epilogue, const product_range& part) {
  using tile_memory = token_tile<Op, Arch>;
  constexpr std::size_t vectors = sparse_tile<Arch>::token_vectors;
  const std::size_t rows = part.last_row - part.first_row;
  const std::size_t units = Op::units(w.k);
  tile_memory tile;
  for (std::size_t group = part.first_panel; group < part.last_panel;
       group += tile_memory::panels) {
    const std::size_t left = part.last_panel - group;
    const std::size_t panels = left < tile_memory::panels ? left : tile_memory::panels;
    for (std::size_t p = 0; p < panels; ++p) tile.start(w, group + p, p);
    for (std::size_t c = 0; c < w.chunks(); ++c) {
      const std::size_t first = c * w.chunk_units;
      const std::size_t count = units - first < w.chunk_units ? units - first : w.chunk_units;
      if (w.chunks() > 1 || group == part.first_panel) {
        tile.fill(a, part.first_row, rows, first, count);
      }
      for (std::size_t p = 0; p < panels; ++p) {
        run_slice<Op, Arch, vectors>(ceil_div(rows, virtual_lanes), tile.units, w,
                                     (group + p) * w.chunks() + c,
                                     tile.sums + p * virtual_lanes * tile_memory::tokens);
      }
    }
    for (std::size_t p = 0; p < panels; ++p) {
      tile.finish(epilogue, w.n, part.first_row, rows, group + p, p);
    }
  }
}

template <class Op, class Arch, class Epilogue>
void run_part(const activation_rows<Op>& a, const row_slices<Op, Arch>& w, const Epilogue& epilogue,
              const product_range& part) {
  constexpr std::size_t tokens = sparse_tile<Arch>::token_vectors * virtual_lanes;
  std::size_t m = part.first_row;
  if constexpr (tokens > 0) {
    constexpr std::size_t few = 2;  // too few rows for a tile
    while (part.last_row - m > few) {
      const std::size_t last = part.last_row - m < tokens ? part.last_row : m + tokens;
      run_token_tile<Op, Arch>(a, w, epilogue, {m, last, part.first_panel, part.last_panel});
      m = last;
    }
  }
  for (; m < part.last_row; ++m) {
    for (std::size_t p = part.first_panel; p < part.last_panel; ++p) {
      alignas(buffer_alignment) typename Op::accumulator acc[virtual_lanes];
      run_gather<Op, Arch>(a.units.row(m), w, p, acc);
      finish_lanes<Op, Arch>(acc, epilogue, w.n, m, p);
    }
  }
}

/// Minimum rows per task.
template <class Op, class Arch>
constexpr std::size_t rows_per_tile(const panel_blocks<Op, Arch>&) {
  return sparse_tile<Arch>::rows;
}
template <class Op, class Arch>
constexpr std::size_t rows_per_tile(const row_slices<Op, Arch>&) {
  return virtual_lanes;
}

}  // namespace detail

/// Computes epilogue(dot(a_m, w_n), m, n) for every m < M, n < N, with sparse w.
///
/// Shapes:   a (M, K), w (N, K) as panel_blocks or row_slices
/// Types:    Op = mul_add or code_dot<8>
/// Requires: a.k == w.k; the vectors and rows of the epilogue hold N outputs
/// Exact:    int8 equals the dense product; so does f32 for finite activations: the same bits on
///           every arch, with every executor, in both layouts. One exception: if products
///           underflow, a zero sum may be +0 or -0, since fma(x, 0, s) keeps every s except -0;
///           adding a bias other than -0 removes the difference
/// Cost:     multiply-adds proportional to M times the stored units; no heap, 96 KiB of stack
///           (row_slices; none on the scalar arch)
template <class Op, class Arch, template <class, class> class Layout, class Epilogue,
          executor Executor>
void sparse_gemm(const activation_rows<Op>& a, const Layout<Op, Arch>& w, const Epilogue& epilogue,
                 Executor& executor) {
  LOWBIT_EXPECTS(a.k == w.k);
  const std::size_t rows = a.units.rows;
  const std::size_t panels = w.panels();
  if (rows == 0 || panels == 0) return;
  if (executor.workers() == 1) {
    detail::run_part(a, w, epilogue, {0, rows, 0, panels});
    return;
  }
  // Split by outputs first, like the dense driver: each worker streams its own weights.
  const std::size_t wanted = executor.workers() * 4;
  const std::size_t column_tasks = panels < wanted ? panels : wanted;
  const std::size_t tile = detail::rows_per_tile(w);
  const std::size_t row_tiles = ceil_div(rows, tile);
  const std::size_t wanted_rows = ceil_div(wanted, column_tasks);
  const std::size_t row_tasks = row_tiles < wanted_rows ? row_tiles : wanted_rows;
  executor.run(column_tasks * row_tasks, [&](std::size_t task, std::size_t) {
    const std::size_t c = task / row_tasks;
    const std::size_t r = task % row_tasks;
    const std::size_t last_row = row_tiles * (r + 1) / row_tasks * tile;
    detail::run_part(a, w, epilogue,
                     {row_tiles * r / row_tasks * tile, last_row < rows ? last_row : rows,
                      panels * c / column_tasks, panels * (c + 1) / column_tasks});
  });
}

}  // namespace lowbit::inline LOWBIT_ISA
