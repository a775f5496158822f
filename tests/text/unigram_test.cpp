// SPDX-License-Identifier: Apache-2.0
// The parts of a Unigram tokenizer alone: model, charsmap, SentencePiece files. Expected results
// are those of tokenizers (golden/make-unigram.py).
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "golden.hpp"
#include "lowbit/text/decimal.hpp"
#include "lowbit/text/precompiled_charsmap.hpp"
#include "lowbit/text/sentencepiece_model.hpp"
#include "lowbit/text/unigram_model.hpp"

namespace {

using lowbit::detail::precompiled_charsmap;
using lowbit::detail::read_sentencepiece_model;
using lowbit::detail::unigram_model;
using namespace std::string_literals;

const nlohmann::json& unigram_golden() {
  static const nlohmann::json json = golden::read_json("unigram.json");
  return json;
}

lowbit::detail::normalized_text characters(std::string_view text) {
  lowbit::detail::normalized_text n;
  for (std::size_t at = 0; at < text.size(); at += lowbit::detail::utf8_length(text[at]))
    n(lowbit::detail::decode_utf8(text, at), at);
  return n;
}

/// A Unigram model with its vocabulary.
struct small_model {
  lowbit::detail::vocabulary words;
  unigram_model model;

  static lowbit::result<small_model> make(const std::vector<std::string>& pieces,
                                          std::vector<double> scores, std::int32_t unk_id = 0,
                                          bool byte_fallback = false) {
    auto words = lowbit::detail::vocabulary::make(pieces, pieces.size(), std::nullopt).value();
    auto model = unigram_model::make({std::move(scores), byte_fallback}, words, unk_id);
    if (!model) return model.status();
    return small_model{std::move(words), *std::move(model)};
  }

  std::vector<lowbit::detail::word_piece> split(std::string_view text) const {
    unigram_model::scratch memory;
    std::vector<lowbit::detail::word_piece> tokens;
    model.split(words, text, tokens, memory);
    return tokens;
  }
};

nlohmann::json split(const small_model& model, std::string_view text) {
  auto tokens = nlohmann::json::array();
  for (const auto& t : model.split(text)) tokens.push_back({t.id, t.begin, t.end});
  return tokens;
}

std::string bytes_of(const nlohmann::json& base64) {
  return lowbit::detail::decode_base64(base64.get<std::string>()).value();
}

std::string u32(std::uint32_t value) {
  std::string out;
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xFFu);
  return out;
}

/// A charsmap of these units, and "X" as the only replacement.
std::string charsmap_of(const std::vector<std::uint32_t>& units, const std::string& text = "X\0"s) {
  std::string out = u32(static_cast<std::uint32_t>(4 * units.size()));
  for (const std::uint32_t unit : units) out += u32(unit);
  return out + text;
}

std::string error_of(const std::string& charsmap) {
  const auto made = precompiled_charsmap::make(charsmap);
  return made ? "" : std::string(made.status().message());
}

std::string model_error(const std::string& bytes) {
  const auto model = read_sentencepiece_model(bytes);
  return model ? "" : std::string(model.status().message());
}

/// A protobuf field of bytes shorter than 128.
std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

}  // namespace

TEST_CASE("a Unigram model splits like tokenizers, ties and unknown characters included") {
  std::size_t compared = 0;
  for (const auto& m : unigram_golden().at("models")) {
    std::vector<std::string> pieces;
    std::vector<double> scores;
    for (const auto& entry : m.at("vocab")) {
      pieces.push_back(entry[0]);
      scores.push_back(entry[1]);
    }
    const auto model =
        small_model::make(pieces, scores, m["unk_id"].get<std::int32_t>(), m["byte_fallback"]);
    REQUIRE(model);
    for (const auto& c : m.at("cases")) {
      INFO(c["text"].dump());
      CHECK(split(*model, c["text"].get<std::string>()) == c["tokens"]);
      ++compared;
    }
  }
  CHECK(compared == 97);
}

TEST_CASE("a Unigram model refuses scores that it cannot use") {
  const auto message = [](std::vector<double> scores, std::int32_t unk_id) {
    const auto made = small_model::make({"a", "b"}, std::move(scores), unk_id);
    return made ? "" : std::string(made.status().message());
  };
  CHECK(message({0, 0}, 1).empty());
  CHECK(message({0}, 1) == "unk_id: none, expected the id of a piece");
  CHECK(message({0, std::numeric_limits<double>::quiet_NaN()}, 0) ==
        "piece 1: score NaN, expected a finite number");
  CHECK(message({0, -std::numeric_limits<double>::infinity()}, 0) ==
        "piece 1: score infinite, expected a finite number");
}

TEST_CASE("a Unigram model takes time and memory linear in a text without an end") {
  const auto model = small_model::make({"<unk>", "a", "aa", "aaaaaaaa"}, {-9, -3, -4, -9});
  REQUIRE(model);
  const std::string text(2'000'000, 'a');
  std::size_t end_of_last = 0;
  bool in_a_row = true;
  const auto tokens = model->split(text);
  for (const auto& t : tokens) {
    in_a_row = in_a_row && t.begin == end_of_last;
    end_of_last = t.end;
  }
  CHECK(in_a_row);
  CHECK(tokens.size() == text.size() / 8);
  CHECK(end_of_last == text.size());
}

TEST_CASE("a charsmap normalizes like tokenizers, origins included") {
  std::size_t compared = 0;
  for (const auto& m : unigram_golden().at("charsmaps")) {
    const auto map = precompiled_charsmap::make(bytes_of(m.at("bytes")));
    REQUIRE(map);
    for (const auto& c : m.at("cases")) {
      auto n = characters(c["text"].get<std::string>());
      map->apply(n);
      auto origins = nlohmann::json::array();
      for (std::size_t at = 0; at < n.text.size(); at += lowbit::detail::utf8_length(n.text[at]))
        origins.push_back(n.origins[at]);
      INFO(c["text"].dump());
      CHECK(n.text == c["normalized"].get<std::string>());
      CHECK(origins == c["origins"]);
      ++compared;
    }
  }
  CHECK(compared == 138);
}

TEST_CASE("a charsmap that leads outside of itself is refused") {
  // The units of {"a": "X"}: root, child 'a' of base 1 at 1 ^ 'a', its value at base 2.
  constexpr std::uint32_t a = 'a', value = 0x80000000u;
  std::vector<std::uint32_t> units(256, 0);
  units[0] = 1u << 10;
  units[1 ^ a] = ((1 ^ a) ^ 2u) << 10 | 0x100u | a;
  units[2] = value;
  const auto map = precompiled_charsmap::make(charsmap_of(units));
  REQUIRE(map);
  CHECK(map->find("ab") == "X");
  CHECK_FALSE(map->find("b"));
  CHECK_FALSE(map->find("\0a"s));

  CHECK(error_of("") == "charsmap of 0 bytes, expected at least 4");
  CHECK(error_of(u32(4) + "abc") == "charsmap: a trie of 4 bytes, expected 4 to 3 in units of 4");
  CHECK(error_of(u32(0xFFFFFFFFu) + "abcd") ==
        "charsmap: a trie of 4294967295 bytes, expected 4 to 4 in units of 4");
  CHECK(error_of(u32(3) + "abcdef") ==
        "charsmap: a trie of 3 bytes, expected 4 to 6 in units of 4");
  CHECK(error_of(u32(0) + "abcdef") ==
        "charsmap: a trie of 0 bytes, expected 4 to 6 in units of 4");
  CHECK(error_of(charsmap_of(units, "X\xFF")) ==
        "charsmap: replacements not valid UTF-8 at byte 1");
  CHECK(
      error_of(charsmap_of(units, "")) ==
      "charsmap: unit 96 names the replacement at byte 0, expected the start of a character below "
      "0");
  CHECK(
      precompiled_charsmap::make(charsmap_of(units, std::string(64, 'X')))->longest_replacement() ==
      64);
  CHECK(error_of(charsmap_of(units, std::string(65, 'X'))) ==
        "charsmap: unit 96 names a replacement of more than 64 bytes, the limit");
  auto broken = units;
  broken[2] = value | 1;
  CHECK(
      error_of(charsmap_of(broken, "éX")) ==
      "charsmap: unit 96 names the replacement at byte 1, expected the start of a character below "
      "3");
  broken = units;
  broken[1 ^ a] = 0x200u | 1u << 10 | a;  // bit 9: the offset counts in blocks of 256
  CHECK(error_of(charsmap_of(broken)) ==
        "charsmap: unit 96 leads to unit 352, expected less than 256");
}

TEST_CASE("a cyclic charsmap ends with the text") {
  constexpr std::uint32_t a = 'a';
  std::vector<std::uint32_t> units(256, 0);
  units[0] = 1u << 10;
  units[1 ^ a] = ((1 ^ a) ^ 1u) << 10 | a;  // "a" leads back to where "a" is found
  const auto map = precompiled_charsmap::make(charsmap_of(units));
  REQUIRE(map);
  CHECK_FALSE(map->find(std::string(100'000, 'a')));
  auto n = characters("aaaa");
  map->apply(n);
  CHECK(n.text == "aaaa");
}

TEST_CASE("base64 is read strictly") {
  using lowbit::detail::decode_base64;
  CHECK(*decode_base64("") == "");
  CHECK(*decode_base64("AP9h") ==
        "\0\xFF"
        "a"s);
  CHECK(*decode_base64("YQ==") == "a");
  CHECK(*decode_base64("YWI=") == "ab");
  for (const char* bad : {"Y", "YQ=", "Y===", "YQ==YQ==", "YW I", "YW_-"})
    CHECK_FALSE(decode_base64(bad));
}

TEST_CASE("a SentencePiece model is read, and one that is cut off or not Unigram is refused") {
  const auto& folder = unigram_golden().at("folders")[1];
  const std::string bytes = bytes_of(folder.at("bytes"));
  const auto model = read_sentencepiece_model(bytes);
  REQUIRE(model);
  using enum lowbit::detail::piece_kind;
  REQUIRE(model->pieces.size() == folder["vocabulary"].get<std::size_t>());
  CHECK(model->pieces[2] == "[CLS]");
  CHECK(model->kinds[1] == unknown);
  CHECK(model->kinds[2] == control);
  CHECK(model->kinds[5] == user_defined);
  CHECK(model->scores.back() < -1);
  CHECK(precompiled_charsmap::make(model->charsmap));
  std::size_t accepted = 0;  // a cut between two pieces leaves a whole, shorter model
  for (std::size_t size = 0; size < bytes.size(); ++size)
    accepted += read_sentencepiece_model(std::string_view(bytes).substr(0, size)) ? 1 : 0;
  CHECK(accepted <= model->pieces.size() + 8);

  const std::string piece = field(1, field(1, "a"));
  CHECK(model_error(piece).empty());
  CHECK(model_error("") == "no pieces, expected a SentencePiece model");
  CHECK(model_error(piece + "\x0A") == "byte 6: the file ends in a number");
  CHECK(model_error("\x0A\xFF\xFF\xFF\xFF\x0F") ==
        "byte 6: a field of 4294967295 bytes, expected at most the 0 that are left");
  CHECK(model_error("\x0A" + std::string(10, '\xFF') + "\1") ==
        "byte 1: a number of more than 10 bytes, the limit");
  CHECK(model_error("\x0B") == "byte 0: field 1 has wire type 3, expected 0, 1, 2 or 5");
  CHECK(model_error("\2") == "byte 0: field number 0, expected at least 1");
  CHECK(model_error("\x08\1") == "pieces: wire type 0, expected 2");
  CHECK(model_error(field(1, "\x15\1\2")) ==
        "piece 0: byte 3: a field of 4 bytes, expected at most the 2 that are left");
  CHECK(model_error(field(1, "\x18\7")) == "piece 0: type: 7, expected 1 to 6");
  CHECK(model_error(field(2, "\x18\2")) ==
        "trainer_spec: model_type: 2 (bpe), expected 1 (unigram)");
  CHECK(model_error(field(2, "\x18\x11")) ==
        "trainer_spec: model_type: 17 (unknown), expected 1 (unigram)");
  CHECK(model_error(field(3, "\x10\1")) ==
        "normalizer_spec: precompiled_charsmap: wire type 0, expected 2");
  CHECK(model_error("version https://git-lfs.github.com/spec/v1\n") ==
        "this is a Git LFS pointer, not the file itself; git lfs pull fetches it");
}

TEST_CASE("scores are read from tokenizer.json as the reference reads them") {
  const auto& golden = unigram_golden().at("rounding");
  golden::temporary_folder folder;
  folder.write("tokenizer.json", golden.at("json").dump());
  const auto tokenizer = lowbit::tokenizer::load(folder.path());
  REQUIRE(tokenizer);
  for (const auto& c : golden.at("cases")) {
    INFO(c["text"].dump());
    CHECK_FALSE(golden::difference(golden::encode(*tokenizer, c).value(), c));
  }
  using lowbit::detail::decimal_of_reference;
  CHECK(decimal_of_reference("-11.830850601196289") == -11.830850601196287);
  CHECK(decimal_of_reference("0.25e+1") == 2.5);
  CHECK(decimal_of_reference("184467440737095516150000.5") == 184467440737095516150000.0);
  CHECK(decimal_of_reference("1e-400") == 0);
}

TEST_CASE("folders with a SentencePiece model encode like transformers") {
  for (const auto& f : unigram_golden().at("folders")) {
    golden::temporary_folder folder;
    auto config = f.at("config");
    config["tokenizer_class"] = f.at("class");
    folder.write("tokenizer_config.json", config.dump());
    folder.write(f.at("file").get<std::string>(), bytes_of(f.at("bytes")));
    const auto tokenizer = lowbit::tokenizer::load(folder.path());
    INFO(f["class"].dump() << config.dump());
    REQUIRE(tokenizer);
    CHECK(tokenizer->vocabulary_size() == f.at("vocabulary").get<std::size_t>());
    for (const auto& c : f.at("cases")) {
      INFO(c.dump());
      CHECK(golden::difference(golden::encode(*tokenizer, c).value(), c).value_or("") == "");
    }
  }
}

TEST_CASE("Metaspace of a tokenizer.json prepends and splits like tokenizers") {
  golden::temporary_folder folder;
  REQUIRE(unigram_golden().at("pipelines").size() == 4);
  for (const auto& p : unigram_golden().at("pipelines")) {
    folder.write("tokenizer.json", p.at("json").dump());
    const auto tokenizer = lowbit::tokenizer::load(folder.path());
    REQUIRE(tokenizer);
    for (const auto& c : p.at("cases")) {
      INFO(p["json"]["pre_tokenizer"].dump() << c.dump());
      CHECK(golden::difference(golden::encode(*tokenizer, c).value(), c).value_or("") == "");
    }
  }
}

TEST_CASE("the class of a SentencePiece model comes from the folder or is an error") {
  golden::temporary_folder folder;
  const auto error = [&] {
    const auto loaded = lowbit::tokenizer::load(folder.path());
    return loaded ? "" : std::string(loaded.status().message());
  };
  const auto& golden = unigram_golden().at("folders")[0];
  const auto file = folder.write("sentencepiece.bpe.model", bytes_of(golden.at("bytes")));
  CHECK(error().find("sentencepiece.bpe.model with neither a tokenizer_class in "
                     "tokenizer_config.json nor a model_type") != std::string::npos);
  CHECK_FALSE(lowbit::tokenizer::load(file));
  folder.write("config.json", R"({"model_type": "xlm-roberta"})");
  CHECK(error().empty());
  const auto tokenizer = lowbit::tokenizer::load(folder.path());
  REQUIRE(tokenizer);
  CHECK(tokenizer->mask_id() == 56);
  const auto word = tokenizer->text_of(tokenizer->id("\u2581cat").value());
  CHECK((word.text == "cat" && !word.continues));
  const auto end = tokenizer->text_of(tokenizer->id("s").value());
  CHECK((end.text == "s" && end.continues));
  folder.write("config.json", R"({"model_type": "camembert"})");
  CHECK(lowbit::tokenizer::load(folder.path())->mask_id() == 59);
  folder.write("config.json", R"({"model_type": "albert"})");
  CHECK(error().find("neither tokenizer.json nor spiece.model") != std::string::npos);
  folder.write("config.json", R"({"model_type": "xlm-roberta"})");
  folder.write("sentencepiece.bpe.model", "\x0A");
  CHECK(error().find("sentencepiece.bpe.model: byte 1: the file ends in a number") !=
        std::string::npos);
}

TEST_CASE("Unigram, Metaspace and Precompiled of a tokenizer.json are checked") {
  const auto error = [](const char* pointer, const nlohmann::json& value) {
    auto json = unigram_golden().at("rounding").at("json");
    json["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
    json["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "BAAAAAAAAAA="}};
    if (*pointer != 0) json[nlohmann::json::json_pointer(pointer)] = value;
    golden::temporary_folder folder;
    folder.write("tokenizer.json", json.dump());
    const auto loaded = lowbit::tokenizer::load(folder.path());
    if (loaded) return std::string();
    const auto message = std::string(loaded.status().message());
    return message.substr(message.rfind("tokenizer.json: ") + 16);
  };
  CHECK(error("", 0).empty());
  CHECK(error("/model/unk_id", 5) == "model: unk_id: 5, expected less than the 5 tokens");
  CHECK(error("/model/unk_id", nullptr) == "model: unk_id: null, expected less than the 5 tokens");
  CHECK(error("/model/vocab", 1) == "model: vocab: number, expected an array");
  CHECK(error("/model/vocab/1", "a") == "model: vocab: entry 1, expected [token, score]");
  CHECK(error("/model/vocab/1/1", "a") == "model: vocab: entry 1, expected [token, score]");
  CHECK(error("/pre_tokenizer/replacement", "__") ==
        "pre_tokenizer: Metaspace: replacement: '__', expected one character");
  CHECK(error("/pre_tokenizer/prepend_scheme", "last") ==
        "pre_tokenizer: Metaspace: prepend_scheme: 'last', expected always, first or never");
  CHECK(error("/pre_tokenizer/add_prefix_space", false) ==
        "pre_tokenizer: Metaspace: add_prefix_space: false with prepend_scheme 'always', expected "
        "never");
  CHECK(
      error("/normalizer/precompiled_charsmap", "BAAAAA") ==
      "normalizer: Precompiled: precompiled_charsmap: base64 of 6 characters, expected a multiple "
      "of 4");
  CHECK(error("/normalizer/precompiled_charsmap", "BAAA_AAAAAA=") ==
        "normalizer: Precompiled: precompiled_charsmap: base64: no digit at character 4");
  CHECK(error("/normalizer/precompiled_charsmap", nullptr) ==
        "normalizer: Precompiled: precompiled_charsmap: null, expected a string");
}
