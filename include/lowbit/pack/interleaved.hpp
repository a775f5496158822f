// SPDX-License-Identifier: Apache-2.0
// The kernel layout: outputs in panels of nr; within a panel, units (words or floats) of the inner
// dimension in order, the nr outputs of a unit adjacent. One vector load reads the same unit of
// neighbouring outputs.
//
//   panel 0                                panel 1
//   [u0: n0 n1 .. n(nr-1)] [u1: n0 ..] ..  [u0: n(nr) ..] ..
//
// Missing outputs of the last panel are zero; the epilogue drops their results.
#pragma once

#include "lowbit/core/bits.hpp"
#include "lowbit/kernel/micro_kernel.hpp"
#include "lowbit/tensor/arena.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// (N, K) weights of Op in the layout read by selected_kernel<Op, Arch>.
template <class Op, class Arch>
struct packed_weights {
  static constexpr std::size_t nr = selected_kernel<Op, Arch>::nr;

  const typename Op::weight* data = nullptr;
  std::size_t n = 0;      // outputs
  std::size_t k = 0;      // true inner size
  std::size_t units = 0;  // Op::units(k)
  std::size_t panel_size = Op::panel_elements(k, nr);

  [[nodiscard]] static constexpr std::size_t elements(std::size_t n, std::size_t k) {
    return ceil_div(n, nr) * Op::panel_elements(k, nr);
  }
  [[nodiscard]] constexpr std::size_t panels() const { return ceil_div(n, nr); }
  [[nodiscard]] constexpr const typename Op::weight* panel(std::size_t p) const {
    return data + p * panel_size;
  }
};

/// Packs element(n, u), unit u of output n, for n < N into `memory` of packed_weights::elements(N,
/// K).
template <class Op, class Arch, class Element>
packed_weights<Op, Arch> pack(typename Op::weight* memory, std::size_t n, std::size_t k,
                              Element element) {
  using packed = packed_weights<Op, Arch>;
  const packed view{memory, n, k, Op::units(k)};
  for (std::size_t first = 0; first < n; first += packed::nr) {
    typename Op::weight* panel = memory + first * view.units;
    for (std::size_t j = 0; j < packed::nr; ++j) {
      const bool present = first + j < n;
      for (std::size_t u = 0; u < view.units; ++u) {
        panel[u * packed::nr + j] = present ? element(first + j, u) : typename Op::weight{};
      }
    }
  }
  return view;
}

/// Like pack(), with output n stored at row(n)[0 .. units): avoids a call per unit.
template <class Op, class Arch, class Row>
packed_weights<Op, Arch> pack_outputs(typename Op::weight* memory, std::size_t n, std::size_t k,
                                      Row row) {
  using packed = packed_weights<Op, Arch>;
  const packed view{memory, n, k, Op::units(k)};
  constexpr std::size_t nr = packed::nr;
  for (std::size_t first = 0; first < n; first += nr) {
    typename Op::weight* panel = memory + first * view.units;
    const std::size_t count = n - first < nr ? n - first : nr;
    std::size_t j = 0;
    if constexpr (sizeof(typename Op::weight) == 4) {
      for (; j + 16 <= count; j += 16) {
        const std::byte* rows[16];
        for (std::size_t r = 0; r < 16; ++r)
          rows[r] = reinterpret_cast<const std::byte*>(row(first + j + r));
        arch_ops<Arch>::transpose_16_rows(rows, view.units, reinterpret_cast<std::byte*>(panel + j),
                                          nr, 0);
      }
    }
    for (; j < count; ++j) {
      const typename Op::weight* source = row(first + j);
      for (std::size_t u = 0; u < view.units; ++u) panel[u * nr + j] = source[u];
    }
    for (; j < nr; ++j) {
      for (std::size_t u = 0; u < view.units; ++u) panel[u * nr + j] = typename Op::weight{};
    }
  }
  return view;
}

/// Like pack(), with unit u of all outputs stored at unit(u)[0 .. n): a transposed operand.
template <class Op, class Arch, class Unit>
packed_weights<Op, Arch> pack_units(typename Op::weight* memory, std::size_t n, std::size_t k,
                                    Unit unit) {
  using packed = packed_weights<Op, Arch>;
  const packed view{memory, n, k, Op::units(k)};
  constexpr std::size_t nr = packed::nr;
  for (std::size_t first = 0; first < n; first += nr) {
    typename Op::weight* panel = memory + first * view.units;
    const std::size_t count = n - first < nr ? n - first : nr;
    for (std::size_t u = 0; u < view.units; ++u) {
      const typename Op::weight* source = unit(u) + first;
      for (std::size_t j = 0; j < nr; j += virtual_lanes) {  // constant-size copies
        typename Op::weight lanes[virtual_lanes] = {};
        const std::size_t left = count > j ? count - j : 0;
        if (left >= virtual_lanes) {
          std::memcpy(lanes, source + j, sizeof lanes);
        } else {
          for (std::size_t i = 0; i < left; ++i) lanes[i] = source[j + i];
        }
        std::memcpy(panel + u * nr + j, lanes, sizeof lanes);
      }
    }
  }
  return view;
}

namespace detail {

/// The place of a code in a panel: one-bit kernels read whole masks, four-bit kernels the halves of
/// a vector from low and high nibbles. See place() of the kernels. A kernel that multiplies eight k
/// at once also has place_in_pair(), for two units; a last single unit is laid out by place().
template <class Op, class Arch>
LOWBIT_INLINE std::size_t code_bit(std::size_t j, std::size_t k, std::size_t units) {
  using kernel = selected_kernel<Op, Arch>;
  constexpr std::size_t unit_bits = kernel::nr * Op::depth * Op::bits;
  const std::size_t u = k / Op::depth;
  if constexpr (requires { kernel::place_in_pair(j, k); }) {
    if (u + 1 < units || u % 2 == 1)
      return u / 2 * 2 * unit_bits + kernel::place_in_pair(j, k % (2 * Op::depth));
  }
  return u * unit_bits + kernel::place(j, k % Op::depth);
}
template <class Op, class Arch>
LOWBIT_INLINE void write_code(std::byte* panel, std::size_t j, std::size_t k, std::size_t units,
                              unsigned code) {
  const std::size_t bit = code_bit<Op, Arch>(j, k, units);
  panel[Op::table_bytes + bit / 8] |= static_cast<std::byte>(code << (bit % 8));
}
template <class Op, class Arch>
[[nodiscard]] inline unsigned read_code(const std::byte* panel, std::size_t j, std::size_t k,
                                        std::size_t units) {
  const std::size_t bit = code_bit<Op, Arch>(j, k, units);
  return (std::to_integer<unsigned>(panel[Op::table_bytes + bit / 8]) >> (bit % 8)) &
         ((1U << Op::bits) - 1U);
}

}  // namespace detail

/// Packs coded weights. codes_of(n, out) writes the K codes of output n as bytes (the value itself
/// for code_dot<8>); table_of(p, values) fills the table at the start of panel p (16 values of type
/// Value; unused by code_dot<8>). `row` is scratch of K bytes.
template <class Op, class Arch, class Value, class Codes, class Table>
packed_weights<Op, Arch> pack_codes(std::byte* memory, std::size_t n, std::size_t k,
                                    std::uint8_t* row, Codes codes_of, Table table_of) {
  using packed = packed_weights<Op, Arch>;
  const packed view{memory, n, k, Op::units(k)};
  const std::size_t panel_bytes = Op::panel_elements(k, packed::nr);
  for (std::size_t p = 0; p < view.panels(); ++p) {
    std::byte* panel = memory + p * panel_bytes;
    std::memset(panel, 0, panel_bytes);
    if constexpr (Op::table_bytes != 0) {
      Value table[16] = {};
      table_of(p, table);
      selected_kernel<Op, Arch>::set_table(table, panel);
    }
    for (std::size_t j = 0; j < packed::nr && p * packed::nr + j < n; ++j) {
      codes_of(p * packed::nr + j, row);
      for (std::size_t u = 0; u < k; ++u) {
        unsigned code = row[u];
        if constexpr (Op::bits == 8) code ^= selected_kernel<Op, Arch>::offset;
        detail::write_code<Op, Arch>(panel, j, u, view.units, code);
      }
    }
  }
  return view;
}

/// Unit u of output n: the inverse of pack.
template <class Op, class Arch>
[[nodiscard]] constexpr typename Op::weight unpack(const packed_weights<Op, Arch>& w, std::size_t n,
                                                   std::size_t u) {
  return w.panel(n / w.nr)[u * w.nr + n % w.nr];
}

}  // namespace lowbit::inline LOWBIT_ISA
