// SPDX-License-Identifier: Apache-2.0
// Rows of int8 codes: what is not finite becomes a row of zeros and false, on every arch, without
// an integer that overflows.
#include "lowbit/nn/encoded.hpp"

#include <catch2/catch_test_macros.hpp>
#include <limits>

#include "../support/archs.hpp"
#include "../support/guarded.hpp"
#include "../support/random.hpp"
#include "lowbit/nn/batch_range.hpp"
#include "lowbit/policy/quantized.hpp"

namespace {

using namespace lowbit_test;
namespace activation = lowbit::activation;

using dynamic_format = lowbit::linear_format<lowbit::int8<>, activation::int8_per_token>;
using static_format = lowbit::linear_format<lowbit::int8<>, activation::int8_static>;

/// One row, encoded from memory that held other codes.
template <class Format, class Arch>
struct encoded_row {
  bool finite = false;
  std::int32_t count = 0;
  std::vector<std::int8_t> codes;

  explicit encoded_row(const std::vector<float>& x) {
    const auto layout = [&](lowbit::arena& memory) {
      lowbit::encoded_rows<Format> rows;
      rows.plan(memory, 1, x.size());
      return rows;
    };
    lowbit::arena measure;
    layout(measure);
    const guarded<std::byte> memory(measure.used());
    std::memset(memory.data(), 0x55, memory.size());
    lowbit::arena space(memory.data(), memory.size());
    const auto rows = layout(space);
    lowbit::input_encoding learned;
    learned.scale = 0.05F;
    finite = rows.template encode<Arch>(x.data(), 0, learned);
    count = rows.counts[0];
    const auto* first = reinterpret_cast<const std::int8_t*>(rows.rows.row(0));
    codes.assign(first, first + x.size());
  }
};

template <class Format, class Arch>
void check_format() {
  using limits = std::numeric_limits<float>;
  random_source random(12);
  for (const std::size_t k : {1U, 15U, 16U, 17U, 33U, 312U}) {
    const std::vector<float> sound = random.floats(k, 0.0F, 2.0F);
    const encoded_row<Format, Arch> good(sound);
    CHECK(good.finite);
    CHECK(good.codes == encoded_row<Format, lowbit::scalar>(sound).codes);
    for (const float bad :
         {limits::quiet_NaN(), -limits::quiet_NaN(), limits::infinity(), -limits::infinity()}) {
      for (const std::size_t at : {std::size_t{0}, k / 2, k - 1}) {
        std::vector<float> x = sound;
        x[at] = bad;
        const encoded_row<Format, Arch> row(x);
        CAPTURE(k, bad, at);
        CHECK_FALSE(row.finite);
        CHECK(row.count == 0);
        CHECK(row.codes == std::vector<std::int8_t>(k, 0));
      }
    }
    std::vector<float> large = sound;
    large[k - 1] = -limits::max();
    CHECK(encoded_row<Format, Arch>(large).finite);
    CHECK(encoded_row<Format, Arch>(large).codes[k - 1] == -127);
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("int8 rows refuse what is not finite", "[encoded]", compiled_archs) {
  need_arch<TestType>();
  check_format<dynamic_format, TestType>();
  check_format<static_format, TestType>();
}

TEMPLATE_LIST_TEST_CASE("the range of a batch marks the rows that are not finite", "[encoded]",
                        compiled_archs) {
  need_arch<TestType>();
  using limits = std::numeric_limits<float>;
  random_source random(13);
  constexpr std::size_t rows = 5;
  for (const std::size_t k : {1U, 15U, 16U, 17U, 75U}) {
    const std::vector<float> sound = random.floats(rows * k, 0.0F, 2.0F);
    for (const float bad : {limits::quiet_NaN(), limits::infinity(), -limits::infinity()}) {
      for (const std::size_t at : {std::size_t{0}, k / 2, k - 1}) {
        std::vector<float> x = sound;
        x[2 * k + at] = bad;
        x[4 * k + at] = bad;
        lowbit::arena measure;
        lowbit::row_marks marks;
        marks.plan(measure, rows);
        const guarded<std::byte> memory(measure.used());
        lowbit::arena space(memory.data(), memory.size());
        marks.plan(space, rows);
        marks.clear(rows);
        CAPTURE(k, bad, at);
        static_cast<void>(lowbit::range_of<TestType>({sound.data(), rows, k, k}, marks));
        CHECK(marks.first(rows) == rows);
        static_cast<void>(lowbit::range_of<TestType>({x.data(), rows, k, k}, marks));
        CHECK(marks.first(rows) == 2);
        CHECK(marks.from(3).first(1) == 1);
        CHECK(marks.from(4).first(1) == 0);
      }
    }
  }
}
