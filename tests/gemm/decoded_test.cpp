// SPDX-License-Identifier: Apache-2.0
// Products of floats that stay codes in memory against the reference on the floats themselves, bit
// for bit: every width of code, outliers, ragged edges, and faults that must be caught.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "../support/archs.hpp"
#include "../support/two_threads.hpp"
#include "lowbit/codec/half.hpp"
#include "operands.hpp"

namespace {

using namespace lowbit_test;
using op = lowbit::decoded_mul_add;

enum class halves { none, bf16, f16 };

/// Random codes with random values, every `outlier_in`-th weight an outlier (0: none): what a
/// codec's reader gives to pack_decoded, and the floats.
class coded_matrix {
 public:
  std::size_t n, k;
  std::vector<float> weights;  // (N, K)

  coded_matrix(std::size_t rows, std::size_t cols, std::size_t bits, halves kind,
               std::size_t outlier_in, random_source& random)
      : n(rows), k(cols), outlier_(rows * cols) {
    form_.bits = static_cast<std::uint32_t>(bits);
    if (kind == halves::bf16) lowbit::bf16::reader::values(form_);
    if (kind == halves::f16) lowbit::f16::reader::values(form_);
    for (std::size_t c = 0; bits <= 8 && c < std::size_t{1} << bits; ++c)
      form_.table[c] = random.around(0.0F, 1.0F);
    for (std::size_t i = 0; i < n * k; ++i) {
      float value = 9.0F;
      while (!(std::abs(value) < 2.0F)) {
        codes_.resize(i);
        codes_.push_back(static_cast<std::uint16_t>(random.below(std::size_t{1} << bits)));
        value = kind == halves::none   ? form_.table[codes_[i]]
                : kind == halves::bf16 ? lowbit::bf16_to_float(codes_[i])
                                       : lowbit::f16_to_float(codes_[i]);
      }
      outlier_[i] = outlier_in != 0 && random.below(outlier_in) == 0;
      weights.push_back(outlier_[i] ? random.around(0.0F, 3.0F) : value);
    }
  }
  void codes(std::size_t row, std::uint16_t* out) const {
    for (std::size_t j = 0; j < k; ++j) out[j] = codes_[row * k + j];
  }
  void values(lowbit::code_values& out) const { out = form_; }
  [[nodiscard]] std::size_t bits() const { return form_.bits; }
  [[nodiscard]] std::size_t outliers() const {
    return static_cast<std::size_t>(std::count(outlier_.begin(), outlier_.end(), true));
  }
  template <class Visit>
  void each_outlier(std::size_t row, Visit visit) const {
    for (std::size_t j = 0; j < k; ++j) {
      if (outlier_[row * k + j]) visit(j, weights[row * k + j]);
    }
  }

 private:
  lowbit::code_values form_;
  std::vector<std::uint16_t> codes_;
  std::vector<bool> outlier_;
};

/// How the product of m random rows differs from the reference; empty when it does not.
template <class Arch, class Executor, class Mutate = unchanged>
std::string decoded_difference(const coded_matrix& w, std::size_t m, random_source& random,
                               Executor& executor, Mutate mutate = {}) {
  using packed = lowbit::packed_weights<op, Arch>;
  const auto [n, k] = std::pair{w.n, w.k};
  const guarded<std::byte> memory(packed::elements(n, k, w.bits(), w.outliers()), 0xFF);
  std::vector<std::uint16_t> row(k);
  lowbit::pack_decoded<Arch>(memory.data(), n, k, row.data(), w);
  mutate(memory);
  const std::vector<float> x = random.floats(m * k, 0.0F, 2.0F);
  std::vector<float> expected(m * n);
  lowbit::reference_gemm<float, float>({x.data(), m, k, k}, {w.weights.data(), n, k, k},
                                       {expected.data(), m, n, n});
  const std::size_t stride = k + 3;
  const guarded<float> rows(m == 0 ? 0 : (m - 1) * stride + k, 0xFF);
  for (std::size_t t = 0; t < m; ++t)
    std::memcpy(rows.data() + t * stride, x.data() + t * k, k * sizeof(float));
  const canary_matrix<float> out(m, n, n + 5);
  lowbit::gemm<op, Arch>(lowbit::activation_rows<op>{{rows.data(), m, k, stride}, k},
                         packed{memory.data(), n, k, k}, lowbit::store{out.view()}, executor);
  const std::string differs = difference<float>(out.view(), {expected.data(), m, n, n});
  return differs.empty() ? out.damage() : differs;
}

template <class Arch, class Executor>
void check_all_sizes(std::size_t bits, halves kind, std::uint64_t seed, Executor& executor) {
  using kernel = lowbit::selected_kernel<op, Arch>;
  constexpr std::size_t block = op::block_units;
  random_source random(seed);
  for (const std::size_t k :
       {std::size_t{1}, std::size_t{7}, block - 1, block, block + 1, 2 * block, 3 * block + 5}) {
    for (const std::size_t n : {std::size_t{1}, kernel::nr - 1, kernel::nr, 2 * kernel::nr + 17}) {
      for (const std::size_t outlier_in : {0U, 9U}) {
        const coded_matrix w(n, k, bits, kind, outlier_in, random);
        for (const std::size_t m :
             std::set<std::size_t>{0, 1, 2, kernel::mr, kernel::mr + 1, op::block_rows + 1}) {
          const std::string differs = decoded_difference<Arch>(w, m, random, executor);
          INFO(bits << " bits, M " << m << " N " << n << " K " << k << ", " << w.outliers()
                    << " outliers: " << differs);
          REQUIRE(differs.empty());
        }
      }
    }
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("decoded codes give the bits of the dense product on ragged edges",
                        "[gemm][decoded]", compiled_archs) {
  need_arch<TestType>();
  lowbit::serial executor;
  for (const std::size_t bits : {1U, 2U, 3U, 4U, 8U})
    check_all_sizes<TestType>(bits, halves::none, 330 + bits, executor);
  check_all_sizes<TestType>(16, halves::bf16, 340, executor);
  check_all_sizes<TestType>(16, halves::f16, 341, executor);
}

TEMPLATE_LIST_TEST_CASE("decoded codes with two threads give the same bits", "[gemm][decoded]",
                        compiled_archs) {
  need_arch<TestType>();
  two_threads executor;
  check_all_sizes<TestType>(3, halves::none, 342, executor);
}

TEMPLATE_LIST_TEST_CASE("every half is decoded to its float, subnormal ones, too",
                        "[gemm][decoded]", compiled_archs) {
  need_arch<TestType>();
  using kernel = lowbit::selected_kernel<op, TestType>;
  std::vector<std::uint16_t> bits(65536);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(i);
  const std::size_t units = bits.size() / kernel::nr;
  std::vector<float> out(units * kernel::nr);
  const auto wrong = [&](auto format) {
    using codec = decltype(format);
    std::size_t count = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if ((bits[i] & codec::infinity) == codec::infinity) continue;  // no weight: refused
      if (!same_bits(out[i], codec::decode(bits[i]))) ++count;
    }
    return count;
  };
  kernel::decode_f16(reinterpret_cast<const std::byte*>(bits.data()), units, out.data());
  CHECK(wrong(lowbit::f16{}) == 0);
  kernel::decode_bf16(reinterpret_cast<const std::byte*>(bits.data()), units, out.data());
  CHECK(wrong(lowbit::bf16{}) == 0);
}

TEMPLATE_LIST_TEST_CASE("a flipped code, value, block or outlier is caught", "[gemm][mutant]",
                        compiled_archs) {
  need_arch<TestType>();
  using packed = lowbit::packed_weights<op, TestType>;
  random_source random(343);
  lowbit::serial executor;
  constexpr std::size_t k = 2 * op::block_units + 3;
  const coded_matrix w(packed::nr, k, 3, halves::none, 7, random);
  CHECK(decoded_difference<TestType>(w, 2, random, executor).empty());
  const auto caught = [&](std::size_t byte) {
    return !decoded_difference<TestType>(
                w, 2, random, executor,
                [&](const guarded<std::byte>& memory) { memory[byte] ^= std::byte{2}; })
                .empty();
  };
  constexpr std::size_t table = lowbit::buffer_alignment;
  constexpr std::size_t index = packed::codes_end(packed::nr, k, 3);
  constexpr std::size_t list = index + packed::index_bytes(packed::nr, k);
  std::size_t first = 0;  // a weight that is no outlier
  w.each_outlier(0, [&](std::size_t column, float) { first += column == first ? 1 : 0; });
  CHECK(caught(table + 2));
  CHECK(caught(table + packed::table_bytes(3) + first * packed::unit_bytes(3)));
  CHECK(caught(index + 4));  // one block gets two outliers of the next
  CHECK(caught(list));
  CHECK(caught(list + 6));
}
