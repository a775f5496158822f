// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>

#include "golden.hpp"

namespace {

std::map<std::string, lowbit::tokenizer> make_tokenizers() {
  std::map<std::string, lowbit::tokenizer> made;
  made.emplace("uncased", lowbit::tokenizer::load(golden::folder() / "vocab.txt").value());
  made.emplace("cased", lowbit::tokenizer::from_vocabulary(golden::vocabulary(), false).value());
  made.emplace("added", lowbit::tokenizer::load(golden::folder()).value());
  golden::temporary_folder folder;
  std::filesystem::copy(golden::folder() / "vocab.txt", folder.path() / "vocab.txt");
  folder.write("tokenizer_config.json", R"({"do_lower_case": true, "strip_accents": false})");
  made.emplace("uncased, accents kept", lowbit::tokenizer::load(folder.path()).value());
  return made;
}

}  // namespace

TEST_CASE("ids, types and offsets equal those of the official tokenizers") {
  const auto cases = golden::read_json("encodings.json").at("cases");
  REQUIRE(cases.size() > 400);
  auto tokenizers = make_tokenizers();
  std::map<std::string, int> compared;
  for (const auto& expected : cases) {
    const auto name = expected.at("tokenizer").get<std::string>();
    INFO(expected.dump());
    auto encoded = golden::encode(tokenizers.at(name), expected);
    REQUIRE(encoded.ok());
    CHECK(golden::difference(*encoded, expected).value_or("") == "");
    ++compared[name];
  }
  for (const auto& [name, tokenizer] : tokenizers) CHECK(compared[name] >= 60);
}

TEST_CASE("the golden comparer notices a changed id, type, offset and length") {
  auto tokenizers = make_tokenizers();
  const auto cases = golden::read_json("encodings.json").at("cases");
  int mutated = 0;
  for (const auto& expected : cases) {
    if (expected.at("ids").empty()) continue;
    ++mutated;
    auto encoded = golden::encode(tokenizers.at(expected.at("tokenizer")), expected).value();
    REQUIRE_FALSE(golden::difference(encoded, expected).has_value());
    auto mutant = encoded;
    mutant.ids.back() ^= 1;
    CHECK(golden::difference(mutant, expected).has_value());
    mutant = encoded;
    mutant.type_ids.front() ^= 1;
    CHECK(golden::difference(mutant, expected).has_value());
    mutant = encoded;
    ++mutant.offsets.back().end;
    CHECK(golden::difference(mutant, expected).has_value());
    mutant = encoded;
    mutant.ids.pop_back();
    CHECK(golden::difference(mutant, expected).has_value());
  }
  CHECK(mutated > 400);
}

TEST_CASE("a pair is cut to every length and says so exactly when a token is missing") {
  const auto tokenizer = lowbit::tokenizer::load(golden::folder() / "vocab.txt").value();
  const std::string first = "unaffable running", second = "the quick brown fox";
  const std::size_t all = tokenizer.encode_plain(first).value().ids.size() +
                          tokenizer.encode_plain(second).value().ids.size() + 3;
  for (std::size_t max = 3; max <= all + 2; ++max) {
    const auto e = tokenizer.encode_pair(first, second, max).value();
    CHECK(e.ids.size() == std::min(max, all));
    CHECK(e.truncated == (max < all));
    CHECK(e.ids.front() == tokenizer.cls_id());
    CHECK(e.ids.back() == tokenizer.sep_id());
  }
}
