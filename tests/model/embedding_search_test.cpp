// SPDX-License-Identifier: Apache-2.0
// Codes of embeddings against their definition, searches against sorting everything.
#include "lowbit/model/embedding_search.hpp"

#include "lowbit/model/max_sim.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "../support/random.hpp"

namespace {

using lowbit::neighbour;
using lowbit::word;
using lowbit_test::random_source;
using extents = std::vector<std::size_t>;

std::vector<word> one_bit(const std::vector<float>& e) {
  std::vector<word> code(lowbit::words_for(e.size()), ~word{0});  // stale
  lowbit::encode_one_bit({e.data(), e.size()}, code.data());
  return code;
}

}  // namespace

TEST_CASE(
    "one-bit codes are the signs, their pad bits are clear, their distance is the dot product",
    "[model][search]") {
  random_source random(1700);
  for (const std::size_t d : extents{1, 63, 64, 65, 312}) {
    CAPTURE(d);
    std::vector<float> a = random.floats(d, 0.0F, 1.0F);
    const std::vector<float> b = random.floats(d, 0.0F, 1.0F);
    a[0] = -0.0F;  // not below 0
    const auto code_a = one_bit(a);
    const auto code_b = one_bit(b);
    std::int64_t dot = 0;
    for (std::size_t c = 0; c < d; ++c) {
      const bool bit = (code_a[c / 64] >> (c % 64) & 1U) != 0;
      CHECK(bit == (a[c] < 0));
      dot += (a[c] < 0) == (b[c] < 0) ? 1 : -1;
    }
    if (d % 64 != 0) CHECK(code_a.back() >> (d % 64) == 0);
    const std::uint32_t distance =
        lowbit::hamming_distance(code_a.data(), code_b.data(), code_a.size());
    CHECK(static_cast<std::int64_t>(d) - 2 * static_cast<std::int64_t>(distance) == dot);
  }
}

TEST_CASE("int8 codes are the nearest steps of a scale that never needs -128", "[model][search]") {
  random_source random(1710);
  for (const std::size_t d : extents{1, 5, 100}) {
    std::vector<float> e = random.floats(d, 0.0F, 1.0F);
    e[d / 2] = -1.5F;  // the largest is negative
    std::vector<std::int8_t> code(d);
    const float scale = lowbit::encode_int8({e.data(), d}, code.data());
    CHECK(scale == 1.5F / 127.0F);
    CHECK(code[d / 2] == -127);
    for (std::size_t c = 0; c < d; ++c) {
      CHECK(code[c] >= -127);
      const double error = static_cast<double>(e[c]) - static_cast<double>(scale) * code[c];
      CHECK(!(std::abs(error) > 0.5001 * static_cast<double>(scale)));
    }
  }
  SECTION("halves go to even") {
    const std::vector<float> e{127.0F, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F};
    std::vector<std::int8_t> code(e.size());
    CHECK(lowbit::encode_int8({e.data(), e.size()}, code.data()) == 1.0F);
    CHECK(code == std::vector<std::int8_t>{127, 0, 2, 2, 0, -2});
  }
  SECTION("rows without a scale") {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    constexpr float tiny = std::numeric_limits<float>::denorm_min();
    std::vector<std::int8_t> code(2, 7);
    const std::vector<float> zeros{0.0F, -0.0F};
    CHECK(lowbit::encode_int8({zeros.data(), 2}, code.data()) == 0.0F);
    CHECK(code == std::vector<std::int8_t>{0, 0});
    for (const std::vector<float>& odd :
         {std::vector<float>{nan, 1.0F}, {INFINITY, -1.0F}, {tiny, -tiny}, {200 * tiny, tiny}}) {
      static_cast<void>(lowbit::encode_int8({odd.data(), 2}, code.data()));
      for (const std::int8_t c : code) CHECK(c >= -127);
    }
  }
}

TEST_CASE("searches find what sorting all rows finds", "[model][search]") {
  random_source random(1720);
  constexpr std::size_t rows = 200, d = 70;
  std::vector<float> all = random.floats(rows * d, 0.0F, 1.0F);
  for (std::size_t c = 0; c < d; ++c) all[17 * d + c] = all[5 * d + c];  // equal rows
  const std::vector<float> query(all.begin() + 5 * d, all.begin() + 6 * d);
  const std::size_t words = lowbit::words_for(d);
  std::vector<word> codes(rows * words), query_code(words);
  std::vector<std::int8_t> bytes(rows * d), query_bytes(d);
  std::vector<float> scales(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    lowbit::encode_one_bit({all.data() + r * d, d}, codes.data() + r * words);
    scales[r] = lowbit::encode_int8({all.data() + r * d, d}, bytes.data() + r * d);
  }
  lowbit::encode_one_bit({query.data(), d}, query_code.data());
  static_cast<void>(lowbit::encode_int8({query.data(), d}, query_bytes.data()));

  std::vector<neighbour<std::uint32_t>> by_bits;
  std::vector<neighbour<float>> by_bytes;
  for (std::size_t r = 0; r < rows; ++r) {
    std::uint32_t differ = 0;
    std::int64_t dot = 0;
    for (std::size_t c = 0; c < d; ++c) {
      differ += (all[r * d + c] < 0) != (query[c] < 0) ? 1U : 0U;
      dot += bytes[r * d + c] * query_bytes[c];
    }
    by_bits.push_back({r, differ});
    by_bytes.push_back({r, scales[r] * static_cast<float>(dot)});
  }
  std::stable_sort(by_bits.begin(), by_bits.end(),
                   [](const auto& a, const auto& b) { return a.measure < b.measure; });
  std::stable_sort(by_bytes.begin(), by_bytes.end(),
                   [](const auto& a, const auto& b) { return a.measure > b.measure; });
  CHECK(by_bits[0].index == 5);
  CHECK(by_bits[1].index == 17);

  for (const std::size_t k : extents{0, 1, 2, 10, 200, 300}) {
    CAPTURE(k);
    std::vector<neighbour<std::uint32_t>> bits(k);
    std::vector<neighbour<float>> dots(k);
    const std::size_t found = lowbit::hamming_search({codes.data(), rows, words, words},
                                                     query_code.data(), {bits.data(), k});
    const std::size_t same = lowbit::int8_search({bytes.data(), rows, d, d}, {scales.data(), rows},
                                                 query_bytes.data(), {dots.data(), k});
    REQUIRE(found == std::min(k, rows));
    REQUIRE(same == found);
    for (std::size_t i = 0; i < found; ++i) {
      CHECK(bits[i].index == by_bits[i].index);
      CHECK(bits[i].measure == by_bits[i].measure);
      CHECK(dots[i].index == by_bytes[i].index);
      CHECK(dots[i].measure == by_bytes[i].measure);
    }
  }
  CHECK(lowbit::hamming_search({codes.data(), 0, words, words}, query_code.data(), {}) == 0);
}

TEST_CASE("late interaction sums each query row's best match, in f32 and on sign bits",
          "[model][search]") {
  random_source random(1710);
  for (const auto& [q, t, d] : {std::array<std::size_t, 3>{1, 1, 1},
                                {2, 5, 16},
                                {3, 7, 128},
                                {4, 1, 65},
                                {1, 9, 100},
                                {0, 3, 8},
                                {3, 0, 8}}) {
    CAPTURE(q, t, d);
    const std::size_t words = lowbit::words_for(d), stride = d + 3;
    const std::vector<float> query = random.floats(q * stride + 1, 0.0F, 1.0F);
    const std::vector<float> document = random.floats(t * stride + 1, -0.5F, 1.0F);
    std::vector<word> query_bits(q * words + 1), document_bits(t * words + 1);
    double best_sum = 0;
    std::int64_t bits_sum = 0;
    for (std::size_t i = 0; i < q; ++i) {
      lowbit::encode_one_bit({query.data() + i * stride, d}, query_bits.data() + i * words);
      double best = -1e30;
      std::int64_t best_bits = -1000;
      for (std::size_t j = 0; j < t; ++j) {
        lowbit::encode_one_bit({document.data() + j * stride, d}, document_bits.data() + j * words);
        double dot = 0;
        std::int64_t signs = 0;
        for (std::size_t c = 0; c < d; ++c) {
          const float x = query[i * stride + c], y = document[j * stride + c];
          dot += static_cast<double>(x) * static_cast<double>(y);
          signs += (x < 0) == (y < 0) ? 1 : -1;
        }
        best = std::max(best, dot);
        best_bits = std::max(best_bits, signs);
      }
      if (t != 0) best_sum += best;
      if (t != 0) bits_sum += best_bits;
    }
    CHECK(lowbit::max_sim_one_bit({query_bits.data(), q, words, words},
                                  {document_bits.data(), t, words, words}, d) == bits_sum);
    const float score =
        lowbit::max_sim({query.data(), q, d, stride}, {document.data(), t, d, stride});
    CHECK(std::abs(static_cast<double>(score) - best_sum) <= 1e-5 * (1 + std::abs(best_sum)));
    CHECK(score == lowbit::max_sim<lowbit::scalar>({query.data(), q, d, stride},
                                                   {document.data(), t, d, stride}));
  }
}
