// SPDX-License-Identifier: Apache-2.0
// Codebooks: stored indices are read bit by bit, decoded weights must be the nearest centroid by a
// search over all, row groups must equal matrices of their own; and broken tensors.
#include "lowbit/codec/codebook.hpp"

#include <algorithm>
#include <cmath>

#include "encoded_weights.hpp"

namespace {

using namespace lowbit_test;
namespace scale = lowbit::scale;
namespace centroid = lowbit::centroid;
using lowbit::codebook;
using lowbit::errc;
template <std::size_t N, class Scale = scale::tensor>
using int8_book = codebook<N, Scale, centroid::int8>;

static_assert(codebook<4>::index_bits == 2 && codebook<5>::index_bits == 3);
static_assert(codebook<16>::index_bits == 4 && codebook<17>::index_bits == 5);
static_assert(codebook<256>::index_bits == 8 && codebook<8>::bits_per_weight == 3);
static_assert(codebook<8>::row_bytes(3) == 2 && codebook<100>::row_bytes(9) == 8);
static_assert(codebook<16>::kernel_bits == 4 && codebook<17>::kernel_bits == 8);
static_assert(int8_book<16>::kernel_bits == 4 && int8_book<17>::kernel_bits == 8);
static_assert(int8_book<16, scale::row_group<4>>::kernel_bits == 8);
static_assert(int8_book<9, scale::row_group<4>>::scales(9, 5) == 3 &&
              codebook<9>::scales(9, 5) == 0);
static_assert(codebook<9, scale::row_group<4>>::centroid_bytes(9) == 3 * 9 * 4);
static_assert(int8_book<9>::centroid_bytes(9) == 9);

unsigned bit_by_bit(const std::vector<std::byte>& rows, std::size_t row_bytes, std::size_t row,
                    std::size_t j, std::size_t bits) {
  unsigned code = 0;
  for (std::size_t b = 0; b < bits; ++b) {
    const std::size_t at = j * bits + b;
    const auto byte = std::to_integer<unsigned>(rows[row * row_bytes + at / 8]);
    code |= (byte >> (at % 8) & 1U) << b;
  }
  return code;
}

/// Every code is that of a centroid nobody is nearer than; float readings agree with it.
template <class Codec>
void check_codebook(std::size_t n, std::size_t k, random_source& random) {
  CAPTURE(n, k, Codec::name, Codec::size, random.seed());
  const std::vector<float> w = random.floats(n * k, 0.01F, 0.2F);
  const stored_matrix<Codec> m(w, n, k);
  std::size_t wrong = 0;
  for (std::size_t r = 0; r < n; ++r) {
    std::vector<float> values;
    if constexpr (std::is_same_v<Codec, codebook<Codec::size>>) {
      values.resize(Codec::size);
      m.reader.centroids(r, values.data());
    } else {
      std::int8_t integers[Codec::size];
      m.reader.centroids(r, integers);
      for (const std::int8_t q : integers) {
        values.push_back(static_cast<float>(q) * m.reader.scale(r));
      }
      const auto [low, high] = std::minmax_element(std::begin(integers), std::end(integers));
      CHECK(std::max(-*low, +*high) == 127);
    }
    CHECK(std::is_sorted(values.begin(), values.end()));
    const auto floats = m.floats(r);
    const auto codes = m.codes(r);
    for (std::size_t j = 0; j < k; ++j) {
      const unsigned code =
          bit_by_bit(m.encoded.tensors[0].bytes, Codec::row_bytes(k), r, j, Codec::index_bits);
      if (codes[j] != code || code >= Codec::size || floats[j] != values[code]) ++wrong;
      for (const float v : values) {
        const auto x = static_cast<double>(w[r * k + j]);
        if (std::fabs(x - static_cast<double>(v)) < std::fabs(x - static_cast<double>(floats[j]))) {
          ++wrong;
        }
      }
    }
  }
  CHECK(wrong == 0);
}
template <std::size_t N>
void check_size(random_source& random) {
  for (const std::size_t k : {1U, 3U, 15U, 26U, 64U, 75U}) {
    const std::size_t n = N / k + 2;
    check_codebook<codebook<N>>(n, k, random);
    check_codebook<int8_book<N>>(n, k, random);
  }
}

}  // namespace

TEST_CASE("every weight becomes the nearest centroid, for every index width", "[codec]") {
  random_source random(250);
  check_size<4>(random);
  check_size<5>(random);
  check_size<8>(random);
  check_size<13>(random);
  check_size<16>(random);
  check_size<17>(random);
  check_size<33>(random);
  check_size<64>(random);
  check_size<100>(random);
  check_size<129>(random);
  check_size<255>(random);
  check_size<256>(random);
}

TEST_CASE("centroids of a tensor are those of k_means, in the table, too", "[codec]") {
  random_source random(251);
  CAPTURE(random.seed());
  const std::vector<float> w = random.floats(9 * 26, 0.0F, 1.0F);
  const stored_matrix<codebook<13>> m(w, 9, 26);
  const auto expected = lowbit::k_means(w, 13);
  REQUIRE(expected.ok());
  float table[16];
  m.reader.table(table);
  for (std::size_t c = 0; c < 16; ++c) CHECK(table[c] == (c < 13 ? (*expected)[c] : 0.0F));
  CHECK(std::equal(expected->begin(), expected->end(), m.reader.centroids()));
}

TEST_CASE("int8 centroids: integers, table and floats agree", "[codec]") {
  random_source random(252);
  CAPTURE(random.seed());
  const std::vector<float> w = random.floats(9 * 15, 0.1F, 1.0F);
  check_readings_agree(stored_matrix<int8_book<16>>(w, 9, 15));
  check_readings_agree(stored_matrix<int8_book<11>>(w, 9, 15));
  check_readings_agree(stored_matrix<int8_book<40>>(w, 9, 15));
  check_readings_agree(stored_matrix<int8_book<8, scale::row_group<2>>>(w, 9, 15));
}

TEST_CASE("a row group is encoded as a matrix of its own would be", "[codec]") {
  random_source random(253);
  CAPTURE(random.seed());
  constexpr std::size_t n = 7;  // groups of 3, 3, 1
  constexpr std::size_t k = 26;
  const std::vector<float> w = random.floats(n * k, 0.0F, 1.0F);
  const stored_matrix<codebook<6, scale::row_group<3>>> m(w, n, k);
  const stored_matrix<int8_book<6, scale::row_group<3>>> integers(w, n, k);
  CHECK(m.encoded.tensors[1].shape == std::vector<std::size_t>{3, 6});
  for (std::size_t begin = 0; begin < n; begin += 3) {
    const std::size_t rows = std::min<std::size_t>(3, n - begin);
    const auto from = w.begin() + static_cast<std::ptrdiff_t>(begin * k);
    const std::vector<float> part(from, from + static_cast<std::ptrdiff_t>(rows * k));
    const stored_matrix<codebook<6>> alone(part, rows, k);
    const stored_matrix<int8_book<6>> integers_alone(part, rows, k);
    for (std::size_t r = 0; r < rows; ++r) {
      CHECK(m.floats(begin + r) == alone.floats(r));
      CHECK(integers.floats(begin + r) == integers_alone.floats(r));
    }
  }
}

TEST_CASE("weights that are codebook values come back exactly", "[codec]") {
  const std::vector<float> values{-0.3F, -0.1F, 0.0F, 0.25F, 7.0F};
  std::vector<float> w;
  for (std::size_t i = 0; i < 60; ++i) w.push_back(values[i * 7 % 5]);
  const stored_matrix<codebook<5>> m(w, 4, 15);
  for (std::size_t r = 0; r < 4; ++r) {
    const auto from = w.begin() + static_cast<std::ptrdiff_t>(r * 15);
    CHECK(m.floats(r) == std::vector<float>(from, from + 15));
  }
}

TEST_CASE("a codebook larger than its data names the rows", "[codec]") {
  std::vector<float> w{1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 2, 3, 9, 9, 9, 9};
  const lowbit::matrix_view<const float> view{w.data(), 8, 2, 2};
  expect_error(encode(codebook<4, scale::row_group<2>>{}, view).status(), errc::invalid_argument,
               {"rows 4 to 5", "codebook of 4 values", "3 distinct"});
  expect_error(encode(int8_book<16>{}, view).status(), errc::invalid_argument,
               {"codebook of 16 values is larger than its data", "9 distinct"});
  expect_error(encode(codebook<4>{}, lowbit::matrix_view<const float>{w.data(), 0, 4, 4}).status(),
               errc::invalid_argument, {"0 distinct"});
}

TEMPLATE_TEST_CASE("codebook encoders keep the contract of encode", "[codec]", codebook<16>,
                   (codebook<7, scale::row_group<2>>), int8_book<64>,
                   (int8_book<7, scale::row_group<2>>)) {
  random_source random(254);
  check_encoding_contract<TestType>(random.floats(5 * 26, 0.0F, 1.0F), 5, 26);
}

TEST_CASE("malformed codebooks are refused by name", "[codec]") {
  random_source random(255);
  const std::vector<float> w = random.floats(4 * 15, 0.0F, 1.0F);
  stored_matrix<codebook<5, scale::row_group<2>>> m(w, 4, 15);  // 45 of 48 bits
  stored_matrix<int8_book<5>> integers(w, 4, 15);
  SECTION("an index past the codebook, across two bytes") {
    m.tensors.byte(".codes", 6) |= std::byte{0b11000000};  // row 1, index 2: bits 6..8
    m.tensors.byte(".codes", 7) |= std::byte{1};
    expect_error(m.open(), errc::malformed,
                 {"m.weight.codes row 1 column 2 is code 7", "expected 0 to 4"});
  }
  SECTION("pad bits") {
    m.tensors.byte(".codes", 23) |= std::byte{0x80};
    expect_error(m.open(), errc::malformed, {"m.weight.codes row 3 has bits set past column 15"});
  }
  SECTION("centroids out of order") {
    m.tensors.set(".centroids", 7, 100.0F);
    expect_error(m.open(), errc::malformed,
                 {"m.weight.centroids element 8 is below element 7", "ascending"});
  }
  SECTION("a lower start of the next codebook is in order") {
    m.tensors.set(".centroids", 4, 100.0F);
    CHECK(m.open().ok());
  }
  SECTION("a centroid that is no number") {
    m.tensors.set(".centroids", 9, std::numeric_limits<float>::quiet_NaN());
    expect_error(m.open(), errc::malformed, {"m.weight.centroids element 9 is not finite"});
  }
  SECTION("another number of codebooks") {
    m.tensors.descriptor(".centroids").shape[0] = 1;
    expect_error(m.open(), errc::shape_mismatch, {"m.weight.centroids", "[1, 5]", "[2, 5]"});
  }
  SECTION("a centroid of -128") {
    integers.tensors.set(".centroids", 0, std::int8_t{-128});
    expect_error(integers.open(), errc::malformed, {"m.weight.centroids element 0 is -128"});
  }
  SECTION("integer centroids out of order") {
    integers.tensors.set(".centroids", 3, std::int8_t{-127});
    expect_error(integers.open(), errc::malformed,
                 {"m.weight.centroids element 3 is below element 2"});
  }
  SECTION("float centroids where integers belong") {
    integers.tensors.descriptor(".centroids").type = lowbit::element_type::f32;
    expect_error(integers.open(), errc::malformed, {"m.weight.centroids is F32, expected I8"});
  }
  SECTION("a negative scale") {
    integers.tensors.set(".scale", 0, -1.0F);
    expect_error(integers.open(), errc::malformed, {"m.weight.scale element 0 is below 0"});
  }
}
