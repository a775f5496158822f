// SPDX-License-Identifier: Apache-2.0
// Products of weights with a scale per group of columns: the definition as three bare loops, on
// ragged edges, with extreme values, and with faults that must be caught.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "../support/archs.hpp"
#include "../support/two_threads.hpp"
#include "lowbit/pack/group_panels.hpp"
#include "operands.hpp"

namespace {

using namespace lowbit_test;

struct group_problem {
  std::size_t m, n, k, group;
  std::vector<std::int8_t> a, w;  // (M, K), (N, K)
  std::vector<float> scales;      // (N, groups)
  std::vector<float> expected;    // (M, N)

  [[nodiscard]] std::size_t groups() const { return (k + group - 1) / group; }

  /// acc = fma(float(d_g), scale_g, acc) in the order of the groups.
  void compute() {
    expected.assign(m * n, 0.0F);
    for (std::size_t t = 0; t < m; ++t) {
      for (std::size_t o = 0; o < n; ++o) {
        float sum = 0.0F;
        for (std::size_t g = 0; g < groups(); ++g) {
          std::int64_t dot = 0;
          for (std::size_t j = g * group; j < k && j < (g + 1) * group; ++j)
            dot += std::int64_t{a[t * k + j]} * w[o * k + j];
          REQUIRE(static_cast<std::int64_t>(static_cast<float>(dot)) == dot);
          sum = std::fma(static_cast<float>(dot), scales[o * groups() + g], sum);
        }
        expected[t * n + o] = sum;
      }
    }
  }
};

template <class Op>
group_problem random_problem(std::size_t m, std::size_t n, std::size_t k, std::size_t group,
                             random_source& random) {
  group_problem p{m, n, k, group, {}, {}, {}, {}};
  const auto between = [&](int least, int largest) {
    return static_cast<std::int8_t>(
        static_cast<int>(random.below(static_cast<std::size_t>(largest - least + 1))) + least);
  };
  for (std::size_t i = 0; i < m * k; ++i) p.a.push_back(between(-128, 127));
  for (std::size_t i = 0; i < n * k; ++i) p.w.push_back(between(Op::least, Op::largest));
  p.scales = random.floats(n * p.groups(), 0.2F, 0.19F);
  p.compute();
  return p;
}

/// How the product differs from `expected`; empty when it does not.
template <class Op, class Arch, class Executor, class Mutate = unchanged>
std::string group_difference(const group_problem& p, Executor& executor, Mutate mutate = {}) {
  constexpr std::size_t nr = lowbit::selected_kernel<Op, Arch>::nr;
  const std::size_t size = Op::panel_elements(p.k, nr, p.group);
  const guarded<std::byte> memory((p.n + nr - 1) / nr * size, 0xFF);
  std::vector<std::int8_t> row(p.k);
  const lowbit::status packed = lowbit::pack_groups<Op, Arch>(
      memory.data(), p.n, p.k, p.group, row.data(),
      [&](std::size_t o, std::int8_t* out) {
        std::copy_n(p.w.begin() + static_cast<std::ptrdiff_t>(o * p.k), p.k, out);
      },
      [&](std::size_t o, std::size_t g) { return p.scales[o * p.groups() + g]; });
  INFO(packed.message());
  REQUIRE(packed.ok());
  mutate(memory);
  const std::size_t units = Op::units(p.k);
  const std::size_t stride = units + 3;
  const guarded<lowbit::quad> rows(p.m == 0 ? 0 : (p.m - 1) * stride + units, 0xFF);
  for (std::size_t t = 0; t < p.m; ++t) {
    std::memset(static_cast<void*>(rows.data() + t * stride), 0, units * sizeof(lowbit::quad));
    std::memcpy(static_cast<void*>(rows.data() + t * stride), p.a.data() + t * p.k, p.k);
  }
  const lowbit::packed_weights<Op, Arch> w{memory.data(), p.n, p.k, units, size};
  const lowbit::activation_rows<Op> a{{rows.data(), p.m, units, stride}, p.k};
  const canary_matrix<float> out(p.m, p.n, p.n + 5);
  lowbit::gemm<Op, Arch>(a, w, lowbit::to_float{} | lowbit::store{out.view()}, executor);
  const std::string differs = difference<float>(out.view(), {p.expected.data(), p.m, p.n, p.n});
  return differs.empty() ? out.damage() : differs;
}

template <class Op, class Arch, class Executor>
void check_all_sizes(std::uint64_t seed, Executor& executor) {
  using kernel = lowbit::selected_kernel<Op, Arch>;
  random_source random(seed);
  for (const std::size_t group : {4U, 32U, 64U, 128U}) {
    const std::set<std::size_t> inner{1, 3, group - 1, group, group + 1, 2 * group + 7, 301};
    for (const std::size_t k : inner) {
      for (const std::size_t n :
           {std::size_t{1}, kernel::nr - 1, kernel::nr, kernel::nr + 1, 2 * kernel::nr + 17}) {
        for (const std::size_t m :
             std::set<std::size_t>{0, 1, 2, 3, 5, kernel::mr + 1, 2 * kernel::mr + 3}) {
          const group_problem p = random_problem<Op>(m, n, k, group, random);
          const std::string differs = group_difference<Op, Arch>(p, executor);
          INFO(Op::name << " M " << m << " N " << n << " K " << k << " groups of " << group << ": "
                        << differs);
          REQUIRE(differs.empty());
        }
      }
    }
  }
}

template <class Op, class Arch>
void check_extremes(int a, int w, std::size_t k, std::size_t group) {
  random_source random(1);
  lowbit::serial executor;
  group_problem p = random_problem<Op>(3, 5, k, group, random);
  for (std::int8_t& v : p.a) v = static_cast<std::int8_t>(a);
  for (std::int8_t& v : p.w) v = static_cast<std::int8_t>(w);
  p.compute();
  CAPTURE(Op::name, a, w, k, group);
  CHECK(group_difference<Op, Arch>(p, executor) == "");
}

using nibbles = lowbit::group_dot<4>;
using bytes = lowbit::group_dot<8>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("groups of columns equal the definition on ragged edges", "[gemm][groups]",
                        compiled_archs) {
  need_arch<TestType>();
  lowbit::serial executor;
  SECTION("4 bits") { check_all_sizes<nibbles, TestType>(321, executor); }
  SECTION("8 bits") { check_all_sizes<bytes, TestType>(322, executor); }
}

TEMPLATE_LIST_TEST_CASE("groups of columns with two threads equal the definition, too",
                        "[gemm][groups]", compiled_archs) {
  need_arch<TestType>();
  two_threads executor;
  check_all_sizes<nibbles, TestType>(323, executor);
}

TEMPLATE_LIST_TEST_CASE("no sum of a group saturates", "[gemm][groups]", compiled_archs) {
  need_arch<TestType>();
  for (const int a : {-128, -127, 0, 127}) {
    for (const std::size_t group : {32U, 64U, 1024U}) {
      for (const int w : {-8, -7, 7}) check_extremes<nibbles, TestType>(a, w, 1061, group);
      for (const int w : {-127, 127}) check_extremes<bytes, TestType>(a, w, 1061, group);
    }
  }
}

TEST_CASE("groups are folded in order", "[gemm][groups]") {
  // 1e8, 1, -1e8: only one order gives 0, another 1.
  group_problem p{1, 1, 12, 4, {}, {}, {1e8F, 1.0F, 1e8F}, {}};
  p.a.assign(12, 0);
  p.w.assign(12, 1);
  p.a[0] = p.a[4] = 1;
  p.a[8] = -1;
  p.compute();
  REQUIRE(p.expected[0] == 0.0F);
  lowbit::serial executor;
  CHECK(group_difference<nibbles, lowbit::native>(p, executor) == "");
  std::swap(p.scales[1], p.scales[2]);
  p.a[8] = 1;
  p.a[4] = -1;
  p.compute();
  REQUIRE(p.expected[0] == 1.0F);
  CHECK(group_difference<nibbles, lowbit::native>(p, executor) == "");
}

TEST_CASE("a value that four bits do not hold is named", "[gemm][groups]") {
  std::byte memory[4096];
  std::int8_t row[5];
  const auto packed = lowbit::pack_groups<nibbles, lowbit::scalar>(
      memory, 2, 5, 4, row,
      [](std::size_t o, std::int8_t* out) {
        for (int j = 0; j < 5; ++j) out[j] = static_cast<std::int8_t>(o == 1 && j == 4 ? 8 : -8);
      },
      [](std::size_t, std::size_t) { return 1.0F; });
  CHECK(packed.code() == lowbit::errc::unsupported);
  CHECK(packed.message() ==
        "row 1 column 4 is 8, expected -8 to 7 where groups of columns have scales");
}

TEMPLATE_LIST_TEST_CASE("a wrong group, scale, code or correction is caught", "[gemm][mutant]",
                        compiled_archs) {
  need_arch<TestType>();
  using kernel = lowbit::selected_kernel<nibbles, TestType>;
  random_source random(324);
  lowbit::serial executor;
  const group_problem p = random_problem<nibbles>(2, kernel::nr, 75, 32, random);
  CHECK(group_difference<nibbles, TestType>(p, executor).empty());
  const auto caught = [&](std::size_t byte) {
    return !group_difference<nibbles, TestType>(p, executor, [&](const guarded<std::byte>& memory) {
              memory[byte] ^= std::byte{1};
            }).empty();
  };
  constexpr std::size_t scales = nibbles::header_bytes;
  constexpr std::size_t corrections = scales + kernel::nr * 4;
  constexpr std::size_t codes = scales + nibbles::scale_bytes(kernel::nr);
  constexpr std::size_t second = codes + 8 * nibbles::unit_bytes(kernel::nr);
  CHECK(caught(0));
  CHECK(caught(scales + 2));
  CHECK(caught(codes));
  CHECK(caught(second + 2));
  CHECK(caught(corrections) == (kernel::offset != 0));
}
