// SPDX-License-Identifier: Apache-2.0
#include "lowbit/core/bits.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <vector>

#include "../support/bit_rows.hpp"
#include "../support/guarded.hpp"
#include "../support/random.hpp"
#include "lowbit/kernel/scalar.hpp"

namespace {

using lowbit::word;
using lowbit_test::bit_at;
using lowbit_test::guarded;
using lowbit_test::random_source;

static_assert(lowbit::words_for(0) == 0 && lowbit::words_for(1) == 1);
static_assert(lowbit::words_for(64) == 1 && lowbit::words_for(65) == 2);
static_assert(lowbit::bytes_for(8) == 1 && lowbit::bytes_for(9) == 2);
static_assert(lowbit::round_up(0, 16) == 0 && lowbit::round_up(17, 16) == 32);
static_assert(lowbit::ceil_div(std::numeric_limits<std::size_t>::max(), 2) ==
              (std::numeric_limits<std::size_t>::max() >> 1) + 1);
static_assert(lowbit::low_mask(0) == 0 && lowbit::low_mask(1) == 1);
static_assert(lowbit::low_mask(63) == ~word{0} >> 1 && lowbit::low_mask(64) == ~word{0});

}  // namespace

TEST_CASE("extract_bits reads any bit range, and no word past the last needed one", "[bits]") {
  random_source random(11);
  CAPTURE(random.seed());
  for (std::size_t begin = 0; begin < 130; ++begin) {
    for (std::size_t count = 1; count <= 64; ++count) {
      const guarded<word> row(lowbit::words_for(begin + count));
      for (word& w : row) w = random.bits();
      const word bits = lowbit::extract_bits(row.data(), begin, count);
      bool equal = (bits & ~lowbit::low_mask(count)) == 0;
      for (std::size_t j = 0; j < count; ++j) {
        equal = equal && bit_at(&bits, j) == bit_at(row.data(), begin + j);
      }
      CAPTURE(begin, count);
      REQUIRE(equal);
    }
  }
}

TEST_CASE("deposit_bits sets exactly its range, and touches no word past it", "[bits]") {
  random_source random(12);
  CAPTURE(random.seed());
  for (std::size_t begin = 0; begin < 130; ++begin) {
    for (std::size_t count = 1; count <= 64; ++count) {
      const guarded<word> row(lowbit::words_for(begin + count), 0);
      const word value = random.bits() & lowbit::low_mask(count);
      lowbit::deposit_bits(row.data(), begin, count, value);
      bool equal = true;
      for (std::size_t j = 0; j < row.size() * 64; ++j) {
        const bool expected = j >= begin && j < begin + count && bit_at(&value, j - begin);
        equal = equal && bit_at(row.data(), j) == expected;
      }
      CAPTURE(begin, count);
      REQUIRE(equal);
      REQUIRE(lowbit::extract_bits(row.data(), begin, count) == value);
    }
  }
}

TEST_CASE("deposited neighbours do not disturb each other", "[bits]") {
  random_source random(13);
  for (const std::size_t width : {15U, 26U, 32U, 64U}) {
    std::vector<word> values(20);
    std::vector<word> row(lowbit::words_for(width * values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = random.bits() & lowbit::low_mask(width);
      lowbit::deposit_bits(row.data(), i * width, width, values[i]);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(lowbit::extract_bits(row.data(), i * width, width) == values[i]);
    }
  }
}

TEST_CASE("load_canonical_word reads a byte row of any size to its last byte only", "[bits]") {
  for (std::size_t bytes = 1; bytes <= 17; ++bytes) {
    const guarded<std::byte> row(bytes);
    for (std::size_t i = 0; i < bytes; ++i) row[i] = static_cast<std::byte>(0x81 + i);
    for (std::size_t index = 0; index < 4; ++index) {
      word expected = 0;
      for (std::size_t i = 0; i < 8 && index * 8 + i < bytes; ++i) {
        expected |= static_cast<word>(0x81 + index * 8 + i) << (8 * i);
      }
      CAPTURE(bytes, index);
      CHECK(lowbit::load_canonical_word(row.data(), bytes, index) == expected);
    }
  }
}

TEST_CASE("transpose_64x64 moves bit j of row i to bit i of row j", "[bits]") {
  random_source random(14);
  CAPTURE(random.seed());
  for (int round = 0; round < 20; ++round) {
    word rows[64];
    for (word& w : rows) w = round == 0 ? 0 : random.bits();
    if (round == 0) rows[3] = word{1} << 60;  // a single bit, far from the diagonal
    word moved[64];
    std::copy(std::begin(rows), std::end(rows), std::begin(moved));
    lowbit::transpose_64x64(moved);
    bool equal = true;
    for (std::size_t i = 0; i < 64; ++i) {
      for (std::size_t j = 0; j < 64; ++j) {
        equal = equal && bit_at(&rows[i], j) == bit_at(&moved[j], i);
      }
    }
    CHECK(equal);
    lowbit::transpose_64x64(moved);
    CHECK(std::equal(std::begin(rows), std::end(rows), std::begin(moved)));
  }
}

TEST_CASE("transpose_64x64 of fewer rows is that of the rows and zeros", "[bits]") {
  random_source random(15);
  CAPTURE(random.seed());
  for (std::size_t count = 1; count <= 64; ++count) {
    word rows[64] = {};
    for (std::size_t r = 0; r < count; ++r) rows[r] = random.bits();
    word few[64], all[64];
    std::copy(std::begin(rows), std::end(rows), std::begin(few));
    std::copy(std::begin(rows), std::end(rows), std::begin(all));
    lowbit::transpose_64x64(few, count);
    lowbit::transpose_64x64(all);
    CAPTURE(count);
    CHECK(std::equal(std::begin(few), std::end(few), std::begin(all)));
  }
}

TEST_CASE("a checked product is false exactly when it does not fit", "[bits]") {
  constexpr std::size_t max = std::numeric_limits<std::size_t>::max();
  std::size_t out = 0;
  CHECK(lowbit::checked_multiply(max, 1, out));
  CHECK(out == max);
  CHECK_FALSE(lowbit::checked_multiply(max / 2 + 1, 2, out));
  CHECK(lowbit::checked_multiply(0, max, out));
  CHECK(out == 0);
}

namespace {

/// Both forms of the carry-save count, one after the other.
template <class Op, std::size_t Outputs>
bool carry_save_counts_are(const typename Op::activation* a, const std::vector<lowbit::word>& w,
                           std::size_t units, const std::int32_t (&expected)[Outputs]) {
  std::int32_t counts[Outputs], pairs[Outputs];
  lowbit::detail::count_combined<Op, Outputs>(a, w.data(), units, counts);
  lowbit::detail::count_combined_pairs<Op, Outputs>(a, w.data(), units, pairs);
  return std::equal(counts, counts + Outputs, expected) &&
         std::equal(pairs, pairs + Outputs, expected);
}

}  // namespace

TEST_CASE("ones counted by carry-save adders are those of popcount", "[bits]") {
  lowbit_test::random_source random(612);
  CAPTURE(random.seed());
  constexpr std::size_t outputs = 16;
  for (std::size_t units = 0; units < 40; ++units) {
    for (int fill = 0; fill < 3; ++fill) {  // all ones, random, mostly ones
      CAPTURE(units, fill);
      std::vector<lowbit::word> a(units), w(units * outputs);
      std::vector<lowbit::trit_word> t(units);
      for (lowbit::word& v : a) v = fill == 0 ? 0 : random.bits();
      for (lowbit::trit_word& v : t) v = {random.bits(), random.bits()};
      for (lowbit::word& v : w)
        v = fill == 0   ? ~lowbit::word{0}
            : fill == 1 ? random.bits()
                        : random.bits() | random.bits();
      std::int32_t different[outputs] = {}, common[outputs] = {}, trits[outputs] = {};
      for (std::size_t u = 0; u < units; ++u) {
        for (std::size_t j = 0; j < outputs; ++j) {
          const lowbit::word v = w[u * outputs + j];
          different[j] += std::popcount(a[u] ^ v);
          common[j] += std::popcount(a[u] & v);
          trits[j] += std::popcount((t[u].sign ^ v) & t[u].nonzero);
        }
      }
      CHECK(carry_save_counts_are<lowbit::xor_popcount>(a.data(), w, units, different));
      CHECK(carry_save_counts_are<lowbit::and_popcount>(a.data(), w, units, common));
      CHECK(carry_save_counts_are<lowbit::ternary_popcount>(t.data(), w, units, trits));
    }
  }
}
