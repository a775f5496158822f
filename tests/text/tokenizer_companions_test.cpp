// SPDX-License-Identifier: Apache-2.0
// The files beside a vocabulary: their tokens are those of Hugging Face's AutoTokenizer, and what
// makes another tokenizer is refused by name.
#include <catch2/catch_test_macros.hpp>
#include <ctime>
#include <string>
#include <vector>

#include "golden.hpp"

namespace {

using lowbit::errc;
using nlohmann::json;

const std::string specials = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

std::string refusal(const golden::temporary_folder& folder) {
  const auto loaded = lowbit::tokenizer::load(folder.path());
  CHECK_FALSE(loaded.ok());
  return std::string(loaded.status().message());
}
bool holds(const std::string& text, std::string_view part) {
  INFO(text << ", expected: " << part);
  CHECK(text.find(part) != std::string::npos);
  return true;
}

}  // namespace

TEST_CASE("tokens that companions add have the ids that AutoTokenizer gives") {
  const json recorded = golden::read_json("companions.json");
  REQUIRE(recorded["cases"].size() == 48);
  for (const json& c : recorded["cases"]) {
    golden::temporary_folder folder;
    const auto name = c["vocabulary"].get<std::string>();
    std::filesystem::copy_file(golden::folder() / name, folder.path() / name);
    for (const auto& [file, content] : c["files"].items()) folder.write(file, content.dump());
    INFO(c["files"].dump());
    const auto t = lowbit::tokenizer::load(folder.path());
    INFO(t.status().message());
    REQUIRE(t.ok());
    for (std::size_t i = 0; i < recorded["texts"].size(); ++i) {
      const auto text = recorded["texts"][i].get<std::string>();
      INFO(text);
      CHECK(t->encode(text, 512).value().ids == c["ids"][i].get<std::vector<std::int32_t>>());
    }
  }
}

TEST_CASE("an added token with an id that is not its own is refused") {
  golden::temporary_folder folder;
  folder.write("vocab.txt", specials);
  folder.write("added_tokens.json", R"({"<a>": 5, "<b>": 7})");
  holds(refusal(folder), "added_tokens.json: '<b>' has id 7, expected 6");
  folder.write("added_tokens.json", R"({"[SEP]": 5})");
  holds(refusal(folder), "'[SEP]' has id 5, expected 3");
  folder.write("added_tokens.json", R"({"<a>": "5"})");
  holds(refusal(folder), "added_tokens.json: <a>: string, expected a token id");
  folder.write("added_tokens.json", R"({"": 5})");
  holds(refusal(folder), "content is empty");
  folder.write("added_tokens.json", "{}");
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "<a>"}}})");
  holds(refusal(folder), "added_tokens_decoder: 'x' is no token id");
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"9": {"content": "<a>"}}})");
  holds(refusal(folder), "'<a>' has id 9, expected 5");
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": []})");
  holds(refusal(folder), "added_tokens_decoder: array, expected an object");
  folder.write("tokenizer_config.json", R"({"extra_special_tokens": "x"})");
  holds(refusal(folder), "extra_special_tokens: string");
}

TEST_CASE("a tokenizer_class of another tokenizer is refused by name, in both files") {
  for (const char* file : {"tokenizer_config.json", "config.json"}) {
    golden::temporary_folder folder;
    folder.write("vocab.txt", specials);
    const auto write = [&](const char* name) {
      folder.write(file, json({{"tokenizer_class", name}}).dump());
    };
    for (const char* other :
         {"BertJapaneseTokenizer", "CTRLTokenizer", "BertweetTokenizer", "TokenizersBackend",
          "HerbertTokenizerFast", "FunnelTokenizer", "bert_tokenizer", "PreTrainedTokenizerFast"}) {
      write(other);
      holds(refusal(folder), std::string(file) + ": tokenizer_class is '" + other + "'");
    }
    for (const char* same : {"BertTokenizer", "BertTokenizerFast", "ElectraTokenizer",
                             "DistilBertTokenizerFast", "MobileBertTokenizer"}) {
      write(same);
      CHECK(lowbit::tokenizer::load(folder.path()).ok());
    }
    write("PreTrainedTokenizerFast");
    folder.write("tokenizer.json", golden::read_json("tokenizer.json").dump());
    CHECK(lowbit::tokenizer::load(folder.path()).ok());
    write("FunnelTokenizerFast");
    holds(refusal(folder), "'FunnelTokenizerFast', expected one of BertTokenizer, ");
  }
  golden::temporary_folder roberta;  // its vocabulary is vocab.json
  roberta.write("vocab.txt", specials);
  roberta.write("config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
  holds(refusal(roberta), "neither tokenizer.json nor vocab.json with merges.txt");
  golden::temporary_folder folder;  // the file of the tokenizer is asked first
  folder.write("vocab.txt", specials);
  folder.write("config.json", R"({"tokenizer_class": "CTRLTokenizer", "vocab_size": 5})");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer"})");
  CHECK(lowbit::tokenizer::load(folder.path()).ok());
}

TEST_CASE("options that would change the tokens are refused by name") {
  golden::temporary_folder folder;
  folder.write("vocab.txt", specials);
  for (const auto& [config, part] :
       {std::pair{R"({"truncation_side": "left"})", "truncation_side: 'left'"},
        std::pair{R"({"split_special_tokens": true})", "split_special_tokens"},
        std::pair{R"({"auto_map": {"AutoTokenizer": ["t.T", null]}})", "auto_map"},
        std::pair{R"({"do_basic_tokenize": false})", "do_basic_tokenize"}}) {
    folder.write("tokenizer_config.json", config);
    holds(refusal(folder), part);
  }
  folder.write("tokenizer_config.json",
               R"({"truncation_side": "right", "split_special_tokens": false, "auto_map": null,
                   "chat_template": "x", "unknown": [[[]]]})");
  CHECK(lowbit::tokenizer::load(folder.path()).ok());
}

TEST_CASE("a model that takes no segments gets none") {
  golden::temporary_folder folder;
  folder.write("vocab.txt", specials + "a\n");
  const auto types = [&](const char* config) {
    folder.write("tokenizer_config.json", config);
    const auto t = lowbit::tokenizer::load(folder.path()).value();
    return t.encode_pair("a", "a", 9).value().type_ids;
  };
  const std::vector<std::int32_t> both{0, 0, 0, 1, 1}, none{0, 0, 0, 0, 0};
  CHECK(types("{}") == both);
  CHECK(types(R"({"model_input_names": ["input_ids", "token_type_ids"]})") == both);
  CHECK(types(R"({"model_input_names": ["input_ids", "attention_mask"]})") == none);
  CHECK(types(R"({"tokenizer_class": "DistilBertTokenizer"})") == none);
}

TEST_CASE("what stands in place of a vocabulary is named") {
  golden::temporary_folder folder;
  folder.write("vocab.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  holds(refusal(folder), "vocab.txt: this is a Git LFS pointer");
  folder.write("vocab.txt", "<!doctype html>\n<html>\n");
  holds(refusal(folder), "vocab.txt: this is a web page");
  folder.write("vocab.txt", specials);
  folder.write("tokenizer_config.json", "<html></html>");
  holds(refusal(folder), "tokenizer_config.json: this is a web page");
  folder.write("tokenizer.json", "version https://git-lfs.github.com/spec/v1\n");
  holds(refusal(folder), "this is a web page");  // companions are read first
  std::filesystem::remove(folder.path() / "tokenizer_config.json");
  holds(refusal(folder), "tokenizer.json: this is a Git LFS pointer");
}

TEST_CASE("files of many elements are read in time that grows with them") {
  golden::temporary_folder folder;
  const std::clock_t begin = std::clock();
  std::string elements = "{}";
  for (int i = 0; i < 300'000; ++i) elements += ",{}";
  for (const std::string& text : {"{\"x\":[" + elements + "]}", "{\"model\":[" + elements + "]}",
                                  "{\"added_tokens\":[" + elements + "]}"}) {
    CHECK_FALSE(lowbit::tokenizer::load(folder.write("tokenizer.json", text)).ok());
  }
  std::filesystem::remove(folder.path() / "tokenizer.json");
  folder.write("vocab.txt", specials);
  json tokens = json::array();
  for (int i = 0; i < 100'000; ++i) tokens.push_back("<x" + std::to_string(i) + ">");
  for (const char* field : {"additional_special_tokens", "extra_special_tokens"}) {
    folder.write("tokenizer_config.json", json({{field, tokens}}).dump());
    const auto t = lowbit::tokenizer::load(folder.path()).value();
    CHECK(t.encode_plain("<x99999>").value().ids == std::vector<std::int32_t>{100'004});
  }
  CHECK(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC < 20);  // one, not minutes
}
