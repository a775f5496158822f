// SPDX-License-Identifier: Apache-2.0
// Which words are replaced, by what, and how often; and files of related words.
#include "lowbit/train/data/augmentation.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "lowbit/train/data/word_relations.hpp"
#include "support/scratch.hpp"

using namespace lowbit::train;
using words = std::vector<std::string>;
using train_test::mentions;
using train_test::scratch_folder;

namespace {

words made(const words& from, const std::vector<words>& candidates, std::size_t copies, double p,
           std::uint64_t seed = 7) {
  std::mt19937_64 generator = seeded_generator(seed, 0);
  return augment(from, candidates, {copies, p}, generator);
}

}  // namespace

TEST_CASE("words are those of BERT's tokenizer before WordPiece") {
  CHECK(*basic_words("Don't  stop,\tCAFÉ!", {}) ==
        words{"don", "'", "t", "stop", ",", "cafe", "!"});
  CHECK(*basic_words("Don't", {.lower_case = false}) == words{"Don", "'", "t"});
  CHECK(basic_words("", {})->empty());
  CHECK(basic_words(std::string(300, 'x'), {})->front().size() == 300);
  CHECK(mentions(basic_words("a\xff", {}).status(), "byte 1"));
}

TEST_CASE("words of a to z alone may be replaced, function words may not") {
  for (const char* yes : {"alarm", "ab", "z"}) CHECK(replaceable(yes));
  for (const char* no : {"the", "not", "yourselves", "a", "t", "", "Alarm", "6am", "caf\xc3\xa9",
                         "-", "##ing", "x1"}) {
    INFO(no);
    CHECK(!replaceable(no));
  }
}

TEST_CASE("with probability 0 nothing new is made, with no copies neither") {
  const words from{"set", "the", "alarm"};
  const std::vector<words> candidates{{"put"}, {}, {"clock"}};
  CHECK(made(from, candidates, 20, 0.0).empty());
  CHECK(made(from, candidates, 0, 1.0).empty());
  CHECK(made({}, {}, 20, 1.0).empty());
}

TEST_CASE("with probability 1 every word that has candidates is replaced, the others stay") {
  const words from{"set", "the", "alarm", "."};
  const std::vector<words> candidates{{"put", "place"}, {}, {"clock", "bell"}, {}};
  const words texts = made(from, candidates, 200, 1.0);
  const std::set<std::string> expected{"put the clock .", "put the bell .", "place the clock .",
                                       "place the bell ."};
  CHECK(std::set<std::string>(texts.begin(), texts.end()) == expected);
  CHECK(texts.size() == 4);  // each is kept once
}

TEST_CASE("a candidate that is the word itself makes no new sentence") {
  CHECK(made({"set", "alarm"}, {{"set"}, {"alarm"}}, 20, 1.0).empty());
}

TEST_CASE("words are replaced with the given probability by candidates drawn uniformly") {
  // Words that differ in every place, so that no copy is a duplicate: 40 places a copy.
  words from;
  std::vector<words> candidates;
  for (int i = 0; i < 40; ++i) {
    from.push_back("w" + std::to_string(i));
    candidates.push_back({"x", "y", "z", "u"});
  }
  const words texts = made(from, candidates, 500, 0.4);
  REQUIRE(texts.size() == 500);
  double replaced = 0, x = 0;
  for (const std::string& text : texts) {
    for (const std::string& word : lowbit::words_of(text)) {
      replaced += word[0] == 'w' ? 0 : 1;
      x += word == "x" ? 1 : 0;
    }
  }
  // 20000 draws: five standard deviations are 0.0173 and 0.0106.
  CHECK(std::abs(replaced / 20000 - 0.4) < 0.0174);
  CHECK(std::abs(x / 20000 - 0.1) < 0.0107);
}

TEST_CASE("the seed decides what is drawn") {
  const words from{"set", "my", "alarm", "clock"};
  const std::vector<words> candidates{{"put", "place"}, {}, {"bell", "ring"}, {"watch", "timer"}};
  CHECK(made(from, candidates, 5, 0.5, 1) == made(from, candidates, 5, 0.5, 1));
  CHECK(made(from, candidates, 5, 0.5, 1) != made(from, candidates, 5, 0.5, 2));
}

TEST_CASE("pairs of words hold both ways, once, in the order of the file") {
  const scratch_folder dir("words");
  const auto file = dir.write("pairs.txt", "big large \n\nbig  huge\nlarge big\nsame same\r\n");
  word_pairs pairs;
  REQUIRE(pairs.read(file).ok());
  CHECK(pairs.of("big") == words{"large", "huge"});
  CHECK(pairs.of("huge") == words{"big"});
  CHECK(pairs.holds("large", "big"));
  CHECK(!pairs.holds("large", "huge"));
  CHECK(pairs.of("same").empty());
  CHECK(pairs.of("unknown").empty());

  const auto wrong = dir.write("wrong.txt", "big large\nbig\n");
  CHECK(mentions(word_pairs().read(wrong), "line 2"));
  CHECK(!word_pairs().read("/nonexistent/pairs.txt").ok());
}

TEST_CASE("the nearest vectors are those of the smallest angle, never the word itself") {
  // Angles to "a": b 45 degrees although it is long, c 90, d 180, e 0 although it is short.
  const scratch_folder dir("words");
  const auto file = dir.write("vectors.txt", "a 1 0\nb 50 50\nc 0 2\nd -3 0\ne 0.1 0\n");
  const auto vectors = word_vectors::read(file);
  REQUIRE(vectors.ok());
  CHECK(vectors->nearest("a", 2) == words{"e", "b"});
  CHECK(vectors->nearest("a", 15) == words{"e", "b", "c", "d"});
  CHECK(vectors->nearest("unknown", 3).empty());

  const auto first = word_vectors::read(file, 2);
  REQUIRE(first.ok());
  CHECK(first->nearest("a", 15) == words{"b"});
}

TEST_CASE("vectors that are none are refused with their line") {
  const scratch_folder dir("words");
  const auto reason = [&dir](const std::string& text) {
    return std::string(word_vectors::read(dir.write("vectors.txt", text)).status().message());
  };
  CHECK(reason("a 1 2\nb 1\n").find("line 2: 1 numbers, expected 2") != std::string::npos);
  CHECK(reason("a 1 2\nb 1 x\n").find("line 2: \"x\"") != std::string::npos);
  CHECK(reason("a 1 nan\n").find("\"nan\"") != std::string::npos);
  CHECK(reason("a\n").find("line 1: expected a word and its vector") != std::string::npos);
}
