// SPDX-License-Identifier: Apache-2.0
// The three inner loops of sparse products. Each keeps its sums in registers and visits the stored
// units in order of k, so float sums are canonical.
//   run_blocks   lanes are outputs, an activation is broadcast  panel_blocks, any number of rows
//   run_gather   lanes are outputs, activations are gathered    row_slices, one or two rows
//   run_tokens   lanes are tokens, a weight is broadcast        row_slices, a tile of tokens
#pragma once

#include "lowbit/kernel/avx2.hpp"
#include "lowbit/kernel/avx512.hpp"
#include "lowbit/kernel/neon.hpp"
#include "lowbit/kernel/scalar.hpp"
#include "lowbit/pack/sparse_panels.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// acc (Panels, Rows, 16) = the sums of Rows rows and Panels adjacent panels, of which `panels`
/// exist. With few rows, several panels in flight with separate sums hide the latency of an add.
template <class Op, class Arch, std::size_t Rows, std::size_t Panels>
LOWBIT_NOINLINE void run_blocks(const typename Op::activation* a, std::size_t stride,
                                const panel_blocks<Op, Arch>& w, std::size_t panel,
                                std::size_t panels, typename Op::accumulator* acc) {
  using ops = sparse_lanes<Op, Arch>;
  typename ops::lanes sum[Panels][Rows];
  std::size_t at[Panels];
  std::size_t end[Panels];
  std::size_t common = ~std::size_t{0};
  for (std::size_t p = 0; p < Panels; ++p) {
    const std::size_t present = p < panels ? panel + p : panel;
    at[p] = w.first[present];
    end[p] = p < panels ? w.first[present + 1] : w.first[present];
    common = end[p] - at[p] < common ? end[p] - at[p] : common;
#pragma GCC unroll 16
    for (std::size_t r = 0; r < Rows; ++r) {
      sum[p][r] = ops::start(w.start + present * virtual_lanes);
    }
  }
  const auto step = [&](typename ops::lanes(&s)[Rows], std::size_t b)
      __attribute__((always_inline)) {
    const auto weights = ops::load(w.units + b * virtual_lanes);
    const auto* x = a + w.index[b];
#pragma GCC unroll 16
    for (std::size_t r = 0; r < Rows; ++r) {
      s[r] = ops::add_product(s[r], ops::prepare(ops::spread(x[r * stride])), weights);
    }
  };
  if constexpr (Panels > 1) {
    for (std::size_t i = 0; i < common; ++i) {
#pragma GCC unroll 4
      for (std::size_t p = 0; p < Panels; ++p) step(sum[p], at[p] + i);
    }
  } else {
    common = 0;
  }
#pragma GCC unroll 4
  for (std::size_t p = 0; p < Panels; ++p) {
    for (std::size_t b = at[p] + common; b < end[p]; ++b) step(sum[p], b);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < Rows; ++r) {
      sum[p][r].store(acc + (p * Rows + r) * virtual_lanes);
    }
  }
}

/// acc (16) = the sums of one row and one panel.
template <class Op, class Arch>
LOWBIT_NOINLINE void run_gather(const typename Op::activation* a, const row_slices<Op, Arch>& w,
                                std::size_t panel, typename Op::accumulator* acc) {
  using ops = sparse_lanes<Op, Arch>;
  auto sum = ops::start(w.start + panel * virtual_lanes);
  for (std::size_t c = 0; c < w.chunks(); ++c) {
    const std::size_t slice = panel * w.chunks() + c;
    const auto* x = a + c * w.chunk_units;
    for (std::size_t i = w.first[slice]; i < w.first[slice + 1]; ++i) {
      const auto& step = w.steps[i];
      sum = ops::add_product(sum, ops::prepare(ops::gather(x, step.index)), ops::load(step.units));
    }
  }
  sum.store(acc);
}

/// acc (16 outputs, tile_tokens) += one slice, for Vectors x 16 tokens; tile (chunk units,
/// tile_tokens) holds prepared activations.
template <class Op, class Arch, std::size_t Vectors>
LOWBIT_NOINLINE void run_tokens(const typename Op::activation* tile, const row_slices<Op, Arch>& w,
                                std::size_t slice, typename Op::accumulator* acc) {
  using ops = sparse_lanes<Op, Arch>;
  constexpr std::size_t outputs = sparse_tile<Arch>::outputs;
  constexpr std::size_t tokens = sparse_tile<Arch>::token_vectors * virtual_lanes;
  const auto* steps = w.steps + w.first[slice];
  const std::uint32_t* counts = w.counts + slice * virtual_lanes;
  for (std::size_t o = 0; o < virtual_lanes; o += outputs) {
    typename ops::lanes sum[outputs][Vectors];
    std::size_t common = counts[o];
#pragma GCC unroll 4
    for (std::size_t j = 0; j < outputs; ++j) {
      common = counts[o + j] < common ? counts[o + j] : common;
#pragma GCC unroll 4
      for (std::size_t v = 0; v < Vectors; ++v) {
        sum[j][v] = ops::lanes::load(acc + (o + j) * tokens + v * virtual_lanes);
      }
    }
    const auto add = [&](std::size_t i, std::size_t j) __attribute__((always_inline)) {
      const auto weight = ops::spread(steps[i].units[o + j]);
      const auto* x = tile + steps[i].index[o + j] * tokens;
#pragma GCC unroll 4
      for (std::size_t v = 0; v < Vectors; ++v) {
        sum[j][v] = ops::add_product(sum[j][v], ops::load(x + v * virtual_lanes), weight);
      }
    };
    for (std::size_t i = 0; i < common; ++i) {
#pragma GCC unroll 4
      for (std::size_t j = 0; j < outputs; ++j) add(i, j);
    }
#pragma GCC unroll 4
    for (std::size_t j = 0; j < outputs; ++j) {
      for (std::size_t i = common; i < counts[o + j]; ++i) add(i, j);
#pragma GCC unroll 4
      for (std::size_t v = 0; v < Vectors; ++v) {
        sum[j][v].store(acc + (o + j) * tokens + v * virtual_lanes);
      }
    }
  }
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
