// SPDX-License-Identifier: Apache-2.0
// Bit planes against the one reference on the codes themselves, and a mutant that each check must
// catch.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "../support/archs.hpp"
#include "../support/bit_rows.hpp"
#include "../support/compare.hpp"
#include "../support/random.hpp"
#include "../support/two_threads.hpp"
#include "lowbit/gemm/gemm.hpp"
#include "lowbit/gemm/reference.hpp"

namespace {

using namespace lowbit_test;

struct size {
  std::size_t m, n, k;
};

enum class fill { random, lowest, highest };

/// Codes a (M, K) of the whole range of Op, signs w (N, K), and their product by the reference.
template <class Op>
struct problem {
  static constexpr int lowest = Op::is_signed ? -(1 << (Op::planes - 1)) : 0;
  static constexpr int levels = 1 << Op::planes;
  size extents;
  std::vector<std::int16_t> a, w;
  std::vector<std::int32_t> expected;

  problem(size s, random_source& random, fill codes = fill::random)
      : extents(s), a(s.m * s.k), w(s.n * s.k), expected(s.m * s.n) {
    for (auto& v : a) {
      const int code = codes == fill::random   ? lowest + static_cast<int>(random.below(levels))
                       : codes == fill::lowest ? lowest
                                               : lowest + levels - 1;
      v = static_cast<std::int16_t>(code);
    }
    for (auto& v : w) v = codes == fill::random ? random.sign() : std::int16_t{-1};
    lowbit::reference_gemm<std::int16_t, std::int32_t>(
        {a.data(), s.m, s.k, s.k}, {w.data(), s.n, s.k, s.k}, {expected.data(), s.m, s.n, s.n});
  }
};

/// How gemm differs from the reference; empty when it does not. flip: a weight bit to change.
template <class Op, class Arch, class Executor>
std::string difference_of(const problem<Op>& p, Executor& executor, bool flip = false) {
  const std::size_t m = p.extents.m;
  const std::size_t n = p.extents.n;
  const std::size_t k = p.extents.k;
  using packed = lowbit::packed_weights<Op, Arch>;
  const std::size_t units = Op::units(k);
  const guarded<lowbit::word> memory(packed::elements(n, k), 0xFF);
  const packed w = lowbit::pack<Op, Arch>(memory.data(), n, k, [&](std::size_t row, std::size_t u) {
    lowbit::word bits = 0;
    for (std::size_t j = u * 64; j < k && j < (u + 1) * 64; ++j)
      bits |= lowbit::word{p.w[row * k + j] < 0 ? 1U : 0U} << (j % 64);
    return flip && row == n - 1 && u == units - 1 ? bits ^ 1U : bits;
  });
  const std::size_t stride = units + 2;
  const guarded<typename Op::activation> rows((m - 1) * stride + units, 0xFF);
  const guarded<std::int32_t> sums(m);
  for (std::size_t r = 0; r < m; ++r) {
    sums[r] = 0;
    for (std::size_t u = 0; u < units; ++u) rows[r * stride + u] = {};
    for (std::size_t j = 0; j < k; ++j) {
      const int code = p.a[r * k + j];
      sums[r] += code;
      for (std::size_t b = 0; b < Op::planes; ++b) {
        const lowbit::word bit = (static_cast<unsigned>(code) >> b) & 1U;
        rows[r * stride + j / 64].plane[b] |= bit << (j % 64);
      }
    }
  }
  const std::size_t lanes = lowbit::round_up(n, lowbit::virtual_lanes);
  const canary_matrix<std::int32_t> out(m, n, lanes + 16, lanes);
  const lowbit::activation_rows<Op> x{{rows.data(), m, units, stride}, k, sums.data()};
  lowbit::gemm<Op, Arch>(x, w, lowbit::store_integers{out.view()}, executor);
  const std::string differs = difference<std::int32_t>(out.view(), {p.expected.data(), m, n, n});
  return differs.empty() ? out.damage() : differs;
}

template <class Op, class Arch, class Executor>
void check_sizes(std::uint64_t seed, Executor& executor) {
  random_source random(seed);
  constexpr std::size_t mr = lowbit::selected_kernel<Op, Arch>::mr;
  constexpr std::size_t nr = lowbit::selected_kernel<Op, Arch>::nr;
  for (const std::size_t k : {1U, 26U, 63U, 64U, 65U, 200U, 769U}) {
    for (const std::size_t n : std::set<std::size_t>{1, nr - 1, nr + 1}) {
      for (const std::size_t m : std::set<std::size_t>{1, mr + 1, 13}) {
        const problem<Op> p({m, n, k}, random);
        const std::string differs = difference_of<Op, Arch>(p, executor);
        INFO("planes " << Op::planes << " signed " << Op::is_signed << " M " << m << " N " << n
                       << " K " << k << " seed " << seed << ": " << differs);
        REQUIRE(differs.empty());
      }
    }
  }
}

template <class Arch, class Executor>
void check_ops(std::uint64_t seed, Executor& executor) {
  check_sizes<lowbit::plane_popcount<2, true>, Arch>(seed, executor);
  check_sizes<lowbit::plane_popcount<2, false>, Arch>(seed + 1, executor);
  check_sizes<lowbit::plane_popcount<3, true>, Arch>(seed + 2, executor);
  check_sizes<lowbit::plane_popcount<4, true>, Arch>(seed + 3, executor);
  check_sizes<lowbit::plane_popcount<4, false>, Arch>(seed + 4, executor);
  check_sizes<lowbit::plane_popcount<8, true>, Arch>(seed + 5, executor);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gemm of bit planes equals the reference on ragged edges", "[gemm]",
                        compiled_archs) {
  need_arch<TestType>();
  lowbit::serial one;
  check_ops<TestType>(301, one);
}

TEMPLATE_LIST_TEST_CASE("gemm of bit planes with two threads equals the reference", "[gemm]",
                        compiled_archs) {
  need_arch<TestType>();
  two_threads both;
  check_sizes<lowbit::plane_popcount<4, true>, TestType>(311, both);
}

TEMPLATE_LIST_TEST_CASE("gemm of bit planes holds the extremes of every code", "[gemm]",
                        compiled_archs) {
  need_arch<TestType>();
  using signed4 = lowbit::plane_popcount<4, true>;
  using unsigned8 = lowbit::plane_popcount<8, false>;
  lowbit::serial one;
  random_source random(321);
  for (const std::size_t k : {64U, 1984U, 1985U, 2049U}) {  // byte sums widen after 31 words
    CAPTURE(k);
    for (const fill codes : {fill::lowest, fill::highest}) {
      CHECK(difference_of<signed4, TestType>({{3, 17, k}, random, codes}, one) == "");
      CHECK(difference_of<unsigned8, TestType>({{3, 17, k}, random, codes}, one) == "");
    }
  }
}

TEMPLATE_LIST_TEST_CASE("one flipped weight bit of a plane product is noticed", "[gemm]",
                        compiled_archs) {
  need_arch<TestType>();
  using op = lowbit::plane_popcount<4, false>;
  lowbit::serial one;
  random_source random(331);
  const problem<op> p({5, 33, 129}, random, fill::highest);
  CHECK(difference_of<op, TestType>(p, one, true) != "");
}
