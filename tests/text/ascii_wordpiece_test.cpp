// SPDX-License-Identifier: Apache-2.0
// The tokenizer without a heap against the one with everything, on every ASCII line at hand.
#include "lowbit/text/ascii_wordpiece.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <functional>

#include "golden.hpp"
#include "lowbit/text/ascii_tables.hpp"

namespace {

using lowbit::errc;

struct ascii_tokenizer {
  lowbit::ascii_tables tables;
  std::vector<lowbit::ascii_vocabulary::added> added;

  [[nodiscard]] std::vector<std::int32_t> encode(const std::string& text, std::size_t most) {
    std::vector<std::int32_t> ids(most, -1);
    ids.resize(lowbit::encode_ascii(tables.view(added), text, ids.data(), most).tokens);
    return ids;
  }
};

ascii_tokenizer ascii_of(const std::vector<std::string>& tokens, bool lower_case = true) {
  auto parts = lowbit::detail::bert_parts(tokens, {.lower_case = lower_case});
  lowbit::detail::add_special_tokens(parts);
  return {lowbit::ascii_tables::make(parts).value(), {}};
}

bool is_ascii_text(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<signed char>(c) >= 0; });
}

/// Every text in the golden files, and what an ASCII profile could get wrong.
std::vector<std::string> ascii_texts() {
  std::vector<std::string> texts{"",
                                 " ",
                                 "a",
                                 "[MASK]",
                                 "x[SEP]y [mask] [MASK",
                                 "a\tb\nc\rd\x0B"
                                 "e\x0C"
                                 "f\x7Fg\x01h",
                                 std::string("nul\0in", 6),
                                 std::string(99, 'a'),
                                 std::string(100, 'a'),
                                 std::string(101, 'a'),
                                 std::string(100, 'a') + "\x01",
                                 "##ing # ## #a",
                                 "don't stop-me, 12.5% {now}~"};
  std::function<void(const nlohmann::json&)> walk = [&](const nlohmann::json& j) {
    if (j.is_string()) texts.push_back(j.get<std::string>());
    if (j.is_structured()) {
      for (const auto& inner : j) walk(inner);
    }
  };
  walk(golden::read_json("encodings.json"));
  walk(golden::read_json("pipelines.json"));
  const auto models = golden::folder() / ".." / ".." / ".." / "models";
  std::ifstream in(models / "sentences.tsv");
  for (std::string line; std::getline(in, line);) texts.push_back(line);
  REQUIRE(texts.size() > 400);
  std::erase_if(texts, [](const std::string& t) { return !is_ascii_text(t); });
  return texts;
}

}  // namespace

TEST_CASE("ids without a heap are those of the tokenizer for every ASCII text", "[text][ascii]") {
  for (const bool lower_case : {true, false}) {
    const auto full = lowbit::tokenizer::from_vocabulary(golden::vocabulary(), lower_case).value();
    ascii_tokenizer ascii = ascii_of(golden::vocabulary(), lower_case);
    for (const std::string& text : ascii_texts()) {
      CAPTURE(lower_case, text);
      for (const std::size_t most :
           {std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{512}})
        CHECK(ascii.encode(text, most) == full.encode(text, most).value().ids);
    }
  }
}

TEST_CASE("tables of more than 64 KiB of pieces wrap", "[text][ascii]") {
  std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (int i = 0; i < 20000; ++i) {
    std::string piece = i % 2 == 0 ? "##" : "";
    for (int n = i, k = 0; k < 5; ++k, n /= 26) piece += static_cast<char>('a' + n % 26);
    tokens.push_back(piece + piece.substr(piece.size() - 5));
  }
  const auto full = lowbit::tokenizer::from_vocabulary(tokens).value();
  ascii_tokenizer ascii = ascii_of(tokens);
  REQUIRE(ascii.tables.wraps.size() == 3);
  for (std::size_t i = 5; i + 1 < tokens.size(); i += 7) {
    const std::string text = tokens[i | 1].substr(tokens[i | 1].starts_with("##") ? 2 : 0) +
                             tokens[i + 1].substr(tokens[i + 1].starts_with("##") ? 2 : 0);
    REQUIRE(ascii.encode(text, 9) == full.encode(text, 9).value().ids);
  }
}

TEST_CASE("a word outside ASCII is unknown, and the caller is told", "[text][ascii]") {
  const ascii_tokenizer ascii = ascii_of({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"});
  std::vector<lowbit::ascii_vocabulary::added> added;
  std::int32_t ids[8];
  auto out = lowbit::encode_ascii(ascii.tables.view(added), "a b\xC3\xA9 b", ids, 8);
  CHECK(out.beyond_ascii);
  CHECK_FALSE(out.truncated);
  CHECK(std::vector<std::int32_t>(ids, ids + out.tokens) ==
        std::vector<std::int32_t>{2, 5, 1, 6, 3});
  out = lowbit::encode_ascii(ascii.tables.view(added), "a b a b", ids, 5);
  CHECK_FALSE(out.beyond_ascii);
  CHECK(out.truncated);
}

TEST_CASE("a tokenizer outside the ASCII profile is refused by name", "[text][ascii]") {
  auto parts = lowbit::detail::bert_parts({"[UNK]", "[CLS]", "[SEP]", "a"});
  const auto refusal = [&] {
    const auto made = lowbit::ascii_tables::make(parts);
    REQUIRE_FALSE(made.ok());
    CHECK(made.status().code() == errc::unsupported);
    return std::string(made.status().message());
  };
  auto good = parts;
  parts.added.push_back({.content = "a", .normalized = true});
  CHECK(refusal().starts_with("added token 'a'"));
  parts = good;
  parts.normalizers.clear();
  CHECK(refusal().starts_with("normalizer: "));
  parts = good;
  parts.pre_tokenizers.clear();
  CHECK(refusal().starts_with("pre_tokenizer: "));
  parts = good;
  parts.specials.single.pop_back();
  CHECK(refusal().starts_with("post_processor: "));
  parts = good;
  std::get<lowbit::detail::wordpiece_model::options>(parts.model).max_characters = 201;
  CHECK(refusal() == "max_input_chars_per_word is 201, the ASCII profile takes 1 to 200");
  CHECK(lowbit::ascii_tables::make(good).ok());
}
