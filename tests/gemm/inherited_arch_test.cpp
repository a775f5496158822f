// SPDX-License-Identifier: Apache-2.0
// What an arch does not give it has from its fallback: every product of an arch that states a few
// odd tiles and nothing else equals the reference, or the scalar arch, which other tests hold to
// it.
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string_view>

#include "../support/archs.hpp"
#include "../support/odd_arch.hpp"
#include "lowbit/codec/half.hpp"
#include "lowbit/pack/group_panels.hpp"
#include "operands.hpp"
#include "sparse_operands.hpp"

namespace {

using namespace lowbit_test;

template <class Op, class Arch>
void check_product(std::uint64_t seed) {
  using kernel = lowbit::selected_kernel<Op, Arch>;
  random_source random(seed);
  lowbit::serial executor;
  for (const std::size_t k : {1U, 65U, 200U}) {
    for (const std::size_t n : {std::size_t{1}, kernel::nr - 1, kernel::nr, 2 * kernel::nr + 17}) {
      for (const std::size_t m : std::set<std::size_t>{1, kernel::mr, kernel::mr + 1, 23}) {
        const std::string differs =
            gemm_difference<Op, Arch>(gemm_problem<Op>({m, n, k}, random), executor);
        INFO(Op::name << " M " << m << " N " << n << " K " << k << ": " << differs);
        REQUIRE(differs.empty());
      }
    }
  }
}

constexpr std::size_t m = 23, n = 101, k = 77;

/// Products of M random rows, stored as they are.
template <class Op, class Arch>
std::vector<typename Op::accumulator> product_of(const std::vector<typename Op::activation>& a,
                                                 const lowbit::packed_weights<Op, Arch>& w,
                                                 const std::vector<std::int32_t>& sums) {
  const std::size_t stride = lowbit::round_up(n, lowbit::virtual_lanes);
  std::vector<typename Op::accumulator> out(m * stride);
  const lowbit::activation_rows<Op> rows{{a.data(), m, Op::units(k), Op::units(k)}, k, sums.data()};
  lowbit::serial executor;
  if constexpr (std::is_same_v<typename Op::accumulator, float>) {
    lowbit::gemm<Op, Arch>(rows, w, lowbit::store{{out.data(), m, n, stride}}, executor);
  } else {
    lowbit::gemm<Op, Arch>(rows, w, lowbit::store_integers{{out.data(), m, n, stride}}, executor);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = i % stride < n ? out[i] : 0;
  }
  return out;
}

std::vector<std::int32_t> random_sums(random_source& random) {
  std::vector<std::int32_t> sums(m);
  for (std::int32_t& s : sums) s = static_cast<std::int32_t>(random.below(1000));
  return sums;
}

template <class Arch>
std::vector<std::int32_t> planes_product(std::uint64_t seed) {
  using op = lowbit::plane_popcount<4, true>;
  random_source random(seed);
  std::vector<op::activation> a(m * op::units(k));
  std::vector<word> codes(n * op::units(k));
  for (op::activation& unit : a) {
    for (word& plane : unit.plane) plane = random.bits();
  }
  for (word& unit : codes) unit = random.bits();
  const auto sums = random_sums(random);
  const guarded<word> memory(lowbit::packed_weights<op, Arch>::elements(n, k), 0xFF);
  const auto w = lowbit::pack<op, Arch>(memory.data(), n, k, [&](std::size_t row, std::size_t u) {
    return codes[row * op::units(k) + u] & (u == 0 ? ~word{0} : lowbit::low_mask(k - 64));
  });
  return product_of<op, Arch>(a, w, sums);
}

std::vector<lowbit::quad> random_quads(random_source& random) {
  std::vector<lowbit::quad> a(m * lowbit::ceil_div(k, 4));
  for (lowbit::quad& unit : a) {
    for (std::int8_t& code : unit.code) code = static_cast<std::int8_t>(random.bits() & 0xFFU);
  }
  return a;
}

template <std::size_t Bits, class Arch>
std::vector<float> groups_product(std::uint64_t seed) {
  using op = lowbit::group_dot<Bits>;
  constexpr std::size_t nr = lowbit::selected_kernel<op, Arch>::nr;
  constexpr std::size_t group = 32;
  random_source random(seed);
  const std::vector<lowbit::quad> a = random_quads(random);
  std::vector<std::int8_t> codes(n * k);
  for (std::int8_t& code : codes)
    code = static_cast<std::int8_t>(static_cast<int>(random.below(15)) - 7);
  const std::vector<float> scales = random.floats(n * 3, 0.2F, 0.19F);
  const std::size_t size = op::panel_elements(k, nr, group);
  const guarded<std::byte> memory(lowbit::ceil_div(n, nr) * size, 0xFF);
  std::vector<std::int8_t> row(k);
  REQUIRE(lowbit::pack_groups<op, Arch>(
              memory.data(), n, k, group, row.data(),
              [&](std::size_t o, std::int8_t* out) { std::memcpy(out, &codes[o * k], k); },
              [&](std::size_t o, std::size_t g) { return scales[o * 3 + g]; })
              .ok());
  return product_of<op, Arch>(
      a, lowbit::packed_weights<op, Arch>{memory.data(), n, k, op::units(k), size}, {});
}

/// bf16 codes of values within +-2.
struct halves {
  std::vector<std::uint16_t> stored;
  void codes(std::size_t row, std::uint16_t* out) const {
    std::copy_n(stored.data() + row * k, k, out);
  }
  void values(lowbit::code_values& out) const { lowbit::bf16::reader::values(out); }
};

template <class Arch>
std::vector<float> decoded_product(std::uint64_t seed) {
  using op = lowbit::decoded_mul_add;
  using packed = lowbit::packed_weights<op, Arch>;
  random_source random(seed);
  const std::vector<float> a = random.floats(m * k, 0.0F, 2.0F);
  halves w;
  for (const float v : random.floats(n * k, 0.0F, 2.0F))
    w.stored.push_back(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(v) >> 16));
  const guarded<std::byte> memory(packed::elements(n, k, 16, 0), 0xFF);
  std::vector<std::uint16_t> row(k);
  lowbit::pack_decoded<Arch>(memory.data(), n, k, row.data(), w);
  return product_of<op, Arch>(a, packed{memory.data(), n, k, k}, {});
}

template <class Case, class Arch>
void check_sparse(std::uint64_t seed) {
  random_source random(seed);
  lowbit::serial executor;
  for (const std::size_t rows : {1U, 2U, 7U, 37U}) {
    const sparse_problem<Case> problem({rows, 70, 130}, random, dense_share(random, 20));
    CAPTURE(Case::codec::name, rows);
    CHECK(sparse_difference<Case, Arch>(problem, executor) == "");
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("an arch with a few tiles of its own multiplies as the reference",
                        "[gemm][inherited]", compiled_archs) {
  need_arch<TestType>();
  using arch = odd<TestType>;
  check_product<lowbit::mul_add, arch>(140);
  check_product<lowbit::xor_popcount, arch>(141);
  check_product<lowbit::and_popcount, arch>(142);
  check_product<lowbit::ternary_popcount, arch>(143);
  check_product<lowbit::code_dot<8>, arch>(144);
  check_product<lowbit::code_dot<4>, arch>(145);
  check_product<lowbit::code_dot<1>, arch>(146);
  check_product<lowbit::lookup_mul_add, arch>(147);
  CHECK(planes_product<arch>(148) == planes_product<lowbit::scalar>(148));
  CHECK(groups_product<8, arch>(149) == groups_product<8, lowbit::scalar>(149));
  CHECK(groups_product<4, arch>(150) == groups_product<4, lowbit::scalar>(150));
  CHECK(decoded_product<arch>(151) == decoded_product<lowbit::scalar>(151));
}

TEMPLATE_LIST_TEST_CASE("an arch without sparse tiles of its own has those of its fallback",
                        "[gemm][inherited]", compiled_archs) {
  need_arch<TestType>();
  using arch = odd<TestType>;
  using tile = lowbit::sparse_tile<arch>;
  using below = lowbit::sparse_tile<TestType>;
  STATIC_REQUIRE(tile::rows == below::rows);
  STATIC_REQUIRE(tile::token_vectors == below::token_vectors);
  STATIC_REQUIRE(tile::outputs == below::outputs);
  STATIC_REQUIRE(tile::panels_in_flight == below::panels_in_flight);
  // Not the largest one's, as a tile for every arch that states none would be.
  STATIC_REQUIRE(lowbit::sparse_tile<odd<lowbit::scalar>>::rows == 1);
  STATIC_REQUIRE((tile::rows == 6 || std::string_view(TestType::name) != "avx2"));
  check_sparse<csr_f32, arch>(152);
  check_sparse<block_f32, arch>(153);
  check_sparse<csr_int8, arch>(154);
  check_sparse<block_int8, arch>(155);
}

TEMPLATE_LIST_TEST_CASE("an arch inherits what it does not give, of every kind",
                        "[gemm][inherited]", compiled_archs) {
  using arch = odd<TestType>;
  using ops = lowbit::arch_ops<arch>;
  STATIC_REQUIRE(std::is_base_of_v<lowbit::arch_ops<TestType>, ops>);
  STATIC_REQUIRE(std::is_same_v<lowbit::selected_kernel<lowbit::lookup_mul_add, arch>,
                                lowbit::selected_kernel<lowbit::lookup_mul_add, TestType>>);
  STATIC_REQUIRE(lowbit::selected_kernel<lowbit::mul_add, arch>::nr == 80);
  STATIC_REQUIRE(lowbit::selected_kernel<lowbit::xor_popcount, arch>::mr == 3);
  // Twice over.
  STATIC_REQUIRE(lowbit::arch_ops<odd<arch>>::width == ops::width);
  STATIC_REQUIRE(lowbit::sparse_tile<odd<arch>>::rows == lowbit::sparse_tile<TestType>::rows);
}
