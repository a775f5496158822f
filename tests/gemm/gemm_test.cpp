// SPDX-License-Identifier: Apache-2.0
#include "lowbit/gemm/gemm.hpp"

#include <catch2/catch_test_macros.hpp>
#include <set>

#include "../support/archs.hpp"
#include "../support/two_threads.hpp"
#include "operands.hpp"

namespace {

using namespace lowbit_test;

constexpr std::size_t inner_sizes[] = {1, 31, 63, 64, 65, 127, 257, 769};

template <class Op, class Arch>
std::set<std::size_t> output_sizes() {
  constexpr std::size_t nr = lowbit::selected_kernel<Op, Arch>::nr;
  constexpr std::size_t vector = lowbit::virtual_lanes;
  return {1, nr - 1, nr, nr + 1, nr + vector, nr + vector + 1, nr + 2 * vector, 2 * nr + 1};
}
template <class Op, class Arch>
std::set<std::size_t> row_sizes() {  // 0 rows among them where mr is 1
  constexpr std::size_t mr = lowbit::selected_kernel<Op, Arch>::mr;
  return {1, 2, 5, mr - 1, mr, mr + 1, 33};
}

template <class Op, class Arch, class Executor>
void check_all_sizes(std::uint64_t seed, Executor& executor) {
  random_source random(seed);
  for (const std::size_t k : inner_sizes) {
    for (const std::size_t n : output_sizes<Op, Arch>()) {
      for (const std::size_t m : row_sizes<Op, Arch>()) {
        const gemm_problem<Op> problem({m, n, k}, random);
        const std::string differs = gemm_difference<Op, Arch>(problem, executor);
        INFO(Op::name << " M " << m << " N " << n << " K " << k << " seed " << seed << ": "
                      << differs);
        REQUIRE(differs.empty());
      }
    }
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gemm equals the reference on ragged edges", "[gemm]", compiled_archs) {
  need_arch<TestType>();
  lowbit::serial executor;
  SECTION("f32 x f32") { check_all_sizes<lowbit::mul_add, TestType>(101, executor); }
  SECTION("b1s x b1s") { check_all_sizes<lowbit::xor_popcount, TestType>(102, executor); }
  SECTION("b1u x b1s") { check_all_sizes<lowbit::and_popcount, TestType>(103, executor); }
  SECTION("t2 x b1s") { check_all_sizes<lowbit::ternary_popcount, TestType>(104, executor); }
}

TEMPLATE_LIST_TEST_CASE("gemm with two threads equals the reference too", "[gemm]",
                        compiled_archs) {
  need_arch<TestType>();
  two_threads executor;
  SECTION("f32 x f32") { check_all_sizes<lowbit::mul_add, TestType>(105, executor); }
  SECTION("b1s x b1s") { check_all_sizes<lowbit::xor_popcount, TestType>(106, executor); }
  SECTION("b1u x b1s") { check_all_sizes<lowbit::and_popcount, TestType>(107, executor); }
  SECTION("t2 x b1s") { check_all_sizes<lowbit::ternary_popcount, TestType>(108, executor); }
}

TEMPLATE_LIST_TEST_CASE("gemm counts right where every bit differs and where none does", "[gemm]",
                        compiled_archs) {
  need_arch<TestType>();
  using op = lowbit::xor_popcount;
  lowbit::serial executor;
  random_source random(109);
  for (const std::size_t k : {64U, 1984U, 1985U, 2049U, 5000U}) {  // byte sums widen after 31 words
    gemm_problem<op> problem({3, 17, k}, random);
    for (std::int8_t& v : problem.a) v = 1;
    for (std::size_t i = 0; i < problem.w.size(); ++i) problem.w[i] = i / k % 2 == 0 ? 1 : -1;
    const auto extreme = static_cast<std::int32_t>(k);
    for (std::size_t i = 0; i < problem.expected.size(); ++i) {
      problem.expected[i] = i % 17 % 2 == 0 ? extreme : -extreme;
    }
    CAPTURE(k);
    CHECK(gemm_difference<op, TestType>(problem, executor) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("gemm on long inner sizes equals the reference", "[gemm][slow]",
                        compiled_archs) {
  need_arch<TestType>();
  lowbit::serial executor;
  random_source random(110);
  CAPTURE(random.seed());
  for (const std::size_t k : {768U, 1983U, 1985U, 3072U, 4097U}) {
    const gemm_size size{33, 97, k};
    CAPTURE(k);
    CHECK(gemm_difference<lowbit::mul_add, TestType>({size, random}, executor) == "");
    CHECK(gemm_difference<lowbit::xor_popcount, TestType>({size, random}, executor) == "");
    CHECK(gemm_difference<lowbit::and_popcount, TestType>({size, random}, executor) == "");
    CHECK(gemm_difference<lowbit::ternary_popcount, TestType>({size, random}, executor) == "");
  }
}
