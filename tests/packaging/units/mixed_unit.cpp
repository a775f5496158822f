// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set: UNIT is the name of the function, UNIT_ARCH the tag. The dot
// product of two rows of signs, through the kernel of that instruction set.
#include <cstddef>

#include "lowbit/arch/tags.hpp"
#include "lowbit/epilogue/stage.hpp"
#include "lowbit/gemm/gemm.hpp"
#include "lowbit/tensor/arena.hpp"

/// -1 at every third element of k, against -1 at every fifth.
float UNIT(std::size_t k, const char** isa) {
  using op = lowbit::xor_popcount;
  using arch = lowbit::UNIT_ARCH;
  using packed = lowbit::packed_weights<op, arch>;
  *isa = arch::name;
  const auto row = [&](std::size_t step, std::size_t u) {
    lowbit::word bits = 0;
    for (std::size_t j = u * 64; j < k && j < (u + 1) * 64; ++j) {
      if (j % step == 0) bits |= lowbit::word{1} << (j % 64);
    }
    return bits;
  };
  lowbit::word a[16];
  for (std::size_t u = 0; u < op::units(k); ++u) a[u] = row(3, u);
  const lowbit::aligned_buffer memory(packed::elements(1, k) * sizeof(lowbit::word));
  const packed w = lowbit::pack<op, arch>(reinterpret_cast<lowbit::word*>(memory.data()), 1, k,
                                          [&](std::size_t, std::size_t u) { return row(5, u); });
  float dot = 0;
  lowbit::serial executor;
  lowbit::gemm<op, arch>(
      {{a, 1, op::units(k), op::units(k)}, k, nullptr}, w,
      lowbit::to_float{} | lowbit::store{lowbit::matrix_view<float>{&dot, 1, 1, 1}}, executor);
  return dot;
}
