// SPDX-License-Identifier: Apache-2.0
// Tokenizers of every kind against the official ones: tests/text/golden/make-pipelines.py.
#include <catch2/catch_test_macros.hpp>
#include <ctime>
#include <string>
#include <vector>

#include "golden.hpp"
#include "lowbit/text/spans.hpp"

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

TEST_CASE("folders with vocab.json and merges.txt have the ids that AutoTokenizer gives") {
  const auto recorded = golden::read_json("roberta_folders.json");
  const auto model = golden::read_json("pipelines.json")["pipelines"][0]["tokenizer"]["model"];
  std::string merges = "#version: 0.2\n";
  for (const auto& merge : model["merges"])
    merges += merge[0].get<std::string>() + ' ' + merge[1].get<std::string>() + '\n';
  REQUIRE(recorded["cases"].size() >= 9);
  using ids = std::vector<std::int32_t>;
  for (const auto& c : recorded["cases"]) {
    const golden::temporary_folder folder;
    folder.write("vocab.json", model["vocab"].dump());
    folder.write("merges.txt", merges);
    for (const auto& [file, content] : c["files"].items()) folder.write(file, content.dump());
    INFO(c["files"].dump());
    const auto t = lowbit::tokenizer::load(folder.path());
    INFO(t.status().message());
    REQUIRE(t.ok());
    for (std::size_t i = 0; i < recorded["texts"].size(); ++i) {
      const auto text = recorded["texts"][i].get<std::string>();
      CHECK(t->encode(text, 512).value().ids == c["ids"][i].get<ids>());
    }
    for (std::size_t i = 0; i < recorded["pairs"].size(); ++i) {
      const auto pair = recorded["pairs"][i].get<std::vector<std::string>>();
      const auto e = t->encode_pair(pair[0], pair[1], 512).value();
      CHECK(e.ids == c["pairs"][i].get<ids>());
      CHECK(e.type_ids == ids(e.ids.size(), 0));
    }
    CHECK(t->token(*t->mask_id()) == "<mask>");
    CHECK(t->encode("", 9).value().ids == ids{t->cls_id(), t->sep_id()});
  }
}

TEST_CASE("a folder of MPNet with vocab.txt is read as AutoTokenizer reads it", "[pipelines]") {
  const auto recorded = golden::read_json("mpnet_folders.json");
  std::string vocabulary;
  for (const auto& word : recorded["words"]) vocabulary += word.get<std::string>() + '\n';
  REQUIRE(recorded["cases"].size() == 5);
  for (const auto& c : recorded["cases"]) {
    const golden::temporary_folder folder;
    folder.write("vocab.txt", vocabulary);
    for (const auto& [file, content] : c["files"].items()) folder.write(file, content.dump());
    INFO(c["files"].dump());
    const auto t = lowbit::tokenizer::load(folder.path());
    INFO(t.status().message());
    REQUIRE(t.ok());
    for (std::size_t i = 0; i < recorded["texts"].size(); ++i) {
      const auto e = t->encode(recorded["texts"][i].get<std::string>(), 512).value();
      CHECK(golden::difference(e, c["texts"][i]).value_or("") == "");
    }
    for (std::size_t i = 0; i < recorded["pairs"].size(); ++i) {
      const auto pair = recorded["pairs"][i].get<std::vector<std::string>>();
      const auto e = t->encode_pair(pair[0], pair[1], 512).value();
      CHECK(golden::difference(e, c["pairs"][i]).value_or("") == "");
    }
    CHECK(t->token(*t->mask_id()) == "<mask>");
  }
}

TEST_CASE("words and windows do not depend on how a tokenizer marks continuations") {
  const auto all = golden::read_json("pipelines.json").at("pipelines");
  const golden::temporary_folder folder;
  const std::string text = "  unaffable wide,\nrunner's  hello ";
  for (const auto& pipeline : all) {
    const auto name = pipeline.at("name").get<std::string>();
    if (!name.starts_with("roberta") && name != "modernbert") continue;
    const auto t =
        lowbit::tokenizer::load(folder.write("tokenizer.json", pipeline["tokenizer"].dump()))
            .value();
    const auto e = t.encode(text, 99).value();
    std::vector<std::string> words;
    for (const auto& w : lowbit::pieces_by_word(text, e))
      words.push_back(text.substr(w.at.begin, w.at.end - w.at.begin));
    INFO(name);
    CHECK(words == std::vector<std::string>{"unaffable", "wide", ",", "runner", "'s", "hello"});
    const auto id = [&](const char* token) { return t.id(token).value(); };
    CHECK(t.text_of(id("\u0120the")).text == "the");
    CHECK_FALSE(t.text_of(id("\u0120the")).continues);
    CHECK(t.text_of(id("e")).continues);
    CHECK(t.text_of(id("\u00C3")).text == "\u00C3");  // half a character
    CHECK(t.text_of(*t.mask_id()).text == t.token(*t.mask_id()));
    const auto question = t.encode_plain("the one").value();
    const auto windows = lowbit::answer_windows(t, "the one", text, 14, 2).value();
    REQUIRE(windows.size() > 1);
    for (const auto& w : windows) {
      CHECK(w.tokens.ids.size() <= 14);
      CHECK(w.context_end > w.context_begin);
      CHECK(w.context_begin + 0U == t.special_count() - 1 + question.ids.size());
      CHECK(w.tokens.ids[w.context_end] == t.sep_id());
    }
  }
}

TEST_CASE("a word of a million characters takes seconds") {
  const auto pipeline = golden::read_json("pipelines.json").at("pipelines").at(0);
  const golden::temporary_folder folder;
  const auto t =
      lowbit::tokenizer::load(folder.write("tokenizer.json", pipeline["tokenizer"].dump())).value();
  std::string word;
  while (word.size() < 1'000'000) word += "lowestnewernewestunaffable";
  const std::clock_t begin = std::clock();
  CHECK(t.encode_plain(word).value().ids.size() > 100'000);
  CHECK(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC < 20);  // half of one
}
