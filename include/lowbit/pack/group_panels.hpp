// SPDX-License-Identifier: Apache-2.0
// The layout of group_dot: weights with a scale per group of columns. Scales are interleaved with
// the codes in the order a kernel needs them, so a panel is read as one stream.
//
//   header       group 0                                group 1
//   [units]      [scale n0 ..] [correction n0 ..] [u0: n0 n1 ..] [u1: ..] ..   [scale n0 ..] ..
//
// Columns past K and outputs past N have value 0 and scale 0.
#pragma once

#include "lowbit/pack/interleaved.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Packs N outputs of K values with groups of `group` columns into `memory` of ceil(N / nr) panels
/// of Op::panel_elements(K, nr, group). values_of(n, out) writes the K values of output n;
/// scale_of(n, g) is the scale of its group g. `row` is scratch of K bytes.
///
/// Requires: group a multiple of Op::depth, at most Op::longest_group
/// Errors:   unsupported naming the output and column of a value that Op's codes cannot represent
template <class Op, class Arch, class Values, class Scale>
status pack_groups(std::byte* memory, std::size_t n, std::size_t k, std::size_t group,
                   std::int8_t* row, Values values_of, Scale scale_of) {
  using kernel = selected_kernel<Op, Arch>;
  constexpr std::size_t nr = kernel::nr;
  constexpr std::size_t unit_bytes = Op::unit_bytes(nr);
  LOWBIT_EXPECTS(group % Op::depth == 0 && group > 0 && group <= Op::longest_group);
  const std::size_t panel_bytes = Op::panel_elements(k, nr, group);
  const std::size_t group_bytes = Op::scale_bytes(nr) + group / Op::depth * unit_bytes;
  const auto group_units = static_cast<std::uint32_t>(group / Op::depth);
  for (std::size_t p = 0; p * nr < n; ++p) {
    std::byte* panel = memory + p * panel_bytes;
    std::memset(panel, 0, panel_bytes);
    std::memcpy(panel, &group_units, sizeof group_units);
    for (std::size_t j = 0; j < nr; ++j) {
      const std::size_t output = p * nr + j;
      if (output < n) values_of(output, row);
      for (std::size_t begin = 0; begin < k; begin += group) {
        const std::size_t end = k - begin < group ? k : begin + group;
        std::byte* scales = panel + Op::header_bytes + begin / group * group_bytes;
        std::byte* codes = scales + Op::scale_bytes(nr);
        std::int32_t sum = 0;
        for (std::size_t c = begin; c < round_up(end, Op::depth); ++c) {
          const std::int8_t value = output < n && c < end ? row[c] : std::int8_t{0};
          if (value < Op::least || value > Op::largest) {
            return status::error(errc::unsupported, "row ", output, " column ", c, " is ", value,
                                 ", expected ", Op::least, " to ", Op::largest,
                                 " where groups of columns have scales");
          }
          sum += value;
          const auto code = static_cast<unsigned>(Op::bits == 4 ? value - Op::least : value) & 255U;
          const std::size_t u = (c - begin) / Op::depth;
          const std::size_t bit = u * unit_bytes * 8 + kernel::place(j, c % Op::depth);
          codes[bit / 8] |= static_cast<std::byte>(code << (bit % 8));
        }
        const float scale = output < n ? scale_of(output, begin / group) : 0.0F;
        const std::int32_t correction = -kernel::offset * sum;
        std::memcpy(scales + j * sizeof scale, &scale, sizeof scale);
        std::memcpy(scales + (nr + j) * sizeof scale, &correction, sizeof correction);
      }
    }
  }
  return {};
}

}  // namespace lowbit::inline LOWBIT_ISA
