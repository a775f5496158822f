// SPDX-License-Identifier: Apache-2.0
// One-bit weights against an independent computation in double and against hand-written rows.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include "../support/compare.hpp"
#include "../support/random.hpp"
#include "encoded_weights.hpp"
#include "lowbit/codec/encode.hpp"

namespace {

using namespace lowbit_test;
namespace scale = lowbit::scale;
namespace center = lowbit::center;
using row_codec = lowbit::sign<scale::row, center::row>;           // BiBERT
using tensor_codec = lowbit::sign<scale::tensor, center::tensor>;  // BiT linear
using table_codec = lowbit::sign<scale::row, center::tensor>;      // BiT word table

static_assert(row_codec::bits_per_weight == 1 && row_codec::row_bytes(9) == 2);
static_assert(row_codec::scales(7) == 7 && tensor_codec::scales(7) == 1);
static_assert(lowbit::is_sign<row_codec> && !lowbit::is_sign<lowbit::f32>);
static_assert(row_codec::scales(7, 9) == 7 && tensor_codec::scales(7, 9) == 1);
static_assert(lowbit::f32::row_bytes(3) == 12 && lowbit::f32::bits_per_weight == 32);

struct encoded {
  std::vector<std::byte> codes;
  std::vector<float> scales;
  std::size_t ties = 0;
};
template <class Codec>
encoded encode(const std::vector<float>& w, std::size_t n, std::size_t k) {
  const guarded_copy weights(w);
  const guarded<std::byte> codes(n * Codec::row_bytes(k), 0xFF);
  const guarded<float> scales(Codec::scales(n));
  const auto report =
      lowbit::encode(Codec{}, lowbit::matrix_view<const float>{weights.data(), n, k, k},
                     codes.data(), scales.data());
  return {{codes.begin(), codes.end()}, {scales.begin(), scales.end()}, report.ties};
}
bool bit(const encoded& e, std::size_t row_bytes, std::size_t r, std::size_t j) {
  return ((std::to_integer<unsigned>(e.codes[r * row_bytes + j / 8]) >> (j % 8)) & 1U) != 0;
}

/// mean of w and of |w| over [begin, end), in double.
struct mean_pair {
  double value = 0, magnitude = 0;
};
mean_pair means(const std::vector<float>& w, std::size_t begin, std::size_t end) {
  mean_pair m;
  for (std::size_t i = begin; i < end; ++i) {
    m.value += static_cast<double>(w[i]) / static_cast<double>(end - begin);
    m.magnitude += std::fabs(static_cast<double>(w[i])) / static_cast<double>(end - begin);
  }
  return m;
}

/// Codes and scales against BiBERT's and BiT's formulas; elements within 1e-6 of the center may
/// fall either way.
template <class Codec>
void check_codec(std::size_t n, std::size_t k, std::uint64_t seed) {
  random_source random(seed);
  const std::vector<float> w = random.floats(n * k, 0.05F, 0.3F);
  const encoded e = encode<Codec>(w, n, k);
  const mean_pair whole = means(w, 0, n * k);
  const std::size_t row_bytes = Codec::row_bytes(k);
  CAPTURE(n, k, seed);
  for (std::size_t r = 0; r < n; ++r) {
    const mean_pair row = means(w, r * k, (r + 1) * k);
    const bool row_centered = std::is_same_v<typename Codec::center, center::row>;
    const double middle = row_centered ? row.value : whole.value;
    bool equal = true;
    for (std::size_t j = 0; j < k; ++j) {
      const double distance = static_cast<double>(w[r * k + j]) - middle;
      equal = equal && (std::abs(distance) < 1e-6 || bit(e, row_bytes, r, j) == (distance < 0));
    }
    for (std::size_t j = k; j < row_bytes * 8; ++j) equal = equal && !bit(e, row_bytes, r, j);
    CHECK(equal);
    const bool row_scaled = std::is_same_v<typename Codec::scale, scale::row>;
    const double expected = row_scaled ? row.magnitude : whole.magnitude;
    const double actual = static_cast<double>(e.scales[row_scaled ? r : 0]);
    if (k > 1) CHECK(!(std::abs(actual - expected) > 1e-7));  // one element is its own mean: below
  }
}

}  // namespace

TEST_CASE("sign codes and scales are those of the published formulas", "[codec]") {
  std::uint64_t seed = 170;
  for (const std::size_t k : {2U, 7U, 8U, 9U, 64U, 65U, 769U}) {
    for (const std::size_t n : {1U, 2U, 17U}) {
      check_codec<row_codec>(n, k, ++seed);
      check_codec<tensor_codec>(n, k, ++seed);
      check_codec<table_codec>(n, k, ++seed);
    }
  }
}

TEST_CASE("a hand-written sign matrix gives the expected bytes", "[codec]") {
  // Row means 1 and -2; mean of everything -0.5; magnitudes 2.5, 3, 2.75.
  const std::vector<float> w{4, -1, 3, -2, -1, -6, 2, -3};
  const encoded row = encode<row_codec>(w, 2, 4);
  CHECK(row.codes == std::vector{std::byte{0b1010}, std::byte{0b1010}});
  CHECK(row.scales == std::vector{2.5F, 3.0F});
  const encoded tensor = encode<tensor_codec>(w, 2, 4);
  CHECK(tensor.codes == std::vector{std::byte{0b1010}, std::byte{0b1011}});
  CHECK(tensor.scales == std::vector{2.75F});
  const encoded table = encode<table_codec>(w, 2, 4);
  CHECK(table.codes == tensor.codes);
  CHECK(table.scales == row.scales);
  CHECK(row.ties + tensor.ties + table.ties == 0);
}

TEST_CASE("a weight equal to its center is +1 and counted as a tie", "[codec]") {
  const std::vector<float> w{0, -1, 1, 0, -2, 2, 0};  // mean 0
  const encoded e = encode<row_codec>(w, 1, 7);
  CHECK(e.codes[0] == std::byte{0b10010});
  CHECK(e.ties == 3);
  CHECK(encode<tensor_codec>(w, 1, 7).ties == 3);
  CHECK(encode<row_codec>({-0.0F, -1, 1}, 1, 3).ties == 1);
}

TEST_CASE("a constant row has no sign: scale 0 and no ties", "[codec]") {
  const std::vector<float> w{0.5F, 0.5F, 0.5F, 1.0F, -1.0F, 0.0F};
  const encoded rows = encode<row_codec>(w, 2, 3);
  CHECK(rows.scales[0] == 0.0F);
  CHECK(rows.scales[1] > 0.0F);
  CHECK(rows.codes[0] == std::byte{0});
  CHECK(rows.ties == 1);  // row 1 has one element at its mean
  const encoded all = encode<tensor_codec>({0.5F, 0.5F, 0.5F, 0.5F}, 2, 2);
  CHECK(all.scales[0] == 0.0F);
  CHECK(all.ties == 0);
  CHECK(encode<row_codec>({-3.0F}, 1, 1).scales[0] == 0.0F);  // one element is constant
}

TEST_CASE("decoded rows encode to the same codes and scale", "[codec]") {
  random_source random(171);
  CAPTURE(random.seed());
  for (const std::size_t k : {2U, 8U, 15U, 64U, 65U}) {
    std::vector<float> w = random.floats(k, 0.0F, 1.0F);
    w[0] = -1.5F;  // at least one of each sign
    w[1] = 1.5F;
    const encoded first = encode<lowbit::sign<scale::row, center::none>>(w, 1, k);
    guarded<float> decoded(k);
    lowbit::decode_sign_row(first.codes.data(), first.scales[0], k, decoded.data());
    for (std::size_t j = 0; j < k; ++j) {
      CHECK(decoded[j] == (w[j] < 0.0F ? -first.scales[0] : first.scales[0]));
    }
    const std::vector<float> again(decoded.begin(), decoded.end());
    const encoded second = encode<lowbit::sign<scale::row, center::none>>(again, 1, k);
    CHECK(second.codes == first.codes);
    CHECK(std::abs(second.scales[0] - first.scales[0]) <= 1e-7F * first.scales[0]);
  }
}

TEMPLATE_TEST_CASE("one-bit tensors read as the codes and scales that were made", "[codec]",
                   row_codec, tensor_codec, table_codec) {
  random_source random(172);
  CAPTURE(random.seed());
  for (const std::size_t k : {2U, 3U, 15U, 26U, 64U, 75U}) {
    const std::vector<float> w = random.floats(5 * k, 0.05F, 0.3F);
    const stored_matrix<TestType> m(w, 5, k);
    const encoded e = encode<TestType>(w, 5, k);
    CHECK(m.encoded.tensors[0].bytes == e.codes);
    CHECK(m.encoded.report.ties == e.ties);
    check_readings_agree(m);
    for (std::size_t r = 0; r < 5; ++r) {
      CHECK(m.reader.scale(r) == e.scales[e.scales.size() == 1 ? 0 : r]);
      guarded<float> decoded(k);
      const std::byte* row = m.reader.canonical_row(r);
      lowbit::decode_sign_row(row, m.reader.scale(r), k, decoded.data());
      CHECK(m.floats(r) == std::vector<float>(decoded.begin(), decoded.end()));
    }
  }
  check_encoding_contract<TestType>(random.floats(4 * 9, 0.05F, 0.3F), 4, 9);
  const stored_matrix<TestType> no_columns({}, 5, 0);
  CHECK(no_columns.reader.scale(4) == 0.0F);
}

TEST_CASE("malformed one-bit tensors are refused by name", "[codec]") {
  random_source random(173);
  stored_matrix<row_codec> m(random.floats(3 * 13, 0.0F, 1.0F), 3, 13);
  SECTION("a pad bit") {
    m.tensors.byte(".codes", 3) |= std::byte{0x20};
    expect_error(m.open(), lowbit::errc::malformed,
                 {"m.weight.codes row 1 has bits set past column 13"});
  }
  SECTION("a negative scale") {
    m.tensors.set(".scale", 2, -1.0F);
    expect_error(m.open(), lowbit::errc::malformed, {"m.weight.scale element 2 is below 0"});
  }
  SECTION("one scale for three rows") {
    m.tensors.descriptor(".scale").shape[0] = 1;
    expect_error(m.open(), lowbit::errc::shape_mismatch, {"m.weight.scale"});
  }
}

TEST_CASE("f32 matrices are stored as they are", "[codec]") {
  random_source random(174);
  const std::vector<float> w = random.floats(3 * 5, 0.0F, 1.0F);
  stored_matrix<lowbit::f32> m(w, 3, 5);
  CHECK(m.floats(1) == std::vector<float>(w.begin() + 5, w.begin() + 10));
  check_encoding_contract<lowbit::f32>(w, 3, 5);
  m.tensors.set("", 4, std::numeric_limits<float>::infinity());
  expect_error(m.open(), lowbit::errc::malformed, {"m.weight element 4 is not finite"});
}
