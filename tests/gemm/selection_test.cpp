// SPDX-License-Identifier: Apache-2.0
// Pins which micro-kernel every (op, arch) pair gets, and its tile. A kernel that is added, lost or
// resized changes this table on purpose, or is a mistake.
#include <catch2/catch_test_macros.hpp>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "lowbit/gemm/gemm.hpp"
#include "lowbit/gemm/sparse_gemm.hpp"
#include "lowbit/policy/policy.hpp"

namespace {

using namespace lowbit;

template <class Op, class Arch, class Expected, std::size_t Mr, std::size_t Nr>
constexpr bool selects() {
  if constexpr (Arch::compiled) {
    using kernel = selected_kernel<Op, Arch>;
    return std::is_same_v<kernel, micro_kernel<Op, Expected>> &&
           std::is_same_v<typename kernel::arch, Expected> && kernel::mr == Mr && kernel::nr == Nr;
  } else {
    return true;  // asking is a compile error: tests/compile_fail
  }
}

/// Lanes of a register and rows of the sparse tile: a part of an arch that nobody includes would be
/// its fallback's.
template <class Arch, std::size_t Width, std::size_t SparseRows>
constexpr bool gives() {
  if constexpr (Arch::compiled) {
    return arch_ops<Arch>::width == Width && sparse_tile<Arch>::rows == SparseRows;
  } else {
    return true;
  }
}
#if LOWBIT_X86
static_assert(selects<mul_add, scalar, scalar, 1, 16>());
static_assert(selects<mul_add, avx2, avx2, 6, 16>());
static_assert(selects<mul_add, avx512, avx512, 8, 48>());
static_assert(selects<xor_popcount, scalar, scalar, 1, 16>());
static_assert(selects<xor_popcount, avx2, avx2, 2, 16>());
static_assert(selects<xor_popcount, avx512, avx512, 4, 32>());
static_assert(selects<and_popcount, scalar, scalar, 1, 16>());
static_assert(selects<and_popcount, avx2, avx2, 2, 16>());
static_assert(selects<and_popcount, avx512, avx512, 4, 32>());
static_assert(selects<ternary_popcount, scalar, scalar, 1, 16>());
static_assert(selects<ternary_popcount, avx2, avx2, 2, 16>());
static_assert(selects<ternary_popcount, avx512, avx512, 4, 32>());

template <class Op>
constexpr bool selects_codes() {
  return selects<Op, scalar, scalar, 1, 16>() && selects<Op, avx2, avx2, 4, 16>() &&
         selects<Op, avx512, avx512, 12, 32>();
}
/// amx has the panels and, for few rows, the register tile of avx512.
template <class Op>
constexpr bool selects_tiles() {
  if constexpr (amx::compiled) {
    using kernel = selected_kernel<Op, amx>;
    return selects<Op, amx, amx, 12, 32>() && kernel::tiles::rows == 32 &&
           std::is_base_of_v<micro_kernel<Op, avx512>, kernel>;
  } else {
    return true;
  }
}
static_assert(selects_tiles<code_dot<8>>() && selects_tiles<code_dot<4>>() &&
              selects_tiles<code_dot<1>>());
/// avx_vnni has the panels of avx2 and its own tiles of byte products.
template <class Op>
constexpr bool selects_vnni() {
  return selects < Op, avx_vnni, avx_vnni, is_group_dot<Op> ? 4 : 6, 16 > ();
}
static_assert(selects_vnni<code_dot<8>>() && selects_vnni<code_dot<4>>() &&
              selects_vnni<code_dot<1>>() && selects_vnni<group_dot<8>>() &&
              selects_vnni<group_dot<4>>());
static_assert(selects<mul_add, avx_vnni, avx2, 6, 16>());
static_assert(selects<xor_popcount, avx_vnni, avx2, 2, 16>());
static_assert(selects<mul_add, amx, avx512, 8, 48>());
static_assert(selects<xor_popcount, amx, avx512, 4, 32>());
static_assert(selects<lookup_mul_add, amx, avx512, 12, 32>());

static_assert(selects_codes<code_dot<8>>() && selects_codes<code_dot<4>>() &&
              selects_codes<code_dot<1>>() && selects_codes<lookup_mul_add>());
static_assert(selects_codes<group_dot<8>>() && selects_codes<group_dot<4>>());
static_assert(selects<decoded_mul_add, scalar, scalar, 1, 16>() &&
              selects<decoded_mul_add, avx2, avx2, 6, 16>() &&
              selects<decoded_mul_add, avx512, avx512, 8, 48>());

static_assert(gives<scalar, 1, 1>() && gives<avx2, 8, 6>() && gives<avx512, 16, 16>() &&
              gives<amx, 16, 16>());

static_assert(std::is_same_v<avx_vnni::fallback, avx2>);
static_assert(std::is_same_v<amx::fallback, avx512> && std::is_same_v<avx512::fallback, avx2> &&
              std::is_same_v<avx2::fallback, scalar> && std::is_void_v<scalar::fallback>);
static_assert(arch_tag<scalar> && arch_tag<avx2> && arch_tag<avx512> && arch_tag<amx>);
static_assert(std::is_same_v<native, avx512> == avx512::compiled);  // never amx
static_assert(std::is_same_v<native, avx_vnni> == (avx_vnni::compiled && !avx512::compiled));
#elif LOWBIT_AARCH64
template <class Op, std::size_t Mr>
constexpr bool selects_neon() {
  return selects<Op, scalar, scalar, 1, 16>() && selects<Op, neon, neon, Mr, 16>();
}
/// Kernels that dotprod and i8mm inherit.
template <class Op, std::size_t Mr>
constexpr bool selects_neon_alone() {
  return selects_neon<Op, Mr>() && selects<Op, dotprod, neon, Mr, 16>() &&
         selects<Op, i8mm, neon, Mr, 16>();
}
static_assert(selects_neon_alone<mul_add, 6>() && selects_neon_alone<decoded_mul_add, 6>() &&
              selects_neon_alone<lookup_mul_add, 4>());
static_assert(selects_neon_alone<xor_popcount, 3>() && selects_neon_alone<and_popcount, 3>() &&
              selects_neon_alone<ternary_popcount, 2>() &&
              selects_neon_alone<plane_popcount<4, true>, 3>());
template <std::size_t Bits, std::size_t Mr>
constexpr bool selects_codes() {
  return selects_neon<code_dot<Bits>, 2>() && selects<code_dot<Bits>, dotprod, dotprod, Mr, 16>() &&
         selects<code_dot<Bits>, i8mm, i8mm, Mr, 16>();
}
static_assert(selects_codes<8, 6>() && selects_codes<4, 4>() && selects_codes<1, 4>());
template <class Op>
constexpr bool selects_groups() {
  return selects_neon<Op, 2>() && selects<Op, dotprod, dotprod, 4, 16>() &&
         selects<Op, i8mm, dotprod, 4, 16>();
}
static_assert(selects_groups<group_dot<8>>() && selects_groups<group_dot<4>>());
static_assert(gives<scalar, 1, 1>() && gives<neon, 4, 6>() && gives<dotprod, 4, 6>() &&
              gives<i8mm, 4, 6>());
static_assert(std::is_same_v<i8mm::fallback, dotprod> && std::is_same_v<dotprod::fallback, neon> &&
              std::is_same_v<neon::fallback, scalar>);
static_assert(std::is_same_v<native, i8mm> == i8mm::compiled);
#endif
static_assert(native::compiled);

/// An arch without kernels of its own gets those of its fallback.
struct newer : scalar {
  using fallback = scalar;
};
static_assert(
    std::is_same_v<selected_kernel<xor_popcount, newer>, micro_kernel<xor_popcount, scalar>>);

template <class Op, class Arch>
std::string row() {
  std::ostringstream text;
  text << Op::name << ' ' << Arch::name << ": ";
  if constexpr (Arch::compiled) {
    using kernel = selected_kernel<Op, Arch>;
    text << kernel::arch::name << ' ' << kernel::mr << 'x' << kernel::nr;
  } else {
    text << "not compiled";
  }
  return text.str();
}
template <class... Ops>
std::vector<std::string> table() {
  std::vector<std::string> rows;
#if LOWBIT_X86
  (rows.insert(rows.end(), {row<Ops, scalar>(), row<Ops, avx2>(), row<Ops, avx512>()}), ...);
#else
  (rows.insert(rows.end(), {row<Ops, scalar>(), row<Ops, native>()}), ...);
#endif
  return rows;
}

}  // namespace

#if LOWBIT_X86
TEST_CASE("every op has the kernel that the arch matrix says", "[gemm][selection]") {
  const std::vector<std::string> expected{
      "f32 scalar: scalar 1x16", "f32 avx2: avx2 6x16", "f32 avx512: avx512 8x48",
      "b1s scalar: scalar 1x16", "b1s avx2: avx2 2x16", "b1s avx512: avx512 4x32",
      "b1u scalar: scalar 1x16", "b1u avx2: avx2 2x16", "b1u avx512: avx512 4x32",
      "t2 scalar: scalar 1x16",  "t2 avx2: avx2 2x16",  "t2 avx512: avx512 4x32"};
  const auto rows = table<mul_add, xor_popcount, and_popcount, ternary_popcount>();
  REQUIRE(rows.size() == expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].ends_with("not compiled")) CHECK(rows[i] == expected[i]);
  }
}
#endif

TEST_CASE("print the arch matrix", "[.][arch-matrix]") {
  for (const std::string& line : table<mul_add, xor_popcount, and_popcount, ternary_popcount>()) {
    std::cout << line << '\n';
  }
}
