// SPDX-License-Identifier: Apache-2.0
// Tokenizers of every kind against the official ones: tests/text/golden/make-pipelines.py.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "golden.hpp"

TEST_CASE("every pipeline equals the official tokenizers", "[pipelines]") {
  const auto all = golden::read_json("pipelines.json").at("pipelines");
  REQUIRE(all.size() >= 13);
  const golden::temporary_folder folder;
  for (const auto& pipeline : all) {
    const auto file = folder.write("tokenizer.json", pipeline.at("tokenizer").dump());
    const auto tokenizer = lowbit::tokenizer::load(file);
    INFO(pipeline.at("name"));
    INFO(tokenizer.status().message());
    REQUIRE(tokenizer.ok());
    REQUIRE(pipeline.at("cases").size() >= 30);
    for (const auto& expected : pipeline.at("cases")) {
      INFO(expected.dump());
      const auto encoded = golden::encode(*tokenizer, expected);
      REQUIRE(encoded.ok());
      CHECK(golden::difference(*encoded, expected).value_or("") == "");
      CHECK(encoded->words.size() == encoded->ids.size());
    }
  }
}
