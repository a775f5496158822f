// SPDX-License-Identifier: Apache-2.0
#include "lowbit/pack/interleaved.hpp"

#include <catch2/catch_test_macros.hpp>

#include "../support/archs.hpp"
#include "../support/guarded.hpp"
#include "../support/random.hpp"
#include "lowbit/gemm/gemm.hpp"

namespace {

using namespace lowbit_test;

/// unpack(pack(w)) == w, and every unit of a missing output is 0, in memory of the promised size.
template <class Op, class Arch, class Random>
void check_round_trip(std::size_t n, std::size_t k, Random value) {
  using packed = lowbit::packed_weights<Op, Arch>;
  using weight = typename Op::weight;
  const guarded<weight> memory(packed::elements(n, k), 0xFF);
  std::vector<std::vector<weight>> rows(n, std::vector<weight>(Op::units(k)));
  for (auto& row : rows) {
    for (weight& w : row) w = value();
  }
  const packed view = lowbit::pack<Op, Arch>(
      memory.data(), n, k, [&](std::size_t o, std::size_t u) { return rows[o][u]; });
  CHECK(view.n == n);
  CHECK(view.k == k);
  CHECK(view.panels() == (n + packed::nr - 1) / packed::nr);
  bool equal = true;
  for (std::size_t o = 0; o < view.panels() * packed::nr; ++o) {
    for (std::size_t u = 0; u < view.units; ++u) {
      const weight expected = o < n ? rows[o][u] : weight{};
      equal = equal && lowbit::unpack(view, o, u) == expected;
    }
  }
  CAPTURE(Op::name, n, k);
  CHECK(equal);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("unpack gives back what was packed, missing outputs are zeros", "[pack]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(130);
  CAPTURE(random.seed());
  for (const std::size_t n : {1U, 15U, 16U, 17U, 31U, 32U, 33U, 47U, 48U, 49U, 97U}) {
    for (const std::size_t k : {1U, 63U, 64U, 65U, 257U}) {
      check_round_trip<lowbit::xor_popcount, TestType>(n, k, [&] { return random.bits(); });
      check_round_trip<lowbit::mul_add, TestType>(n, k, [&] { return random.around(0, 1); });
    }
  }
}

TEST_CASE("the units of neighbouring outputs lie side by side", "[pack]") {
  using op = lowbit::xor_popcount;
  using packed = lowbit::packed_weights<op, lowbit::scalar>;
  static_assert(packed::nr == 16);
  static_assert(packed::elements(17, 65) == 2 * 16 * 2);
  std::vector<lowbit::word> memory(packed::elements(17, 65));
  const auto view = lowbit::pack<op, lowbit::scalar>(
      memory.data(), 17, 65, [](std::size_t n, std::size_t u) { return 100 * u + n; });
  CHECK(memory[0] == 0);
  CHECK(memory[15] == 15);
  CHECK(memory[16] == 100);  // unit 1 of output 0
  CHECK(memory[32] == 16);   // panel 1
  CHECK(memory[33] == 0);    // a missing output
  CHECK(memory[32 + 16] == 116);
  CHECK(view.panel(1) == memory.data() + 32);
}

TEMPLATE_LIST_TEST_CASE("rows and transposed rows of memory pack as their elements do", "[pack]",
                        compiled_archs) {
  need_arch<TestType>();
  using op = lowbit::mul_add;
  using packed = lowbit::packed_weights<op, TestType>;
  random_source random(131);
  for (const std::size_t n : {std::size_t{1}, packed::nr - 1, packed::nr, packed::nr + 17}) {
    for (const std::size_t k : {1U, 5U, 64U}) {
      const guarded<float> rows(n * k);       // (N, K), ends at a guard page
      const guarded<float> transpose(k * n);  // (K, N)
      for (std::size_t o = 0; o < n; ++o) {
        for (std::size_t u = 0; u < k; ++u) {
          rows[o * k + u] = random.around(0, 1);
          transpose[u * n + o] = rows[o * k + u];
        }
      }
      const std::size_t elements = packed::elements(n, k);
      const guarded<float> expected(elements, 0xFF);
      const guarded<float> by_output(elements, 0xFF);
      const guarded<float> by_unit(elements, 0xFF);
      lowbit::pack<op, TestType>(expected.data(), n, k,
                                 [&](std::size_t o, std::size_t u) { return rows[o * k + u]; });
      lowbit::pack_outputs<op, TestType>(by_output.data(), n, k,
                                         [&](std::size_t o) { return rows.data() + o * k; });
      lowbit::pack_units<op, TestType>(by_unit.data(), n, k,
                                       [&](std::size_t u) { return transpose.data() + u * n; });
      CAPTURE(n, k);
      CHECK(std::memcmp(expected.data(), by_output.data(), elements * sizeof(float)) == 0);
      CHECK(std::memcmp(expected.data(), by_unit.data(), elements * sizeof(float)) == 0);
    }
  }
}
