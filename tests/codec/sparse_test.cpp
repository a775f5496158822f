// SPDX-License-Identifier: Apache-2.0
// Sparse matrices read back as what was encoded, cost what their zeros leave, and refuse broken
// tensors; pruning against a plain sort.
#include "lowbit/codec/sparse.hpp"

#include <algorithm>
#include <numeric>

#include "encoded_weights.hpp"
#include "lowbit/codec/prune.hpp"

namespace {

using namespace lowbit_test;
namespace scale = lowbit::scale;
using lowbit::block;
using lowbit::errc;
using lowbit::f32;
using lowbit::pruned;
using lowbit::sparse;
using int8 = lowbit::int8<scale::row>;

/// `percent` of the weights are zeros, some of them -0.
std::vector<float> with_zeros(std::size_t count, std::size_t percent, random_source& random) {
  std::vector<float> w = random.floats(count, 0.0F, 1.0F);
  for (float& v : w) {
    if (random.below(100) < percent) v = random.below(2) == 0 ? 0.0F : -0.0F;
  }
  return w;
}

/// Blocks of the matrix that hold a nonzero weight.
template <class Block, class T>
std::size_t nonzero_blocks(const std::vector<T>& w, std::size_t n, std::size_t k) {
  std::size_t count = 0;
  for (std::size_t r = 0; r < n; r += Block::rows) {
    for (std::size_t c = 0; c < k; c += Block::columns) {
      bool nonzero = false;
      for (std::size_t i = r; i < std::min(n, r + Block::rows); ++i) {
        for (std::size_t j = c; j < std::min(k, c + Block::columns); ++j)
          nonzero = nonzero || w[i * k + j] != T{};
      }
      count += nonzero ? 1 : 0;
    }
  }
  return count;
}

template <class Block>
void check_floats(std::size_t n, std::size_t k, std::size_t percent, random_source& random) {
  CAPTURE(n, k, percent, Block::rows, Block::columns, random.seed());
  const std::vector<float> w = with_zeros(n * k, percent, random);
  const stored_matrix<sparse<f32, Block>> m(w, n, k);
  for (std::size_t r = 0; r < n; ++r) {
    const std::vector<float> row(w.begin() + static_cast<std::ptrdiff_t>(r * k),
                                 w.begin() + static_cast<std::ptrdiff_t>((r + 1) * k));
    CHECK(m.floats(r) == row);
  }
  CHECK(m.reader.blocks.blocks() == nonzero_blocks<Block>(w, n, k));
  CHECK(m.encoded.tensors[2].bytes.size() ==
        m.reader.blocks.blocks() * Block::size * sizeof(float));
}

template <class Block>
void check_integers(std::size_t n, std::size_t k, random_source& random) {
  CAPTURE(n, k, Block::rows, Block::columns, random.seed());
  const std::vector<float> w = with_zeros(n * k, 80, random);
  const stored_matrix<int8> dense(w, n, k);
  const stored_matrix<sparse<int8, Block>> m(w, n, k);
  std::vector<std::int8_t> all;
  for (std::size_t r = 0; r < n; ++r) {
    CHECK(m.integers(r) == dense.integers(r));
    CHECK(m.floats(r) == dense.floats(r));
    CHECK(m.reader.scale(r) == dense.reader.scale(r));
    const auto row = dense.integers(r);
    all.insert(all.end(), row.begin(), row.end());
  }
  CHECK(m.reader.blocks.blocks() == nonzero_blocks<Block>(all, n, k));
}

/// What prune_magnitude must give, by sorting all weights.
std::vector<float> sorted_and_cut(std::vector<float> w, std::size_t zeros) {
  std::vector<std::size_t> order(w.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::fabs(w[a]) < std::fabs(w[b]); });
  for (std::size_t i = 0; i < zeros; ++i) w[order[i]] = 0.0F;
  return w;
}

}  // namespace

TEST_CASE("sparse floats are the matrix, and only its nonzero blocks are stored", "[codec]") {
  random_source random(400);
  for (const std::size_t percent : {0U, 50U, 97U, 100U}) {
    for (const std::size_t k : {1U, 7U, 63U, 64U, 65U, 130U}) {
      for (const std::size_t n : {1U, 15U, 16U, 33U}) {
        check_floats<block<1, 1>>(n, k, percent, random);
        check_floats<block<16, 1>>(n, k, percent, random);
        check_floats<block<2, 3>>(n, k, percent, random);
      }
    }
  }
}

TEST_CASE("sparse int8 holds the integers and scales of int8", "[codec]") {
  random_source random(401);
  for (const std::size_t k : {1U, 3U, 4U, 65U, 130U}) {
    for (const std::size_t n : {1U, 16U, 33U}) {
      check_integers<block<1, 1>>(n, k, random);
      check_integers<block<16, 4>>(n, k, random);
    }
  }
}

TEST_CASE("stored bytes of a sparse matrix", "[codec]") {
  const stored_matrix<sparse<>> m({0, 2, 0, 0, 0, 0, 0, 0, 3, 4,  //
                                   0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                                  2, 10);
  CHECK(m.encoded.tensors[1].bytes ==
        std::vector{std::byte{2}, std::byte{3}, std::byte{}, std::byte{}});
  CHECK(m.encoded.tensors[2].shape == std::vector<std::size_t>{3});
  const stored_matrix<sparse<f32, block<2, 2>>> blocks({0, 0, 5, 0, 0, 6}, 2, 3);
  CHECK(blocks.encoded.tensors[2].shape == std::vector<std::size_t>{1, 4});
  std::vector<float> values(4);  // column 2 and what lies outside
  for (std::size_t i = 0; i < 4; ++i) values[i] = blocks.reader.blocks.value(0, i);
  CHECK(values == std::vector<float>{5, 0, 6, 0});
}

TEST_CASE("an int8 weight that rounds to 0 is not stored", "[codec]") {
  const stored_matrix<sparse<int8>> m({127, 0.4F, 1, -0.4F}, 1, 4);
  CHECK(m.reader.blocks.blocks() == 2);
  CHECK(m.integers(0) == std::vector<std::int8_t>{127, 0, 1, 0});
}

TEMPLATE_TEST_CASE("sparse encoders keep the contract of encode", "[codec]", sparse<>,
                   (sparse<f32, block<16, 1>>), (sparse<int8>), (sparse<int8, block<16, 4>>),
                   pruned<50>, (pruned<80, int8, block<16, 4>>)) {
  random_source random(402);
  check_encoding_contract<TestType>(random.floats(20 * 15, 0.0F, 1.0F), 20, 15);
  const stored_matrix<TestType> no_rows({}, 0, 5);
  const stored_matrix<TestType> no_columns({}, 5, 0);
  CHECK(no_columns.floats(4).empty());
  const stored_matrix<TestType> zeros(std::vector<float>(21), 3, 7);
  CHECK(zeros.reader.blocks.blocks() == 0);
  CHECK(zeros.floats(2) == std::vector<float>(7));
}

TEST_CASE("malformed sparse tensors are refused by name", "[codec]") {
  random_source random(403);
  const std::vector<float> w = with_zeros(3 * 13, 50, random);
  stored_matrix<sparse<>> m(w, 3, 13);
  const auto second = m.tensors.get<std::int32_t>(".offsets", 1);
  SECTION("offsets that do not begin with 0") {
    m.tensors.set(".offsets", 0, std::int32_t{1});
    expect_error(m.open(), errc::malformed, {"m.weight.offsets begins with 1, expected 0"});
  }
  SECTION("an offset that its row's bits do not give") {
    m.tensors.set(".offsets", 1, second + 1);
    expect_error(m.open(), errc::malformed,
                 {"m.weight.offsets element 1 is " + std::to_string(second + 1) + " above",
                  "expected " + std::to_string(second), "m.weight.mask"});
  }
  SECTION("descending offsets") {
    m.tensors.set(".offsets", 1, std::int32_t{-1});
    expect_error(m.open(), errc::malformed, {"m.weight.offsets element 1 is -1 above"});
  }
  SECTION("offsets that would overflow") {
    m.tensors.set(".offsets", 2, std::numeric_limits<std::int32_t>::min());
    expect_error(m.open(), errc::malformed, {"m.weight.offsets element 2 is -"});
  }
  SECTION("a bit past the last column") {
    m.tensors.byte(".mask", 3) |= std::byte{0x20};  // row 1, bit 13
    expect_error(m.open(), errc::malformed, {"m.weight.mask row 1 has bits set past column 13"});
  }
  SECTION("a bit too many") {
    m.tensors.byte(".mask", 4) ^= std::byte{1};
    expect_error(m.open(), errc::malformed, {"m.weight.offsets element 3", "row of m.weight.mask"});
  }
  SECTION("a value that is no number") {
    m.tensors.set(".values", 2, std::numeric_limits<float>::quiet_NaN());
    expect_error(m.open(), errc::malformed, {"m.weight.values element 2 is not finite"});
  }
  SECTION("fewer values than bits") {
    m.tensors.descriptor(".values").shape[0] -= 1;
    expect_error(m.open(), errc::shape_mismatch, {"m.weight.values"});
  }
  SECTION("other extents") {
    m.tensors.descriptor(".mask").shape[1] = 1;
    expect_error(m.open(), errc::shape_mismatch, {"m.weight.mask", "[3, 1]", "[3, 2]"});
  }
  SECTION("another type") {
    m.tensors.descriptor(".offsets").type = lowbit::element_type::f32;
    expect_error(m.open(), errc::malformed, {"m.weight.offsets is F32, expected I32"});
  }
  SECTION("missing tensors") {
    for (const char* suffix : {".offsets", ".mask", ".values"}) {
      stored_matrix<sparse<>> broken(w, 3, 13);
      broken.tensors.remove(suffix);
      expect_error(broken.open(), errc::not_found, {"m.weight", suffix, "is missing"});
    }
  }
}

TEST_CASE("malformed sparse int8 tensors are refused by name", "[codec]") {
  stored_matrix<sparse<int8, block<16, 4>>> m({1, 2, 3, 4, 5, 6}, 2, 3);
  SECTION("a code of -128") {
    m.tensors.byte(".values", 1) = std::byte{0x80};
    expect_error(m.open(), errc::malformed,
                 {"m.weight.values block 0 element 1 is -128", "expected -127 to 127"});
  }
  SECTION("a value past the last column") {
    m.tensors.byte(".values", 3) = std::byte{1};
    expect_error(m.open(), errc::malformed, {"block 0 element 3 is not 0 outside of the matrix"});
  }
  SECTION("a value past the last row") {
    m.tensors.byte(".values", 8) = std::byte{1};
    expect_error(m.open(), errc::malformed, {"block 0 element 8 is not 0 outside of the matrix"});
  }
  SECTION("a negative scale") {
    m.tensors.set(".scale", 1, -1.0F);
    expect_error(m.open(), errc::malformed, {"m.weight.scale element 1 is below 0"});
  }
}

TEST_CASE("pruning removes the exact number of smallest weights, ties in order", "[codec][prune]") {
  random_source random(404);
  CAPTURE(random.seed());
  std::vector<float> w(7 * 9);
  for (float& v : w) v = static_cast<float>(static_cast<int>(random.below(9)) - 4);  // many ties
  const lowbit::matrix_view<const float> view{w.data(), 7, 9, 9};
  for (const double sparsity : {0.0, 0.3, 0.5, 0.8, 0.99, 1.0}) {
    const auto zeros = static_cast<std::size_t>(std::lround(sparsity * 63));
    const auto kept = lowbit::prune_magnitude(view, sparsity);
    REQUIRE(kept.ok());
    CAPTURE(sparsity, zeros);
    CHECK(*kept == sorted_and_cut(w, zeros));
  }
}

TEST_CASE("block pruning removes the blocks of least squares", "[codec][prune]") {
  // Blocks of 2 x 2: sums of squares 4, 1, 9 and, at the edge, 2, 1, 100.
  const std::vector<float> w{1, 1,  1, 0, 0, 3,  //
                             1, 1,  0, 0, 0, 0,  //
                             1, -1, 1, 0, 0, -10};
  const auto kept = lowbit::prune_magnitude<block<2, 2>>({w.data(), 3, 6, 6}, 0.5);
  REQUIRE(kept.ok());
  CHECK(*kept == std::vector<float>{1, 1, 0, 0, 0, 3,  //
                                    1, 1, 0, 0, 0, 0,  //
                                    0, 0, 0, 0, 0, -10});
}

TEST_CASE("pruning refuses what it cannot order", "[codec][prune]") {
  const std::vector<float> w{1, NAN};
  const lowbit::matrix_view<const float> view{w.data(), 1, 2, 2};
  for (const double bad : {-0.1, 1.5, static_cast<double>(NAN)}) {
    expect_error(lowbit::prune_magnitude(view, bad).status(), errc::invalid_argument,
                 {"sparsity", "expected 0 to 1"});
  }
  expect_error(lowbit::prune_magnitude(view, 0.5).status(), errc::invalid_argument,
               {"row 0 column 1 is nan"});
}

TEST_CASE("pruned<P> keeps the largest weights and says so in its name", "[codec][prune]") {
  random_source random(405);
  CAPTURE(random.seed());
  const std::vector<float> w = random.floats(20 * 10, 0.0F, 1.0F);
  const stored_matrix<pruned<80>> m(w, 20, 10);
  CHECK(m.reader.blocks.blocks() == 40);
  const std::vector<float> expected = sorted_and_cut(w, 160);
  for (std::size_t r = 0; r < 20; ++r) {
    CHECK(std::equal(expected.begin() + static_cast<std::ptrdiff_t>(r * 10),
                     expected.begin() + static_cast<std::ptrdiff_t>(r * 10 + 10),
                     m.floats(r).begin()));
  }
  CHECK(std::string(pruned<80>::name) == "pruned80");
  CHECK(std::string(pruned<5>::name) == "pruned05");
  CHECK(pruned<80>::row_bytes(768) == 615 + 96);  // a fifth of 3072, and a bit per weight
}
