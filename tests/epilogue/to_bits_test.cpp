// SPDX-License-Identifier: Apache-2.0
#include "lowbit/epilogue/to_bits.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "../support/archs.hpp"
#include "../support/bit_rows.hpp"
#include "../support/compare.hpp"
#include "../support/random.hpp"

namespace {

using namespace lowbit_test;
using lowbit::bit_marks;
using lowbit::word;

constexpr std::size_t offsets[] = {0, 15, 16, 26, 48, 75};
constexpr std::size_t widths[] = {1, 15, 16, 17, 26, 64, 75, 80};

/// One row of integers, in whole lane groups, and a sink's run over it as gemm does it.
struct counts_row {
  std::size_t outputs;
  std::vector<std::int32_t> n;
  counts_row(random_source& random, std::size_t cols, std::int32_t magnitude)
      : outputs(cols), n(lowbit::round_up(cols, 16)) {
    for (std::int32_t& v : n) {
      v = static_cast<std::int32_t>(random.below(2 * static_cast<std::size_t>(magnitude) + 1)) -
          magnitude;
    }
  }
  template <class Arch, class Sink>
  void feed(const Sink& sink, std::size_t row) const {
    for (std::size_t col = 0; col < n.size() + 16; col += 16) {
      const std::size_t at = col < n.size() ? col : 0;  // a group past the end: to be ignored
      const auto lanes = lowbit::i32x16<Arch>::load(n.data() + at);
      if (row % 2 == 0 && col + 16 <= outputs) {
        sink(lanes, row, lowbit::whole_column{col});
      } else {
        sink(lanes, row, col);
      }
    }
  }
};

template <class Arch, bit_marks Marks>
void check_bits(std::uint64_t seed) {
  random_source random(seed);
  for (const std::size_t first : offsets) {
    for (const std::size_t cols : widths) {
      const std::size_t words = lowbit::words_for(lowbit::round_up(first + cols, 16));
      const canary_matrix<word> out(5, words, words + 1);  // row 0 stays empty
      out.clear();
      guarded<std::int32_t> thresholds(cols);
      for (std::int32_t& t : thresholds) t = static_cast<std::int32_t>(random.below(9)) - 4;
      const lowbit::channel_threshold channel{{thresholds.data(), cols}};
      const lowbit::constant_threshold constant{1};
      const auto by_channel = lowbit::make_to_bits<Marks>(out.view(), cols, channel, first);
      const auto by_constant = lowbit::make_to_bits<Marks>(out.view(), cols, constant, first);
      const counts_row a(random, cols, 5);
      const counts_row b(random, cols, 5);
      a.feed<Arch>(by_channel, 1);
      a.feed<Arch>(by_channel, 2);
      b.feed<Arch>(by_constant, 3);
      b.feed<Arch>(by_constant, 4);
      bool equal = true;
      for (std::size_t j = 0; j < words * 64; ++j) {
        const bool inside = j >= first && j < first + cols;
        const std::size_t o = inside ? j - first : 0;
        const bool below_channel = a.n[o] < thresholds[o];
        const bool below_constant = b.n[o] < 1;
        const bool marks_below = Marks == bit_marks::below;
        for (const std::size_t row : {1U, 2U}) {
          const bool marked = inside && below_channel == marks_below;
          equal = equal && bit_at(out.view().row(row), j) == marked;
        }
        for (const std::size_t row : {3U, 4U}) {
          const bool marked = inside && below_constant == marks_below;
          equal = equal && bit_at(out.view().row(row), j) == marked;
        }
        equal = equal && !bit_at(out.view().row(0), j);
      }
      CAPTURE(first, cols, seed);
      CHECK(equal);
      CHECK(out.damage() == "");
    }
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("to_bits marks counts below a threshold at any first bit", "[to_bits]",
                        compiled_archs) {
  need_arch<TestType>();
  check_bits<TestType, bit_marks::below>(160);
}
TEMPLATE_LIST_TEST_CASE("to_bits marks counts at or above a threshold at any first bit",
                        "[to_bits]", compiled_archs) {
  need_arch<TestType>();
  check_bits<TestType, bit_marks::at_least>(161);
}

TEMPLATE_LIST_TEST_CASE("to_bits overwrites whole groups, so only pad words need clearing",
                        "[to_bits]", compiled_archs) {
  need_arch<TestType>();
  const canary_matrix<word> out(1, 2, 2);
  out.view()(0, 0) = ~word{0};
  out.view()(0, 1) = 0;
  random_source random(162);
  const counts_row zeros(random, 75, 0);
  zeros.feed<TestType>(
      lowbit::make_to_bits<bit_marks::below>(out.view(), 75, lowbit::constant_threshold{0}), 0);
  CHECK(out.view()(0, 0) == 0);
  CHECK(out.view()(0, 1) == 0);
}

TEMPLATE_LIST_TEST_CASE("to_trits keeps the sign and the zeros at any first bit", "[to_bits]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(163);
  CAPTURE(random.seed());
  for (const std::size_t first : offsets) {
    for (const std::size_t cols : widths) {
      const std::size_t words = lowbit::words_for(first + cols);
      const canary_matrix<lowbit::trit_word> out(3, words, words + 1);
      out.clear();
      const counts_row row(random, cols, 2);
      row.feed<TestType>(lowbit::to_trits{out.view(), cols, first}, 1);
      row.feed<TestType>(lowbit::to_trits{out.view(), cols, first}, 2);
      bool equal = true;
      for (std::size_t j = 0; j < words * 64; ++j) {
        const bool inside = j >= first && j < first + cols;
        const std::int32_t n = inside ? row.n[j - first] : 0;
        const int sign = (n > 0 ? 1 : 0) - (n < 0 ? 1 : 0);
        equal = equal && trit_at(out.view().row(1), j) == sign;
        equal = equal && trit_at(out.view().row(2), j) == sign;
        equal = equal && trit_at(out.view().row(0), j) == 0;
      }
      for (std::size_t u = 0; u < words; ++u) {  // a sign bit only where nonzero is set
        const lowbit::trit_word w = out.view()(1, u);
        equal = equal && (w.sign & ~w.nonzero) == 0;
      }
      CAPTURE(first, cols);
      CHECK(equal);
      CHECK(out.damage() == "");
    }
  }
}

TEST_CASE("first_true equals a search of every value, constant predicates included", "[to_bits]") {
  for (std::int32_t lo = -9; lo <= 9; ++lo) {
    for (std::int32_t hi = lo - 1; hi <= 9; ++hi) {
      for (std::int32_t edge = -12; edge <= 12; ++edge) {  // false, then true from edge on
        std::int32_t expected = lo;
        while (expected <= hi && expected < edge) ++expected;
        CHECK(lowbit::first_true(lo, hi, [&](std::int32_t n) { return n >= edge; }) == expected);
      }
    }
  }
  CHECK(lowbit::first_true(-5, 5, [](std::int32_t) { return true; }) == -5);
  CHECK(lowbit::first_true(-5, 5, [](std::int32_t) { return false; }) == 6);
  static_assert(lowbit::first_true(-100, 100, [](std::int32_t n) { return n >= 37; }) == 37);
}

TEMPLATE_LIST_TEST_CASE("a threshold bit equals the sign of the float expression for every count",
                        "[to_bits]", compiled_archs) {
  need_arch<TestType>();
  using limits = std::numeric_limits<float>;
  struct channel {
    float scale, bias;
  };
  std::vector<channel> channels;
  const float scales[] = {0.0F, 1.0F, 0.02F, 1e-20F, limits::denorm_min(), limits::min(), 1e30F};
  const float biases[] = {0.0F,
                          -0.0F,
                          1.0F,
                          -1.0F,
                          -0.02F,
                          0.06F,
                          1e30F,
                          -1e30F,
                          limits::max(),
                          limits::lowest(),
                          limits::denorm_min(),
                          -limits::denorm_min()};
  for (const float s : scales) {
    for (const float b : biases) channels.push_back({s, b});
  }
  random_source random(164);
  CAPTURE(random.seed());
  for (int i = 0; i < 300; ++i) {
    const float s = std::abs(random.around(0.0F, 0.1F));
    channels.push_back({s, random.around(0.0F, 2.0F)});
    channels.push_back({s, -s * static_cast<float>(random.below(65))});  // ties at an integer
  }
  constexpr std::int32_t k = 65;
  const std::size_t n = channels.size();
  std::vector<std::int32_t> thresholds(lowbit::round_up(n, 16));
  const auto expression = [&](std::int32_t count, std::size_t o) {
    return std::fma(static_cast<float>(count), channels[o].scale, channels[o].bias);
  };
  for (std::size_t o = 0; o < n; ++o) {
    thresholds[o] =
        lowbit::first_true(-k, k, [&](std::int32_t count) { return expression(count, o) >= 0; });
  }
  const std::size_t words = lowbit::words_for(lowbit::round_up(n, 16));
  const canary_matrix<word> out(1, words, words);
  const lowbit::channel_threshold channel_thresholds{{thresholds.data(), n}};
  const auto sink = lowbit::make_to_bits<bit_marks::below>(out.view(), n, channel_thresholds);
  for (std::int32_t count = -k; count <= k; ++count) {
    out.clear();
    for (std::size_t col = 0; col < n; col += 16) {
      sink(lowbit::i32x16<TestType>::broadcast(count), 0, col);
    }
    for (std::size_t o = 0; o < n; ++o) {
      const bool negative = expression(count, o) < 0.0F;
      if (bit_at(out.view().row(0), o) != negative) {
        FAIL_CHECK("count " << count << " scale " << channels[o].scale << " bias "
                            << channels[o].bias);
      }
    }
  }
}
