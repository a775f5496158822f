// SPDX-License-Identifier: Apache-2.0
// Masks against the rules of BERT by counting, and lines of text as examples.
#include "lowbit/train/data/masking.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>
#include <vector>

using namespace lowbit::train;

namespace {

lowbit::tokenizer letters() {
  std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (char c = 'a'; c <= 'z'; ++c) tokens.emplace_back(1, c);
  for (char c = 'a'; c <= 'z'; ++c) tokens.push_back(std::string("##") + c);
  return *lowbit::tokenizer::from_vocabulary(std::move(tokens), {});
}

masking_vocabulary letter_vocabulary() { return *masking_vocabulary_of(letters(), "test"); }

/// [CLS] a b c ... [SEP] with n tokens between.
example sentence(std::size_t n) {
  example e;
  e.ids.push_back(2);
  for (std::size_t i = 0; i < n; ++i) e.ids.push_back(static_cast<std::int64_t>(5 + i % 26));
  e.ids.push_back(3);
  return e;
}

std::size_t asked_in(const example& e) {
  std::size_t n = 0;
  for (const std::int64_t label : e.labels) n += label != ignored_label;
  return n;
}

}  // namespace

TEST_CASE("of n tokens the nearest whole number to 15 % is asked, at least one, never the ends") {
  const corruption mask = mask_tokens(letter_vocabulary(), {});
  const std::pair<std::size_t, std::size_t> expected[] = {{1, 1},  {2, 1},  {9, 1},  {10, 2},
                                                          {16, 2}, {17, 3}, {62, 9}, {100, 15}};
  for (const auto& [n, wanted] : expected) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const example before = sentence(n);
      example e = before;
      std::mt19937_64 generator = seeded_generator(seed, 1);
      mask(e, generator);
      REQUIRE(e.labels.size() == e.ids.size());
      CHECK(asked_in(e) == wanted);
      CHECK(e.labels.front() == ignored_label);
      CHECK(e.labels.back() == ignored_label);
      for (std::size_t t = 0; t < e.ids.size(); ++t) {
        if (e.labels[t] == ignored_label) CHECK(e.ids[t] == before.ids[t]);
        if (e.labels[t] != ignored_label) CHECK(e.labels[t] == before.ids[t]);
      }
    }
  }
  example empty = sentence(0);
  std::mt19937_64 generator = seeded_generator(1, 1);
  mask(empty, generator);
  CHECK(asked_in(empty) == 0);
}

TEST_CASE("of the asked tokens 80 % are hidden, 10 % exchanged, 10 % kept, at any place") {
  const corruption mask = mask_tokens(letter_vocabulary(), {});
  constexpr std::size_t n = 100, rounds = 2000;
  double hidden = 0, kept = 0, exchanged = 0;
  std::vector<double> at(n + 2, 0.0);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const example before = sentence(n);
    example e = before;
    std::mt19937_64 generator = seeded_generator(7, round);
    mask(e, generator);
    for (std::size_t t = 0; t < e.ids.size(); ++t) {
      if (e.labels[t] == ignored_label) continue;
      ++at[t];
      if (e.ids[t] == 4) {
        ++hidden;
      } else if (e.ids[t] == before.ids[t]) {
        ++kept;
      } else {
        ++exchanged;
        CHECK(e.ids[t] >= 5);  // never a special token
      }
    }
  }
  const double all = 15.0 * rounds;
  REQUIRE(hidden + kept + exchanged == all);
  // Six standard deviations of a binomial; a random token is the old one once in 52.
  const auto near = [all](double found, double share) {
    return std::abs(found - share * all) < 6 * std::sqrt(share * (1 - share) * all);
  };
  CHECK(near(hidden, 0.8));
  CHECK(near(kept, 0.1 + 0.1 / 52));
  CHECK(near(exchanged, 0.1 - 0.1 / 52));
  for (std::size_t t = 1; t <= n; ++t) {
    CHECK(std::abs(at[t] - 0.15 * rounds) < 6 * std::sqrt(0.15 * 0.85 * rounds));
  }
}

TEST_CASE("masks depend on seed, step and example alone, and differ between any two") {
  const std::vector<example> data{sentence(40), sentence(40)};
  const corruption mask = mask_tokens(letter_vocabulary(), {});
  const auto labels = [&](const std::vector<std::size_t>& members, std::uint64_t seed, int step) {
    return make_batch(data, members, mask, seed, step, torch::kCPU).labels;
  };
  const Tensor both = labels({0, 1}, 3, 5);
  CHECK(at::equal(both[1], labels({1}, 3, 5)[0]));
  CHECK(!at::equal(both[0], both[1]));
  CHECK(!at::equal(both, labels({0, 1}, 3, 6)));
  CHECK(!at::equal(both, labels({0, 1}, 4, 5)));
}

TEST_CASE("whole words are asked with all their pieces; when none fits, the shortest is") {
  masking_options o;
  o.whole_words = true;
  const corruption mask = mask_tokens(letter_vocabulary(), o);
  const auto encoded = letters().encode("abc de f ghij k lm n opq r stu", 64);
  REQUIRE(encoded.ok());
  const std::vector<std::int64_t> ids(encoded->ids.begin(), encoded->ids.end());
  REQUIRE(ids.size() == 23);  // 21 tokens: 3 are asked
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    example e;
    e.ids = ids;
    std::mt19937_64 generator = seeded_generator(seed, 2);
    mask(e, generator);
    CHECK(asked_in(e) <= 3);
    CHECK(asked_in(e) >= 1);
    for (std::size_t t = 2; t + 1 < ids.size(); ++t) {
      if (ids[t] < 31) continue;  // the first letter of a word
      CHECK((e.labels[t] == ignored_label) == (e.labels[t - 1] == ignored_label));
    }
  }
  const auto two = letters().encode("abcd xyz", 64);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    example e;
    e.ids.assign(two->ids.begin(), two->ids.end());
    std::mt19937_64 generator = seeded_generator(seed, 2);
    mask(e, generator);
    CHECK(asked_in(e) == 3);
    CHECK(e.labels[5] != ignored_label);
  }
}

TEST_CASE("a long line is cut in pieces that hold all of its tokens") {
  const auto tokenizer = letters();
  const auto pieces = pieces_of("a b c d e f g h i j", tokenizer, 5);
  REQUIRE(pieces.ok());
  REQUIRE(pieces->size() == 4);
  std::vector<std::int64_t> joined;
  for (const example& e : *pieces) {
    CHECK(e.ids.size() <= 5);
    CHECK(e.ids.front() == 2);
    CHECK(e.ids.back() == 3);
    CHECK(e.labels.size() == e.ids.size());
    joined.insert(joined.end(), e.ids.begin() + 1, e.ids.end() - 1);
  }
  CHECK(joined == std::vector<std::int64_t>{5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
  CHECK(pieces_of("a b c", tokenizer, 5)->size() == 1);
  CHECK(pieces_of("a b c d", tokenizer, 5)->size() == 2);
  CHECK(pieces_of("   ", tokenizer, 5)->empty());
  CHECK(pieces_of("a", tokenizer, 2).status().message().find("at least 3") != std::string::npos);
}

TEST_CASE("a held out line is nowhere in training, masked once, and the same for a seed") {
  const auto tokenizer = letters();
  const corruption mask = mask_tokens(letter_vocabulary(), {});
  std::vector<std::string> lines;
  for (char a = 'a'; a < 'k'; ++a) {
    for (char b = 'a'; b < 'k'; ++b) {
      for (int copies = 0; copies <= (a == b); ++copies) {
        lines.push_back(std::string{a, ' ', b});
      }
    }
  }
  const auto split = [&](double share, std::uint64_t seed) {
    auto data = masked_dataset(lines, share, tokenizer, 8, mask, seed, "lines");
    REQUIRE(data.ok());
    return *std::move(data);
  };
  const auto data = split(0.2, 1);
  CHECK(data.validation.size() == 20);  // of 100 different lines
  CHECK(data.train.size() + data.validation.size() <= lines.size());
  CHECK(data.train.size() >= lines.size() - 40);
  for (const example& v : data.validation) {
    REQUIRE(asked_in(v) == 1);
    std::vector<std::int64_t> original = v.ids;
    for (std::size_t t = 0; t < original.size(); ++t) {
      if (v.labels[t] != ignored_label) original[t] = v.labels[t];
    }
    for (const example& e : data.train) CHECK(e.ids != original);
  }
  const auto again = split(0.2, 1), other = split(0.2, 2);
  const auto same = [&](const tokenized_dataset& to) {
    for (std::size_t i = 0; i < data.validation.size(); ++i) {
      if (data.validation[i].ids != to.validation[i].ids) return false;
    }
    return true;
  };
  CHECK(same(again));
  CHECK(!same(other));
  CHECK(split(0.0, 1).validation.empty());
  CHECK(split(0.001, 1).validation.size() == 1);

  const auto refused = [&](const std::vector<std::string>& bad) {
    return masked_dataset(bad, 0.1, tokenizer, 8, mask, 1, "lines").status();
  };
  CHECK(refused({"one"}).code() == lowbit::errc::malformed);  // it is held out
  CHECK(refused({}).code() == lowbit::errc::malformed);
  CHECK(refused({"a", "b", "\xff"}).message().starts_with("lines"));
}

TEST_CASE("a vocabulary without [MASK] is refused") {
  const auto tokenizer =
      lowbit::tokenizer::from_vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"}, {});
  REQUIRE(tokenizer.ok());
  const auto refused = masking_vocabulary_of(*tokenizer, "words.txt");
  CHECK(refused.status().message() == "words.txt: no token \"[MASK]\"");
}
