// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set: LOWBIT_BENCH_CODES names the table, LOWBIT_BENCH_ARCH the tag.
#include "code_kernels.hpp"

#include "lowbit/gemm/gemm.hpp"

namespace lowbit_bench {
namespace {

using arch = lowbit::LOWBIT_BENCH_ARCH;

/// function(Op{}) for the width's op.
template <class Function>
auto with_op(code_width width, Function function) {
  switch (width) {
    case code_width::one:
      return function(lowbit::code_dot<1>{});
    case code_width::four:
      return function(lowbit::code_dot<4>{});
    case code_width::eight:
      break;
  }
  return function(lowbit::code_dot<8>{});
}

std::size_t packed_bytes(code_width width, std::size_t n, std::size_t k) {
  return with_op(width,
                 [&]<class Op>(Op) { return lowbit::packed_weights<Op, arch>::elements(n, k); });
}

void pack(code_width width, const std::int8_t (&values)[16], const std::uint8_t* codes,
          std::size_t n, std::size_t k, void* packed, std::uint8_t* scratch) {
  with_op(width, [&]<class Op>(Op) {
    lowbit::pack_codes<Op, arch, std::int8_t>(
        static_cast<std::byte*>(packed), n, k, scratch,
        [&](std::size_t row, std::uint8_t* out) { std::memcpy(out, codes + row * k, k); },
        [&](std::size_t, std::int8_t(&table)[16]) { std::memcpy(table, values, sizeof table); });
  });
}

void gemm(code_width width, const code_operands& o) {
  with_op(width, [&]<class Op>(Op) {
    const lowbit::activation_rows<Op> a{
        {static_cast<const lowbit::quad*>(o.a), o.m, Op::units(o.k), o.a_stride}, o.k, o.row_sums};
    const lowbit::packed_weights<Op, arch> w{static_cast<const std::byte*>(o.weights), o.n, o.k,
                                             Op::units(o.k)};
    lowbit::serial here;
    lowbit::gemm<Op, arch>(a, w, lowbit::store_integers{{o.out, o.m, o.n, o.out_stride}}, here);
  });
}

}  // namespace

extern const code_kernels LOWBIT_BENCH_CODES;
const code_kernels LOWBIT_BENCH_CODES = {arch::name, packed_bytes, pack, gemm};

}  // namespace lowbit_bench
