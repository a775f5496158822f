// SPDX-License-Identifier: Apache-2.0
#include "lowbit/cost/measure.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace {
double now = 0;  // a clock that the contestants advance
double fake_clock() { return now; }
}  // namespace

TEST_CASE("the median is the middle value or the mean of the two in the middle") {
  CHECK(lowbit::median_of({3, 1, 2}) == 2);
  CHECK(lowbit::median_of({4, 1, 3, 2}) == 2.5);
  CHECK(lowbit::median_of({7}) == 7);
}

TEST_CASE("contestants take turns in alternating order after one call each") {
  std::string order;
  const auto timings = lowbit::measure_interleaved({[&] { order += 'a'; }, [&] { order += 'b'; }},
                                                   {.repetitions = 3, .clock = fake_clock});
  CHECK(order ==
        "ab"
        "ab"
        "ba"
        "ab");
  CHECK(timings.size() == 2);
}

TEST_CASE("a timing is the median of seconds per call, one slow sample does not move it") {
  std::size_t call = 0;
  const auto timings =
      lowbit::measure_interleaved({[&] { now += ++call == 3 ? 50.0 : 2.0; }, [] { now += 0.5; }},
                                  {.repetitions = 5, .clock = fake_clock});
  CHECK(timings[0].median == 2.0);
  CHECK(timings[0].lowest == 2.0);
  CHECK(timings[1].median == 0.5);
}

TEST_CASE("short calls are repeated until a sample is long enough") {
  std::size_t calls = 0;
  const auto timings =
      lowbit::measure_interleaved({[&] {
                                    ++calls;
                                    now += 0.25;
                                  }},
                                  {.repetitions = 2, .least_seconds = 1.0, .clock = fake_clock});
  CHECK(calls == 1 + 2 * 5);
  CHECK(timings[0].median == 0.25);
}
