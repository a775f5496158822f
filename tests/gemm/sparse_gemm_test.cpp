// SPDX-License-Identifier: Apache-2.0
// Sparse products equal the dense reference: both layouts, both element types, ragged sizes, every
// density.
#include "lowbit/gemm/sparse_gemm.hpp"

#include <catch2/catch_test_macros.hpp>

#include "../support/archs.hpp"
#include "../support/two_threads.hpp"
#include "sparse_operands.hpp"

namespace {

using namespace lowbit_test;

template <class Case, class Arch, class Executor>
void check_sizes(std::uint64_t seed, Executor& executor) {
  random_source random(seed);
  for (const std::size_t k : {1U, 3U, 4U, 17U, 75U, 130U}) {
    for (const std::size_t n : {1U, 15U, 16U, 17U, 70U}) {
      for (const std::size_t m : {0U, 1U, 2U, 3U, 5U, 6U, 7U, 16U, 17U, 31U, 37U}) {
        const sparse_problem<Case> problem({m, n, k}, random,
                                           dense_share(random, 5 + 10 * random.below(10)));
        const std::string differs = sparse_difference<Case, Arch>(problem, executor);
        INFO(Case::codec::name << " M " << m << " N " << n << " K " << k << ": " << differs);
        REQUIRE(differs.empty());
      }
    }
  }
}

template <class Case, class Arch>
void check_densities(std::uint64_t seed) {
  random_source random(seed);
  CAPTURE(Case::codec::name, seed);
  lowbit::serial executor;
  for (const std::size_t m : {1U, 2U, 20U, 67U}) {
    const sparse_size size{m, 50, 769};
    const auto check = [&](const char* what, auto keep) {
      INFO("M " << m << ", " << what);
      CHECK(sparse_difference<Case, Arch>(sparse_problem<Case>(size, random, keep), executor) ==
            "");
    };
    check("no weight", [](std::size_t, std::size_t) { return false; });
    check("every weight", [](std::size_t, std::size_t) { return true; });
    check("one weight", [](std::size_t o, std::size_t j) { return o == 49 && j == 768; });
    check("two empty panels", [&](std::size_t o, std::size_t) { return o >= 16 && o < 32; });
    check("one full row", [](std::size_t o, std::size_t) { return o == 17; });
    check("one full column", [](std::size_t, std::size_t j) { return j == 3; });
    check("a tenth", dense_share(random, 10));
  }
}

/// Extreme values everywhere: what a saturating or 16-bit sum would lose.
template <class Case, class Arch>
void check_extremes(int activation, int weight, std::size_t k) {
  lowbit::serial executor;
  for (const std::size_t m : {1U, 4U, 18U}) {
    const std::vector<std::int8_t> a(m * k, static_cast<std::int8_t>(activation));
    const std::vector<float> w(3 * k, static_cast<float>(weight));
    CAPTURE(activation, weight, k, m);
    CHECK(sparse_difference<Case, Arch>(sparse_problem<Case>({m, 3, k}, a, w), executor) == "");
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("sparse products equal the reference on ragged edges", "[gemm][sparse]",
                        compiled_archs) {
  need_arch<TestType>();
  lowbit::serial executor;
  SECTION("csr f32") { check_sizes<csr_f32, TestType>(500, executor); }
  SECTION("block f32") { check_sizes<block_f32, TestType>(501, executor); }
  SECTION("csr int8") { check_sizes<csr_int8, TestType>(502, executor); }
  SECTION("block int8") { check_sizes<block_int8, TestType>(503, executor); }
}

TEMPLATE_LIST_TEST_CASE("sparse products with two threads equal the reference too",
                        "[gemm][sparse]", compiled_archs) {
  need_arch<TestType>();
  two_threads executor;
  random_source random(504);
  for (const std::size_t m : {1U, 40U}) {
    const sparse_size size{m, 150, 70};
    const auto keep = dense_share(random, 20);
    CHECK(sparse_difference<csr_f32, TestType>(sparse_problem<csr_f32>(size, random, keep),
                                               executor) == "");
    CHECK(sparse_difference<block_int8, TestType>(sparse_problem<block_int8>(size, random, keep),
                                                  executor) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("sparse products of every density equal the reference", "[gemm][sparse]",
                        compiled_archs) {
  need_arch<TestType>();
  check_densities<csr_f32, TestType>(505);
  check_densities<block_f32, TestType>(506);
  check_densities<csr_int8, TestType>(507);
  check_densities<block_int8, TestType>(508);
}

TEMPLATE_LIST_TEST_CASE("long rows go through several chunks", "[gemm][sparse]", compiled_archs) {
  need_arch<TestType>();
  lowbit::serial executor;
  random_source random(509);
  constexpr std::size_t chunk = lowbit::row_slices<lowbit::mul_add, TestType>::chunk_units;
  for (const std::size_t units : {chunk - 1, chunk, chunk + 1, 3 * chunk + 5}) {
    for (const std::size_t m : {1U, 3U, 35U}) {
      CAPTURE(units, m);
      // more than 16 panels: activations are transposed again for the second group
      const sparse_problem<csr_f32> floats({m, 273, units}, random, dense_share(random, 3));
      CHECK(sparse_difference<csr_f32, TestType>(floats, executor) == "");
      const sparse_problem<csr_int8> codes({m, 33, 4 * units - 1}, random, dense_share(random, 3));
      CHECK(sparse_difference<csr_int8, TestType>(codes, executor) == "");
    }
  }
}

TEMPLATE_LIST_TEST_CASE("no sparse byte product saturates", "[gemm][sparse]", compiled_archs) {
  need_arch<TestType>();
  for (const int a : {-128, -127, 127}) {
    for (const int w : {-127, 127}) {
      for (const std::size_t k : {2U, 4U, 333U}) {
        check_extremes<csr_int8, TestType>(a, w, k);
        check_extremes<block_int8, TestType>(a, w, k);
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("a fault in a sparse layout is caught", "[gemm][sparse][mutant]",
                        compiled_archs) {
  need_arch<TestType>();
  lowbit::serial executor;
  random_source random(510);
  for (const std::size_t m : {1U, 20U}) {
    const sparse_problem<csr_f32> csr({m, 17, 65}, random, dense_share(random, 30));
    const sparse_problem<block_int8> blocks({m, 17, 65}, random, dense_share(random, 30));
    CHECK(sparse_difference<csr_f32, TestType>(csr, executor) == "");
    CAPTURE(m);
    CHECK(sparse_difference<csr_f32, TestType>(csr, executor,
                                               [](auto& w) { w.steps[0].units[5] += 1.0F; }) != "");
    CHECK(sparse_difference<csr_f32, TestType>(csr, executor,
                                               [](auto& w) { w.steps[1].index[0] -= 1; }) != "");
    CHECK(sparse_difference<csr_f32, TestType>(csr, executor, [](auto& w) {
            w.first[1] -= 1;
            for (std::size_t j = 0; j < 16; ++j) w.counts[j] -= 1;
          }) != "");
    CHECK(sparse_difference<block_int8, TestType>(blocks, executor, [](auto& w) {
            w.units[3].code[1] = static_cast<std::int8_t>(w.units[3].code[1] ^ 1);
          }) != "");
    CHECK(sparse_difference<block_int8, TestType>(blocks, executor,
                                                  [](auto& w) { w.start[16] += 1; }) != "");
    CHECK(sparse_difference<block_int8, TestType>(blocks, executor,
                                                  [](auto& w) { w.index[2] -= 1; }) != "");
  }
}
