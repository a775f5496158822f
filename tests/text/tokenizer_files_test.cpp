// SPDX-License-Identifier: Apache-2.0
// Every way in which the files of a tokenizer can be wrong is an error that names what was found.
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <string>
#include <vector>

#include "golden.hpp"

namespace {

using lowbit::errc;

const std::string file_specials = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

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
  const auto file = folder.write("vocab.txt", file_specials);
  std::filesystem::resize_file(file, (std::uintmax_t{1} << 26) + 1);
  check_error(file, errc::malformed, "expected at most 67108864");
}

TEST_CASE("a broken vocab.txt is refused by line or token") {
  golden::temporary_folder folder;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no token"},
      {"\n", "line 1 is empty"},
      {file_specials + "\nx\n", "line 6 is empty"},
      {file_specials + "x\ny\nx\n", "token 7 'x' is already token 5"},
      {file_specials + "caf\xe9\n", "token 5 is not valid UTF-8 at its byte 3"},
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
       {file_specials + "x\n", file_specials + "x",
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
  folder.write("vocab.txt", file_specials);
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

TEST_CASE("what a tokenizer.json has and the library has not is refused by name and place") {
  const auto unsupported = errc::unsupported;
  using json = nlohmann::json;
  const auto sequence = [](const char* list, json part) {
    return json{{"type", "Sequence"}, {list, {std::move(part)}}};
  };
  check_json_error([](json& j) { j["model"]["type"] = "WordLevel"; }, unsupported,
                   "model: 'WordLevel', expected one of WordPiece, BPE");
  check_json_error([](json& j) { j["model"] = nullptr; }, unsupported, "model: null");
  check_json_error(
      [&](json& j) {
        j["normalizer"] = sequence("normalizers", {{"type", "Upper"}});
      },
      unsupported, "normalizer: normalizers[0]: 'Upper', expected one of Sequence, BertNormalizer");
  check_json_error([](json& j) { j["normalizer"] = 3; }, unsupported, "normalizer: number");
  check_json_error(
      [&](json& j) {
        j["pre_tokenizer"] = sequence(
            "pretokenizers",
            {{"type", "Split"}, {"pattern", {{"Regex", "\\d"}}}, {"behavior", "Isolated"}});
      },
      unsupported, "pretokenizers[0]: Split: pattern: regular expression '\\d', expected ''s|");
  check_json_error([](json& j) { j["pre_tokenizer"]["type"] = "UnicodeScripts"; }, unsupported,
                   "pre_tokenizer: 'UnicodeScripts'");
  check_json_error([](json& j) { j["post_processor"]["type"] = "Other"; }, unsupported,
                   "post_processor: 'Other'");
  check_json_error([](json& j) { j["post_processor"]["single"].erase(1); }, unsupported,
                   "post_processor: single: 0 times A");
  check_json_error(
      [](json& j) {
        j["post_processor"] = {{"type", "Sequence"},
                               {"processors", {j["post_processor"], j["post_processor"]}}};
      },
      unsupported, "processors[1]: 'TemplateProcessing' after another");
  check_json_error(
      [](json& j) {
        j["truncation"] = {{"direction", "Left"}, {"strategy", "LongestFirst"}, {"max_length", 9}};
      },
      unsupported, "truncation: Left");
}

TEST_CASE("broken steps of a pipeline are refused by place") {
  using json = nlohmann::json;
  const auto malformed = errc::malformed;
  const auto normalizer = [](json part) { return [part](json& j) { j["normalizer"] = part; }; };
  const auto pre_tokenizer = [](json part) {
    return [part](json& j) { j["pre_tokenizer"] = part; };
  };
  check_json_error(normalizer({{"type", "Sequence"}, {"normalizers", 1}}), malformed,
                   "normalizer: normalizers: number, expected an array");
  check_json_error(normalizer({{"type", "Replace"}, {"pattern", "x"}, {"content", ""}}), malformed,
                   "normalizer: Replace: pattern: string");
  check_json_error(normalizer({{"type", "Replace"}, {"pattern", {{"String", "x"}}}}), malformed,
                   "Replace: content: null");
  check_json_error(
      normalizer({{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", ""}}),
      errc::unsupported, "Replace: pattern: empty");
  check_json_error(normalizer({{"type", "Strip"}, {"strip_left", "yes"}}), malformed,
                   "Strip: strip_left: string");
  check_json_error(
      pre_tokenizer({{"type", "Split"}, {"pattern", {{"String", "x"}}}, {"behavior", "Never"}}),
      malformed, "pre_tokenizer: Split: behavior: 'Never', expected Removed");
  check_json_error(pre_tokenizer({{"type", "ByteLevel"}, {"use_regex", 1}}), malformed,
                   "ByteLevel: use_regex: number");
  check_json_error(
      [](json& j) {
        json steps = json::array();
        for (int i = 0; i < 40; ++i)
          steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
        j["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
      },
      errc::unsupported, "could make a text too long");
  check_json_error(
      [](json& j) {
        const json step = {{"type", "ByteLevel"}};
        j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {step, step}}};
      },
      errc::unsupported, "ByteLevel twice");
  check_json_error(normalizer({{"type", "Sequence"},
                               {"normalizers", json(std::size_t{65}, json{{"type", "NFC"}})}}),
                   errc::unsupported, "more than 64");
  const auto processor = [&](const char* member, json value) {
    return [=](json& j) { j["post_processor"][member] = value; };
  };
  check_json_error(processor("single", json::object()), malformed, "single: object");
  check_json_error(processor("special_tokens", json::object()), malformed,
                   "special_tokens: '[CLS]': null");
  check_json_error(processor("pair", {{{"Sequence", {{"id", "C"}, {"type_id", 0}}}}}), malformed,
                   "pair: Sequence 'C'");
  check_json_error(processor("pair", {{{"Sequence", {{"id", "A"}, {"type_id", 7}}}}}), malformed,
                   "pair: type_id: number");
  check_json_error(
      processor("special_tokens", {{"[CLS]", {{"ids", {2, 3}}, {"tokens", {"[CLS]"}}}}}), malformed,
      "as many ids as tokens");
  check_json_error(
      [](json& j) {
        for (auto& [name, token] : j["post_processor"]["special_tokens"].items())
          token["ids"] = {0};
      },
      malformed, "post_processor: '[CLS]' has id 0, the vocabulary says");
}

TEST_CASE("a broken BPE model is refused by merge or field") {
  using json = nlohmann::json;
  const json good = {{"type", "BPE"},
                     {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"<unk>", 3}}},
                     {"merges", {"a b"}},
                     {"unk_token", "<unk>"}};
  golden::temporary_folder folder;
  const auto load = [&](const json& model) {
    return folder.write("tokenizer.json", json({{"model", model}}).dump());
  };
  REQUIRE(lowbit::tokenizer::load(load(good)).ok());
  const auto check = [&](const char* member, json value, errc code, const std::string& part) {
    json model = good;
    model[member] = std::move(value);
    check_error(load(model), code, part);
  };
  const auto malformed = errc::malformed;
  check("merges", {"a b", "a c"}, malformed, "merge 1 ('a' 'c') needs 'c', which is not in the");
  check("merges", {"b a"}, malformed, "merge 0 ('b' 'a') needs 'ba'");
  check("merges", {"a b", "a b"}, malformed, "merge 1 ('a' 'b') occurs twice");
  check("merges", {"ab"}, malformed, "model: merges: merge 0 is 'ab', expected two tokens");
  check("merges", {"a b c"}, malformed, "merge 0 is 'a b c', expected two tokens");
  check("merges", {json({"a", "b"}), "a b"}, malformed, "merge 1 is \"a b\", expected [left");
  check("merges", {json({"a", "b", "c"})}, malformed, "merge 0 is [");
  check("merges", {"a b", 3}, malformed, "merge 1 is 3, expected a string");
  check("merges", nullptr, malformed, "model: merges: null, expected an array");
  check("vocab", {{"a", 0}, {"b", 1}, {"ab", 3}}, malformed,
        "'ab' has id 3, expected the ids 0 to");
  check("vocab", {{"a", 0}, {"b", 1}, {"ab", 1.5}}, malformed, "'ab' has id 1.5");
  check("unk_token", "<none>", malformed, "unk_token: '<none>' is not in the vocabulary");
  check("unk_token", 3, malformed, "model: unk_token: number");
  check("dropout", 0.1, errc::unsupported, "model: dropout: 0.1");
  check("dropout", "x", malformed, "model: dropout: string");
  check("fuse_unk", 1, malformed, "model: fuse_unk: number");
  check("continuing_subword_prefix", "##", malformed, "shorter than the prefix '##'");
  json model = good;
  model["byte_fallback"] = true;
  REQUIRE(lowbit::tokenizer::load(load(model)).ok());
  model["end_of_word_suffix"] = "</w>";
  check_error(load(model), errc::unsupported, "byte_fallback with");
}

TEST_CASE("a broken vocab.json or merges.txt is refused by file and line") {
  golden::temporary_folder folder;
  const std::string words = R"({"<s>": 0, "</s>": 1, "a": 2, "b": 3, "ab": 4})";
  folder.write("vocab.json", words);
  check_error(folder.path(), errc::not_found, "nor vocab.json with merges.txt");
  folder.write("merges.txt", "#version: 0.2\r\na b\r\n\n");
  CHECK(lowbit::tokenizer::load(folder.path()).value().encode("ab", 9).value().ids ==
        std::vector<std::int32_t>{0, 4, 1});
  folder.write("merges.txt", "#version: 0.2\na b\nab\n");
  check_error(folder.path(), errc::malformed, "merges.txt: merge 2 is 'ab'");
  folder.write("merges.txt", "a b\nb c\n");
  check_error(folder.path(), errc::malformed, "merge 1 ('b' 'c') needs 'c'");
  folder.write("merges.txt", "version https://git-lfs.github.com/spec/v1\n");
  check_error(folder.path(), errc::malformed, "merges.txt: this is a Git LFS pointer");
  folder.write("merges.txt", "a b\n");
  folder.write("vocab.json", R"({"<s>": 0, "a": 1, "b": 2, "ab": 3})");
  check_error(folder.path(), errc::malformed, "no token '</s>'");
  folder.write("vocab.json", R"({"<s>": 0, "</s>": 2})");
  check_error(folder.path(), errc::malformed, "vocab.json: vocab: token '</s>' has id 2");
  folder.write("vocab.json", words);
  folder.write("tokenizer_config.json", R"({"add_prefix_space": 1})");
  check_error(folder.path(), errc::malformed, "add_prefix_space: number");
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
  check_json_error([&](json& j) { vocab(j) = json::array(); }, malformed, "model: vocab: array");
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
      malformed, "post_processor: sep: string");
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
