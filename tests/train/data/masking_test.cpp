// SPDX-License-Identifier: Apache-2.0
// What masking asks for and what it puts there.
#include "lowbit/train/data/masking.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

using namespace lowbit::train;

namespace {

constexpr std::int64_t cls = 2, sep = 3, mask = 4, vocabulary = 40;

masking_options options() {
  masking_options o;
  o.mask = mask, o.vocabulary = vocabulary;
  o.special.resize(vocabulary);
  for (std::size_t i = 0; i < 5; ++i) o.special[i] = true;
  return o;
}

}  // namespace

TEST_CASE("15 % of the tokens are asked for: 80 % hidden, 10 % replaced, 10 % as they were") {
  const auto corrupt = mask_tokens(options());
  example whole{{cls}, {}, {}};
  for (int t = 0; t < 500; ++t) whole.ids.push_back(5 + t % 35);
  whole.ids.push_back(sep);
  double asked = 0, hidden = 0, same = 0, other = 0, all = 0;
  for (std::uint64_t s = 0; s < 40; ++s) {
    example e = whole;
    auto generator = seeded_generator(1, s);
    corrupt(e, generator);
    REQUIRE(e.labels.size() == e.ids.size());
    CHECK((e.ids.front() == cls && e.ids.back() == sep));
    CHECK((e.labels.front() == ignored_label && e.labels.back() == ignored_label));
    for (std::size_t t = 1; t + 1 < e.ids.size(); ++t) {
      ++all;
      if (e.labels[t] == ignored_label) {
        CHECK(e.ids[t] == whole.ids[t]);
        continue;
      }
      ++asked;
      CHECK(e.labels[t] == whole.ids[t]);
      CHECK((e.ids[t] == mask || e.ids[t] >= 5));
      (e.ids[t] == mask ? hidden : e.ids[t] == whole.ids[t] ? same : other) += 1;
    }
  }
  const auto near = [](double count, double n, double p) {
    return std::abs(count - n * p) < 4.5 * std::sqrt(n * p * (1 - p));
  };
  CHECK(near(asked, all, 0.15));
  CHECK(near(hidden, asked, 0.8));
  // A replacement is the token itself once in 35.
  CHECK(near(same, asked, 0.1 + 0.1 / 35));
  CHECK(near(other, asked, 0.1 - 0.1 / 35));
}

TEST_CASE("a short sentence is always asked for something, one of special tokens for nothing") {
  const auto corrupt = mask_tokens(options());
  for (std::uint64_t s = 0; s < 50; ++s) {
    auto generator = seeded_generator(2, s);
    example one{{cls, 9, sep}, {}, {}}, none{{cls, sep}, {}, {}};
    corrupt(one, generator);
    CHECK(one.labels[1] == 9);
    corrupt(none, generator);
    CHECK(none.labels == std::vector<std::int64_t>(2, ignored_label));
    CHECK(none.ids == std::vector<std::int64_t>{cls, sep});
  }
}
