// SPDX-License-Identifier: Apache-2.0
// Kernel layouts of sparse weights, with outputs in panels of 16 lanes. A unit is what one lane
// multiplies at once: a float, or four int8 codes (Op::activation). Only units with a nonzero
// weight are stored.
//
// panel_blocks: each unit index of a panel is stored once, with the units of all 16 outputs. For
// zeros in blocks of 16 outputs.
// row_slices: every output has its own unit indices; step i of a slice holds the i-th unit of 16
// outputs, zero-padded for outputs that have fewer. The inner dimension is split into chunks so
// that a tile of activations stays in cache (gemm/sparse_gemm.hpp).
//
//   slice (panel p, chunk c)   step 0: [units n0 .. n15][indices n0 .. n15]   step 1: ..
#pragma once

#include "lowbit/codec/sparse.hpp"
#include "lowbit/kernel/sparse_lanes.hpp"
#include "lowbit/tensor/arena.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// (N, K) weights as blocks of 16 outputs x 1 unit.
template <class Op, class Arch>
struct panel_blocks {
  using unit = typename Op::activation;
  static constexpr std::size_t depth = sparse_lanes<Op, Arch>::depth;

  std::size_t n = 0;
  std::size_t k = 0;
  std::uint32_t* first = nullptr;  // (panels + 1) blocks before each panel
  std::uint32_t* index = nullptr;  // (blocks) unit index
  unit* units = nullptr;           // (blocks, 16)
  std::int32_t* start = nullptr;   // (panels, 16) initial sums; int8 only

  [[nodiscard]] std::size_t panels() const { return ceil_div(n, virtual_lanes); }

  /// Packs the blocks of a codec's reader; only counts if the arena is measuring.
  template <class Blocks>
  void load(arena& memory, const Blocks& stored) {
    n = stored.rows();
    k = stored.columns();
    first = memory.take<std::uint32_t>(panels() + 1);
    index = memory.take<std::uint32_t>(stored.blocks());
    units = memory.take<unit>(stored.blocks() * virtual_lanes);
    start = memory.take<std::int32_t>(panels() * virtual_lanes);
    if (memory.measuring()) return;
    first[0] = 0;
    for (std::size_t p = 0; p < panels(); ++p) load_panel(stored, p);
  }

 private:
  template <class Blocks>
  void load_panel(const Blocks& stored, std::size_t p) {
    std::int32_t* begin = start + p * virtual_lanes;
    for (std::size_t j = 0; j < virtual_lanes; ++j) begin[j] = 0;
    std::uint32_t count = first[p];
    stored.for_each(p, 0, Op::units(k), [&](std::size_t u, std::size_t at) {
      index[count] = static_cast<std::uint32_t>(u);
      for (std::size_t j = 0; j < virtual_lanes; ++j) {
        unit& out = units[count * virtual_lanes + j];
        for (std::size_t i = 0; i < depth; ++i) {
          begin[j] -= sparse_lanes<Op, Arch>::set(out, i, stored.value(at, j * depth + i));
        }
      }
      ++count;
    });
    first[p + 1] = count;
  }
};

/// One unit of each of 16 outputs, with its index in the chunk.
template <class Unit>
struct alignas(buffer_alignment) slice_step {
  Unit units[virtual_lanes];
  std::uint32_t index[virtual_lanes];
};

/// (N, K) weights with separate unit indices for each output.
template <class Op, class Arch>
struct row_slices {
  using unit = typename Op::activation;
  using step = slice_step<unit>;
  static constexpr std::size_t depth = sparse_lanes<Op, Arch>::depth;
  static constexpr std::size_t chunk_units = 512;

  std::size_t n = 0;
  std::size_t k = 0;
  std::uint32_t* first = nullptr;   // (panels * chunks + 1) steps before each slice
  std::uint32_t* counts = nullptr;  // (panels * chunks, 16) units of each output
  step* steps = nullptr;
  std::int32_t* start = nullptr;  // (panels, 16) initial sums; int8 only

  [[nodiscard]] std::size_t panels() const { return ceil_div(n, virtual_lanes); }
  [[nodiscard]] std::size_t chunks() const { return ceil_div(Op::units(k), chunk_units); }

  /// Packs the single weights of a codec's reader; only counts if the arena is measuring.
  template <class Blocks>
  void load(arena& memory, const Blocks& stored) {
    n = stored.rows();
    k = stored.columns();
    first = memory.take<std::uint32_t>(panels() * chunks() + 1);
    counts = memory.take<std::uint32_t>(panels() * chunks() * virtual_lanes);
    start = memory.take<std::int32_t>(panels() * virtual_lanes);
    std::size_t total = 0;
    if (!memory.measuring()) first[0] = 0;
    for (std::size_t s = 0; s < panels() * chunks(); ++s) {
      total += longest_row(stored, s, memory.measuring() ? nullptr : counts + s * virtual_lanes);
      if (!memory.measuring()) first[s + 1] = static_cast<std::uint32_t>(total);
    }
    steps = memory.take<step>(total);
    if (memory.measuring()) return;
    std::memset(static_cast<void*>(steps), 0, total * sizeof(step));
    for (std::size_t i = 0; i < panels() * virtual_lanes; ++i) start[i] = 0;
    for (std::size_t s = 0; s < panels() * chunks(); ++s) fill_slice(stored, s);
  }

 private:
  /// Calls visit(position, unit in the chunk, element of the unit, weight) for output `row` in
  /// chunk c, in order; returns the number of positions.
  template <class Blocks, class Visit>
  std::size_t for_each(const Blocks& stored, std::size_t row, std::size_t c, Visit visit) const {
    const std::size_t begin = c * chunk_units * depth;
    const std::size_t end = begin + chunk_units * depth < k ? begin + chunk_units * depth : k;
    std::size_t count = 0;
    std::size_t last = 0;
    stored.for_each(row, begin, end, [&](std::size_t j, std::size_t at) {
      const std::size_t u = (j - begin) / depth;
      if (count == 0 || u != last) ++count;
      last = u;
      visit(count - 1, u, (j - begin) % depth, at);
    });
    return count;
  }
  /// Number of steps of slice s; also writes the unit count of each output to `of` if not null.
  template <class Blocks>
  std::size_t longest_row(const Blocks& stored, std::size_t s, std::uint32_t* of) const {
    std::size_t longest = 0;
    for (std::size_t j = 0; j < virtual_lanes; ++j) {
      const std::size_t row = s / chunks() * virtual_lanes + j;
      const auto ignore = [](std::size_t, std::size_t, std::size_t, std::size_t) {};
      const std::size_t count = row < n ? for_each(stored, row, s % chunks(), ignore) : 0;
      longest = longest > count ? longest : count;
      if (of != nullptr) of[j] = static_cast<std::uint32_t>(count);
    }
    return longest;
  }
  template <class Blocks>
  void fill_slice(const Blocks& stored, std::size_t s) {
    step* slice = steps + first[s];
    for (std::size_t j = 0; j < virtual_lanes; ++j) {
      const std::size_t row = s / chunks() * virtual_lanes + j;
      if (row >= n) return;
      for_each(stored, row, s % chunks(),
               [&](std::size_t position, std::size_t u, std::size_t place, std::size_t at) {
                 slice[position].index[j] = static_cast<std::uint32_t>(u);
                 start[row] -= sparse_lanes<Op, Arch>::set(slice[position].units[j], place,
                                                           stored.value(at, 0));
               });
    }
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
