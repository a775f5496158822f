// SPDX-License-Identifier: Apache-2.0
// Sparse products equal the dense reference on the same matrix, zeros and all: both layouts, both
// element types, ragged sizes, every density. Weights, activations and outputs end at guard pages.
#include "lowbit/gemm/sparse_gemm.hpp"

#include <catch2/catch_test_macros.hpp>

#include "../codec/encoded_weights.hpp"
#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "../support/two_threads.hpp"
#include "lowbit/gemm/reference.hpp"

namespace {

using namespace lowbit_test;
using lowbit::block;
using lowbit::sparse;
using int8 = lowbit::int8<lowbit::scale::row>;

/// A sparse codec, its op and the layout that multiplies it.
template <class Codec, class Op, template <class, class> class Layout>
struct sparse_case {
  using codec = Codec;
  using op = Op;
  template <class Arch>
  using layout = Layout<Op, Arch>;
  using value = std::conditional_t<Codec::integer, std::int8_t, float>;
};
using csr_f32 = sparse_case<sparse<>, lowbit::mul_add, lowbit::row_slices>;
using block_f32 =
    sparse_case<sparse<lowbit::f32, block<16, 1>>, lowbit::mul_add, lowbit::panel_blocks>;
using csr_int8 = sparse_case<sparse<int8>, lowbit::code_dot<8>, lowbit::row_slices>;
using block_int8 =
    sparse_case<sparse<int8, block<16, 4>>, lowbit::code_dot<8>, lowbit::panel_blocks>;

struct sizes {
  std::size_t m, n, k;
};

/// Weights where keep(output, input) says so, 0 elsewhere. For int8 they are integers, and a row
/// that has any has one of 127 or -127: its scale is 1 and its codes are the weights themselves.
template <class Case, class Keep>
std::vector<float> random_weights(const sizes& size, random_source& random, Keep keep) {
  std::vector<float> w(size.n * size.k);
  for (std::size_t o = 0; o < size.n; ++o) {
    bool first = true;
    for (std::size_t j = 0; j < size.k; ++j) {
      if (!keep(o, j)) continue;
      if constexpr (Case::codec::integer) {
        const int rest = static_cast<int>(random.below(255)) - 127;
        w[o * size.k + j] = static_cast<float>(first ? random.sign() * 127 : rest);
      } else {
        w[o * size.k + j] = random.around(0.0F, 1.0F);
      }
      first = false;
    }
  }
  return w;
}

/// Random activations times given weights.
template <class Case>
struct sparse_problem {
  using op = typename Case::op;
  using value = typename Case::value;
  using accumulator = typename op::accumulator;

  sizes size;
  std::vector<value> a, w;            // (M, K), (N, K)
  std::vector<accumulator> expected;  // (M, N)
  stored_matrix<typename Case::codec> stored;

  sparse_problem(sizes s, const std::vector<value>& activations, const std::vector<float>& weights)
      : size(s), a(activations), expected(s.m * s.n), stored(weights, s.n, s.k) {
    for (const float v : weights) w.push_back(static_cast<value>(v));
    lowbit::reference_gemm<value, accumulator>({a.data(), s.m, s.k, s.k}, {w.data(), s.n, s.k, s.k},
                                               {expected.data(), s.m, s.n, s.n});
  }
  template <class Keep>
  sparse_problem(sizes s, random_source& random, Keep keep)
      : sparse_problem(s, activations(s, random), random_weights<Case>(s, random, keep)) {}

  static std::vector<value> activations(const sizes& s, random_source& random) {
    std::vector<value> a(s.m * s.k);
    for (value& v : a) {
      if constexpr (Case::codec::integer) {
        v = static_cast<value>(static_cast<int>(random.below(256)) - 128);
      } else {
        v = random.around(0.0F, 2.0F);
      }
    }
    return a;
  }
};

/// Every weight with this probability.
auto dense_share(random_source& random, std::size_t percent) {
  return [&random, percent](std::size_t, std::size_t) { return random.below(100) < percent; };
}

struct unchanged {
  template <class Layout>
  void operator()(Layout&) const {}
};

/// How the sparse product differs from the reference; empty when it does not.
template <class Case, class Arch, class Executor, class Mutate = unchanged>
std::string sparse_difference(const sparse_problem<Case>& problem, Executor& executor,
                              Mutate mutate = {}) {
  using op = typename Case::op;
  using unit = typename op::activation;
  using value = typename Case::value;
  const auto [m, n, k] = problem.size;
  lowbit::arena measure;
  typename Case::template layout<Arch> w;
  w.load(measure, problem.stored.reader.blocks);
  const guarded<std::byte> memory(measure.used(), 0xFF);
  lowbit::arena space(memory.data(), memory.size());
  w.load(space, problem.stored.reader.blocks);
  mutate(w);

  const std::size_t units = op::units(k);
  const std::size_t stride = units + 3;
  const guarded<unit> rows(m == 0 ? 0 : (m - 1) * stride + units, 0x55);  // pad codes: not 0
  for (std::size_t r = 0; r < m; ++r) {
    std::memcpy(static_cast<void*>(rows.data() + r * stride), problem.a.data() + r * k,
                k * sizeof(value));
  }
  const lowbit::activation_rows<op> a{{rows.data(), m, units, stride}, k};
  if constexpr (!Case::codec::integer) {
    const canary_matrix<float> out(m, n, n + 5);
    lowbit::sparse_gemm(a, w, lowbit::store{out.view()}, executor);
    const std::string differs = difference<float>(out.view(), {problem.expected.data(), m, n, n});
    return differs.empty() ? out.damage() : differs;
  } else {
    const std::size_t lanes = lowbit::round_up(n, lowbit::virtual_lanes);
    const canary_matrix<std::int32_t> out(m, n, lanes + 16, lanes);
    lowbit::sparse_gemm(a, w, lowbit::store_integers{out.view()}, executor);
    const std::string differs =
        difference<std::int32_t>(out.view(), {problem.expected.data(), m, n, n});
    return differs.empty() ? out.damage() : differs;
  }
}

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
    const sizes size{m, 50, 769};
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
    const sizes size{m, 150, 70};
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
