// SPDX-License-Identifier: Apache-2.0
#include "lowbit/text/vocabulary_trainer.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lowbit/text/tokenizer.hpp"

namespace {

using strings = std::vector<std::string>;

// Lines of words that share stems and endings, with a fixed seed.
strings make_lines(std::size_t count, std::uint32_t seed) {
  const strings stems{"run",  "walk",   "talk",      "aa",
                      "aaaa", "banana", "caf\u00e9", "\u043c\u0438\u0440"};
  const strings endings{"", "s", "ing", "ed", "er", "ana", "aa"};
  std::mt19937 random(seed);
  strings lines;
  for (std::size_t i = 0; i < count; ++i) {
    std::string line;
    for (int w = 0; w < 6; ++w) {
      line += stems[random() % stems.size()];
      line += endings[random() % endings.size()];
      line += random() % 5 == 0 ? ", " : " ";
    }
    lines.push_back(line);
  }
  return lines;
}

// The definition, with every count taken anew for every merge. Words are split by the caller.
strings train_slowly(const std::map<std::string, std::int64_t>& words, std::size_t size,
                     std::int64_t min_frequency) {
  strings tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  std::map<std::string, std::size_t> ids;
  std::set<std::string> first, rest;  // UTF-8 order is code point order
  std::vector<std::pair<strings, std::int64_t>> split;
  for (const auto& [word, count] : words) {
    strings pieces;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t n = lowbit::detail::utf8_length(word[at]);
      first.insert(word.substr(at, n));
      pieces.push_back((at == 0 ? "" : "##") + word.substr(at, n));
      if (at > 0) rest.insert(pieces.back());
      at += n;
    }
    split.emplace_back(pieces, count);
  }
  tokens.insert(tokens.end(), first.begin(), first.end());
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  for (std::size_t i = 0; i < tokens.size(); ++i) ids[tokens[i]] = i;
  while (tokens.size() < size) {
    std::map<std::pair<std::size_t, std::size_t>, std::int64_t> counts;
    for (const auto& [pieces, count] : split)
      for (std::size_t i = 0; i + 1 < pieces.size(); ++i)
        counts[{ids[pieces[i]], ids[pieces[i + 1]]}] += count;
    const auto best = std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) {
      return a.second < b.second;  // the first of the largest: the smallest pair
    });
    if (best == counts.end() || best->second < min_frequency) break;
    const std::string a = tokens[best->first.first], b = tokens[best->first.second];
    const std::string merged = a + (b.starts_with("##") ? b.substr(2) : b);
    if (ids.emplace(merged, tokens.size()).second) tokens.push_back(merged);
    for (auto& [pieces, count] : split)
      for (std::size_t i = 0; i + 1 < pieces.size(); ++i)
        if (pieces[i] == a && pieces[i + 1] == b) {
          pieces[i] = merged;
          pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
  }
  return tokens;
}

std::map<std::string, std::int64_t> count_words(const strings& lines) {
  std::map<std::string, std::int64_t> words;
  for (const std::string& line : lines) {
    std::string word;
    for (const char c : line + " ") {
      if (c != ' ' && c != ',') {
        word += c;
        continue;
      }
      if (!word.empty()) ++words[word];
      if (c == ',') ++words[","];
      word.clear();
    }
  }
  return words;
}

lowbit::vocabulary_options cased(std::size_t size, std::int64_t min_frequency = 1) {
  lowbit::vocabulary_options options;
  options.size = size;
  options.min_frequency = min_frequency;
  options.normalizer.lower_case = false;
  return options;
}

}  // namespace

TEST_CASE("incremental counting learns what counting anew for every merge learns") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    const auto lines = make_lines(5 * seed, seed);
    for (const std::size_t size : {45u, 60u, 90u, 500u})
      for (const std::int64_t min_frequency : {1, 2, 5}) {
        const auto learned = lowbit::train_vocabulary(lines, cased(size, min_frequency)).value();
        CHECK(learned == train_slowly(count_words(lines), size, min_frequency));
      }
  }
}

TEST_CASE("the order of the lines does not matter") {
  auto lines = make_lines(200, 7);
  const auto learned = lowbit::train_vocabulary(lines, cased(120)).value();
  std::reverse(lines.begin(), lines.end());
  CHECK(lowbit::train_vocabulary(lines, cased(120)).value() == learned);
}

TEST_CASE("the vocabulary is full when there are pairs enough, else every word is one token") {
  const auto lines = make_lines(200, 3);
  CHECK(lowbit::train_vocabulary(lines, cased(64)).value().size() == 64);
  const auto all = lowbit::train_vocabulary(lines, cased(100000)).value();
  CHECK(all.size() < 100000);
  for (const auto& [word, count] : count_words(lines))
    CHECK(std::find(all.begin(), all.end(), word) != all.end());
}

TEST_CASE("a learned vocabulary makes a tokenizer that knows every word of its text") {
  const auto lines = make_lines(100, 5);
  lowbit::vocabulary_options options;
  options.size = 70;
  auto tokens = lowbit::train_vocabulary(lines, options).value();
  CHECK(strings(tokens.begin(), tokens.begin() + 5) == options.special_tokens);
  const auto tokenizer = lowbit::tokenizer::from_vocabulary(std::move(tokens)).value();
  std::size_t seen = 0;
  for (const std::string& line : lines) {
    const lowbit::encoding encoded = tokenizer.encode_plain(line).value();
    for (const std::int32_t id : encoded.ids) {
      CHECK(id != tokenizer.unk_id());
      ++seen;
    }
  }
  CHECK(seen > 600);
}

TEST_CASE("the text is normalized before it is counted") {
  const strings lines{"CAF\u00c9 cafe", "Cafe\u0301"};
  lowbit::vocabulary_options options;
  options.size = 100;
  const auto tokens = lowbit::train_vocabulary(lines, options).value();
  CHECK(std::find(tokens.begin(), tokens.end(), "cafe") != tokens.end());
  CHECK(std::find(tokens.begin(), tokens.end(), "\u00e9") == tokens.end());
}

TEST_CASE("only the most frequent characters of an alphabet with a limit are kept") {
  auto options = cased(100);
  options.alphabet_limit = 2;
  const auto tokens = lowbit::train_vocabulary(strings{"abab cab ab"}, options).value();
  CHECK(std::find(tokens.begin(), tokens.end(), "c") == tokens.end());
  CHECK(std::find(tokens.begin(), tokens.end(), "abab") != tokens.end());
  CHECK(std::find(tokens.begin(), tokens.end(), "##ab") != tokens.end());  // "cab" without its c
}

TEST_CASE("bad lines and a vocabulary smaller than its alphabet are errors") {
  const auto bad = lowbit::train_vocabulary(strings{"fine", "bad \xff"}, cased(100));
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.status().code() == lowbit::errc::malformed);
  CHECK(bad.status().message().starts_with("line 2: not valid UTF-8 at byte 4"));
  const auto small = lowbit::train_vocabulary(strings{"abc"}, cased(9));
  REQUIRE_FALSE(small.ok());
  CHECK(small.status().code() == lowbit::errc::invalid_argument);
  CHECK(small.status().message().find("at least 10") != std::string_view::npos);
  CHECK(lowbit::train_vocabulary(strings{"abc"}, cased(10)).value().size() == 10);
}

TEST_CASE("no text gives the special tokens alone") {
  CHECK(lowbit::train_vocabulary(strings{}, {}).value().size() == 5);
  CHECK(lowbit::train_vocabulary(strings{"", " \t"}, {}).value().size() == 5);
}
