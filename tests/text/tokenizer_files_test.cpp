// SPDX-License-Identifier: Apache-2.0
// Every way in which the files of a tokenizer can be wrong is an error that names what was found.
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <string>
#include <vector>

#include "golden.hpp"

namespace {

using lowbit::errc;

const std::string specials = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

nlohmann::json good_json() { return golden::read_json("tokenizer.json"); }

void check_error(const std::filesystem::path& path, errc code, const std::string& part) {
  const auto loaded = lowbit::tokenizer::load(path);
  INFO(path.string() << ", expected a message with: " << part);
  REQUIRE_FALSE(loaded.ok());
  INFO(std::string(loaded.status().message()));
  CHECK(loaded.status().code() == code);
  CHECK(loaded.status().message().find(part) != std::string_view::npos);
}

void check_json_error(const std::function<void(nlohmann::json&)>& damage, errc code,
                      const std::string& part) {
  golden::temporary_folder folder;
  auto json = good_json();
  damage(json);
  folder.write("tokenizer.json", json.dump());
  check_error(folder.path(), code, part);
}

}  // namespace

TEST_CASE("a missing path, an empty folder and an unreadable file are errors") {
  golden::temporary_folder folder;
  check_error(folder.path() / "absent", errc::not_found, "no such file");
  check_error(folder.path(), errc::not_found, "neither tokenizer.json nor vocab.txt");
  std::filesystem::create_directory(folder.path() / "vocab.txt");
  check_error(folder.path(), errc::io_error, "vocab.txt");
}

TEST_CASE("a file that is far too large is refused before it is read") {
  golden::temporary_folder folder;
  const auto file = folder.write("vocab.txt", specials);
  std::filesystem::resize_file(file, (std::uintmax_t{1} << 26) + 1);
  check_error(file, errc::malformed, "expected at most 67108864");
}

TEST_CASE("a broken vocab.txt is refused by line or token") {
  golden::temporary_folder folder;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no token"},
      {"\n", "line 1 is empty"},
      {specials + "\nx\n", "line 6 is empty"},
      {specials + "x\ny\nx\n", "token 7 'x' is already token 5"},
      {specials + "caf\xe9\n", "token 5 is not valid UTF-8 at its byte 3"},
      {"[PAD]\n[CLS]\n[SEP]\n", "no token '[UNK]'"},
      {"[UNK]\n[SEP]\n", "no token '[CLS]'"},
      {"[UNK]\n[CLS]\n", "no token '[SEP]'"},
  };
  for (const auto& [bytes, part] : cases)
    check_error(folder.write("vocab.txt", bytes), errc::malformed, part);
}

TEST_CASE("a vocab.txt with or without final line break, and with CRLF, gives the same tokens") {
  golden::temporary_folder folder;
  for (const std::string& bytes :
       {specials + "x\n", specials + "x",
        std::string("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nx\r\n")}) {
    const auto t = lowbit::tokenizer::load(folder.write("vocab.txt", bytes)).value();
    CHECK(t.vocabulary_size() == 6);
    CHECK(t.id("x") == 5);
  }
}

TEST_CASE("tokens given by the caller are checked like those of a file") {
  CHECK_FALSE(lowbit::tokenizer::from_vocabulary({}).ok());
  CHECK_FALSE(lowbit::tokenizer::from_vocabulary({"[UNK]", "[CLS]", "[SEP]", ""}).ok());
  CHECK_FALSE(lowbit::tokenizer::from_vocabulary({"[UNK]", "[CLS]", "[SEP]", "\xff"}).ok());
  CHECK_FALSE(lowbit::tokenizer::from_vocabulary({"[UNK]", "[CLS]", "[SEP]", "[UNK]"}).ok());
  CHECK(lowbit::tokenizer::from_vocabulary({"[UNK]", "[CLS]", "[SEP]"}).ok());
}

TEST_CASE("tokenizer_config.json and special_tokens_map.json are applied to a vocab.txt") {
  golden::temporary_folder folder;
  folder.write("vocab.txt", "<pad>\n<unk>\n<s>\n</s>\n<mask>\nX\nx\n<ent>\n");
  folder.write("tokenizer_config.json", R"({"do_lower_case": false, "cls_token": "[CLS]"})");
  folder.write("special_tokens_map.json",
               R"({"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>",
                   "sep_token": {"content": "</s>", "lstrip": true}, "mask_token": "<mask>",
                   "additional_special_tokens": ["<ent>", "<new>"]})");
  const auto t = lowbit::tokenizer::load(folder.path()).value();
  CHECK(t.cls_id() == 2);
  CHECK(t.mask_id() == 4);
  CHECK(t.vocabulary_size() == 9);  // <new> is appended
  const auto e = t.encode_plain("X </s><ent>x<new>").value();
  CHECK(e.ids == std::vector<std::int32_t>{5, 3, 7, 6, 8});
  CHECK(e.offsets[1] == lowbit::text_span{1, 6});  // with the space on its left
}

TEST_CASE("broken companions of a vocab.txt are refused by name") {
  golden::temporary_folder folder;
  folder.write("vocab.txt", specials);
  folder.write("tokenizer_config.json", R"({"do_lower_case": "yes"})");
  check_error(folder.path(), errc::malformed, "do_lower_case: string, expected a boolean");
  folder.write("tokenizer_config.json", R"({"do_basic_tokenize": false})");
  check_error(folder.path(), errc::unsupported, "do_basic_tokenize");
  folder.write("tokenizer_config.json", "[]");
  check_error(folder.path(), errc::malformed, "tokenizer_config.json: JSON array");
  folder.write("tokenizer_config.json", "{}");
  folder.write("special_tokens_map.json", R"({"unk_token": 3})");
  check_error(folder.path(), errc::malformed, "unk_token");
  folder.write("special_tokens_map.json", R"({"unk_token": "<unk>"})");
  check_error(folder.path(), errc::malformed, "no token '<unk>'");
  folder.write("special_tokens_map.json", R"({"additional_special_tokens": {}})");
  check_error(folder.path(), errc::malformed, "additional_special_tokens: object");
}

TEST_CASE("bytes that are not the JSON of an object are refused") {
  golden::temporary_folder folder;
  for (const char* bytes : {"", "{", "[1, 2]", "null", "{\"model\": \"\xff\"}", "{} x"})
    check_error(folder.write("tokenizer.json", bytes), errc::malformed, "JSON");
  check_error(folder.write("tokenizer.json", R"({"model": {"b": 1, "c": 2, "b": 1}})"),
              errc::malformed, "key \"b\" appears twice");
  for (const std::string member : {"model", "unknown"}) {
    check_error(folder.write("tokenizer.json", "{\"" + member + "\":" + std::string(100000, '[')),
                errc::malformed, "deeper than 64");
  }
}

TEST_CASE("the undamaged tokenizer.json of the negative tests loads") {
  golden::temporary_folder folder;
  folder.write("tokenizer.json", good_json().dump());
  CHECK(lowbit::tokenizer::load(folder.path()).ok());
  CHECK(lowbit::tokenizer::load(folder.path() / "tokenizer.json").ok());
}

TEST_CASE("a tokenizer.json of another kind is unsupported, by component") {
  const auto unsupported = errc::unsupported;
  using json = nlohmann::json;
  check_json_error([](json& j) { j["model"]["type"] = "BPE"; }, unsupported, "model: 'BPE'");
  check_json_error([](json& j) { j["model"] = nullptr; }, unsupported, "model: 'null'");
  check_json_error(
      [](json& j) {
        j["normalizer"] = {{"type", "NFC"}};
      },
      unsupported, "normalizer: 'NFC'");
  check_json_error([](json& j) { j.erase("normalizer"); }, unsupported, "normalizer");
  check_json_error([](json& j) { j["pre_tokenizer"]["type"] = "Whitespace"; }, unsupported,
                   "pre_tokenizer: 'Whitespace'");
  check_json_error([](json& j) { j["post_processor"]["type"] = "RobertaProcessing"; }, unsupported,
                   "post_processor: 'RobertaProcessing'");
  check_json_error([](json& j) { j["post_processor"]["single"].erase(2); }, unsupported,
                   "post_processor: a template");
  check_json_error([](json& j) { j["post_processor"]["pair"][3]["Sequence"]["type_id"] = 0; },
                   unsupported, "post_processor: a template");
  check_json_error(
      [](json& j) {
        j["truncation"] = {{"direction", "Left"}, {"strategy", "LongestFirst"}, {"max_length", 9}};
      },
      unsupported, "truncation: Left");
}

TEST_CASE("a tokenizer.json with wrong ids, types or tokens is refused by token") {
  const auto malformed = errc::malformed;
  using json = nlohmann::json;
  const auto vocab = [](json& j) -> json& { return j["model"]["vocab"]; };
  check_json_error([&](json& j) { vocab(j)["hello"] = 1000000; }, malformed, "'hello' has id");
  check_json_error([&](json& j) { vocab(j)["hello"] = -1; }, malformed, "'hello' has id -1");
  check_json_error([&](json& j) { vocab(j)["hello"] = "7"; }, malformed, "'hello' has id");
  check_json_error([&](json& j) { vocab(j)["hello"] = 10; }, malformed, "both have id 10");
  check_json_error([&](json& j) { vocab(j)[""] = vocab(j).size(); }, malformed, "empty token");
  check_json_error([&](json& j) { vocab(j) = json::array(); }, malformed, "model.vocab: array");
  check_json_error([&](json& j) { vocab(j) = json::object(); }, malformed, "expected");
  check_json_error([](json& j) { j["model"]["unk_token"] = "<none>"; }, malformed,
                   "no token '<none>'");
  check_json_error([](json& j) { j["model"]["max_input_chars_per_word"] = -3; }, malformed,
                   "max_input_chars_per_word");
  check_json_error([](json& j) { j["normalizer"]["lowercase"] = 1; }, malformed, "lowercase");
  check_json_error([](json& j) { j["added_tokens"][0]["id"] = 77; }, malformed,
                   "'[PAD]' has id 77, expected 0");
  check_json_error([](json& j) { j["added_tokens"][0].erase("content"); }, malformed,
                   "content is empty");
  check_json_error([](json& j) { j["added_tokens"] = "x"; }, malformed, "added_tokens: string");
  check_json_error([](json& j) { j["added_tokens"].push_back(j["added_tokens"][0]); }, malformed,
                   "'[PAD]' occurs twice");
  check_json_error(
      [](json& j) {
        j["added_tokens"][0]["normalized"] = true;
        j["normalizer"]["clean_text"] = true;
        j["added_tokens"].push_back({{"id", j["model"]["vocab"].size() + 99}, {"content", "q q"}});
      },
      malformed, "'q q' has id");
  check_json_error(
      [](json& j) {
        j["post_processor"] = {
            {"type", "BertProcessing"}, {"sep", {"[SEP]", 9}}, {"cls", {"[CLS]", 3}}};
      },
      malformed, "'[SEP]' has id 9");
  check_json_error(
      [](json& j) {
        j["post_processor"] = {{"type", "BertProcessing"}, {"sep", "[SEP]"}};
      },
      malformed, "post_processor.sep: string");
}

TEST_CASE("an added token that normalization erases is unsupported") {
  check_json_error(
      [](nlohmann::json& j) {
        std::size_t next = j["model"]["vocab"].size();
        for (const auto& token : j["added_tokens"])
          next = std::max(next, token["id"].get<std::size_t>() + 1);
        j["added_tokens"].push_back({{"id", next}, {"content", "\u200b"}, {"normalized", true}});
      },
      errc::unsupported, "nothing is left");
}

TEST_CASE("BertProcessing and a model without a type are accepted") {
  golden::temporary_folder folder;
  auto json = good_json();
  const auto before = lowbit::tokenizer::load(folder.write("tokenizer.json", json.dump())).value();
  json["post_processor"] = {{"type", "BertProcessing"},
                            {"sep", {"[SEP]", before.sep_id()}},
                            {"cls", {"[CLS]", before.cls_id()}}};
  json["model"].erase("type");
  const auto after = lowbit::tokenizer::load(folder.write("tokenizer.json", json.dump())).value();
  CHECK(after.encode("hello [MASK]", 9).value().ids ==
        before.encode("hello [MASK]", 9).value().ids);
}
