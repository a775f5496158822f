// SPDX-License-Identifier: Apache-2.0
// Products of coded weights: int8, 4-bit and 1-bit codes against int8 activations, 4-bit codes of
// floats against floats.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "../support/archs.hpp"
#include "../support/two_threads.hpp"
#include "operands.hpp"

namespace {

using namespace lowbit_test;

template <class Op, class Arch, class Executor>
void check_all_sizes(std::uint64_t seed, Executor& executor) {
  using kernel = lowbit::selected_kernel<Op, Arch>;
  random_source random(seed);
  std::set<std::size_t> rows{0, 1, 2, 3, 4, 5, kernel::mr, kernel::mr + 1, 2 * kernel::mr + 3};
  std::set<std::size_t> depths{1, 2, 3, 4, 5, 15, 16, 17, 26, 75, 769};
  if constexpr (lowbit::detail::has_tiles<kernel>) {  // of 16 rows and 64 k
    rows.insert({15, 16, 17, 31, 32, 33, 47, 65});
    depths.insert({60, 61, 63, 64, 65, 67, 68, 124, 127, 128, 129, 253, 320});
  }
  for (const std::size_t k : depths) {
    for (const std::size_t n : {std::size_t{1}, std::size_t{15}, kernel::nr - 1, kernel::nr,
                                kernel::nr + 1, 2 * kernel::nr + 17}) {
      for (const std::size_t m : rows) {
        const gemm_problem<Op> problem({m, n, k}, random);
        const std::string differs = gemm_difference<Op, Arch>(problem, executor);
        INFO(Op::name << " M " << m << " N " << n << " K " << k << ": " << differs);
        REQUIRE(differs.empty());
      }
    }
  }
}

/// Extreme values everywhere: what a saturating or 16-bit sum would lose.
template <class Op, class Arch>
void check_extremes(std::int8_t a, std::int8_t w, std::size_t k) {
  random_source random(1);
  lowbit::serial executor;
  gemm_problem<Op> problem({5, 3, k}, random);
  for (std::int8_t& v : problem.a) v = a;
  for (std::int8_t& v : problem.w) v = w;
  for (std::int32_t& v : problem.expected) v = static_cast<std::int32_t>(k) * a * w;
  CAPTURE(Op::name, static_cast<int>(a), static_cast<int>(w), k);
  CHECK(gemm_difference<Op, Arch>(problem, executor) == "");
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("coded weights equal the reference on ragged edges", "[gemm][codes]",
                        compiled_archs) {
  need_arch<TestType>();
  lowbit::serial executor;
  SECTION("8 bits") { check_all_sizes<lowbit::code_dot<8>, TestType>(301, executor); }
  SECTION("4 bits") { check_all_sizes<lowbit::code_dot<4>, TestType>(302, executor); }
  SECTION("1 bit") { check_all_sizes<lowbit::code_dot<1>, TestType>(303, executor); }
  SECTION("floats") { check_all_sizes<lowbit::lookup_mul_add, TestType>(304, executor); }
}

TEMPLATE_LIST_TEST_CASE("coded weights with two threads equal the reference too", "[gemm][codes]",
                        compiled_archs) {
  need_arch<TestType>();
  two_threads executor;
  check_all_sizes<lowbit::code_dot<4>, TestType>(305, executor);
}

TEMPLATE_LIST_TEST_CASE("no byte product saturates", "[gemm][codes]", compiled_archs) {
  need_arch<TestType>();
  for (const int a : {-128, -127, 127}) {
    for (const int w : {-127, 127}) {
      for (const std::size_t k : {2U, 4U, 64U, 333U}) {
        const auto x = static_cast<std::int8_t>(a);
        const auto y = static_cast<std::int8_t>(w);
        check_extremes<lowbit::code_dot<8>, TestType>(x, y, k);
        check_extremes<lowbit::code_dot<4>, TestType>(x, y, k);
        check_extremes<lowbit::code_dot<1>, TestType>(x, y, k);
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("the longest inner size fits 32 bits", "[gemm][codes]", compiled_archs) {
  need_arch<TestType>();
  constexpr std::size_t longest = std::size_t{1} << 17;  // the largest intermediate_size
  check_extremes<lowbit::code_dot<8>, TestType>(127, 127, longest);
  check_extremes<lowbit::code_dot<8>, TestType>(127, -127, longest);
  check_extremes<lowbit::code_dot<1>, TestType>(-127, 127, longest);
}

TEMPLATE_LIST_TEST_CASE("packed codes read back, missing outputs and columns are 0", "[pack]",
                        compiled_archs) {
  need_arch<TestType>();
  using op = lowbit::code_dot<4>;
  using packed = lowbit::packed_weights<op, TestType>;
  random_source random(306);
  for (const std::size_t n : {std::size_t{1}, packed::nr, packed::nr + 3}) {
    for (const std::size_t k : {1U, 4U, 7U}) {
      const gemm_problem<op> problem({0, n, k}, random);
      const guarded<std::byte> memory(packed::elements(n, k), 0xFF);
      const packed w = pack_problem<op, TestType>(problem, memory.data());
      bool equal = true;
      for (std::size_t o = 0; o < w.panels() * packed::nr; ++o) {
        for (std::size_t j = 0; j < op::units(k) * op::depth; ++j) {
          const unsigned expected =
              o < n && j < k ? operand<op>::code(problem.w[o * k + j]) : unsigned{0};
          equal =
              equal && lowbit::detail::read_code<op, TestType>(
                           w.panel(o / packed::nr), o % packed::nr, j, op::units(k)) == expected;
        }
      }
      CAPTURE(n, k);
      CHECK(equal);
    }
  }
}

TEST_CASE("a flipped code, a wrong table entry and a forgotten row sum are caught",
          "[gemm][mutant]") {
  using op = lowbit::code_dot<4>;
  using arch = std::tuple_element_t<std::tuple_size_v<compiled_archs> - 1, compiled_archs>;
  need_arch<arch>();
  random_source random(307);
  lowbit::serial executor;
  const gemm_problem<op> problem({5, 17, 65}, random);
  CHECK(gemm_difference<op, arch>(problem, executor).empty());
  for (const std::size_t byte : {std::size_t{0}, std::size_t{3}, op::table_bytes}) {
    const auto flip = [&](const guarded<std::byte>& memory) { memory[byte] ^= std::byte{1}; };
    CAPTURE(byte);
    CHECK_FALSE(gemm_difference<op, arch>(problem, executor, flip).empty());
  }
  if constexpr (lowbit::selected_kernel<op, arch>::offset != 0) {
    const auto [m, n, k] = problem.size;
    std::vector<std::byte> memory(lowbit::packed_weights<op, arch>::elements(n, k) + 64);
    const auto w = pack_problem<op, arch>(problem, memory.data());
    std::vector<lowbit::quad> rows;
    for (std::size_t r = 0; r < m; ++r) {
      const auto row = operand<op>::encode(problem.a.data() + r * k, k);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    const std::size_t units = op::units(k);
    std::vector<std::int32_t> out(m * 32);
    lowbit::gemm<op, arch>(lowbit::activation_rows<op>{{rows.data(), m, units, units}, k}, w,
                           lowbit::store_integers{{out.data(), m, n, 32}}, executor);
    CHECK(out[0] != problem.expected[0]);
  }
}
