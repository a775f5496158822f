// SPDX-License-Identifier: Apache-2.0
#include "lowbit/text/tokenizer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "golden.hpp"

namespace {

using lowbit::errc;
using lowbit::text_span;

std::vector<std::string> small_vocabulary() {
  return {"[PAD]", "[UNK]", "[CLS]", "[SEP]",  "[MASK]", "un", "##aff",  "##able",
          "cafe",  "a",     "##a",   "\u4e2d", "!",      "i",  "\u0307", "i\u0307x"};
}

lowbit::tokenizer small(bool lower_case = true) {
  return lowbit::tokenizer::from_vocabulary(small_vocabulary(), lower_case).value();
}

}  // namespace

TEST_CASE("encode puts [CLS] and [SEP] around the text, with empty offsets") {
  const auto t = small();
  const auto e = t.encode("unaffable!", 16).value();
  CHECK(e.ids == std::vector<std::int32_t>{2, 5, 6, 7, 12, 3});
  CHECK(e.type_ids == std::vector<std::int32_t>(6, 0));
  CHECK(e.offsets == std::vector<text_span>{{0, 0}, {0, 2}, {2, 5}, {5, 9}, {9, 10}, {0, 0}});
  CHECK_FALSE(e.truncated);
  CHECK(t.encode("", 2).value().ids == std::vector<std::int32_t>{2, 3});
}

TEST_CASE("offsets are bytes of the original text, through accents, lower case and ideographs") {
  const auto t = small();
  const std::string text = "CAF\u00c9 cafe\u0301 \u4e2d\u4e2d";
  const auto e = t.encode_plain(text).value();
  CHECK(e.ids == std::vector<std::int32_t>{8, 8, 11, 11});
  std::vector<std::string> pieces;
  for (const auto& span : e.offsets)
    pieces.push_back(text.substr(span.begin, span.end - span.begin));
  // the combining accent belongs to no token
  CHECK(pieces == std::vector<std::string>{"CAF\u00c9", "cafe", "\u4e2d", "\u4e2d"});
}

TEST_CASE("an ideograph is a token of its own inside a word") {
  CHECK(small().encode_plain("a\u4e2da").value().ids == std::vector<std::int32_t>{9, 11, 9});
}

TEST_CASE("capital I with dot keeps its dot when accents are kept") {
  golden::temporary_folder folder;
  std::string lines;
  for (const auto& token : small_vocabulary()) lines += token + "\n";
  folder.write("vocab.txt", lines);
  CHECK(lowbit::tokenizer::load(folder.path()).value().encode_plain("\u0130").value().ids ==
        std::vector<std::int32_t>{13});
  folder.write("tokenizer_config.json", R"({"strip_accents": false})");
  const auto e = lowbit::tokenizer::load(folder.path()).value().encode_plain("\u0130x").value();
  CHECK(e.ids == std::vector<std::int32_t>{15});
  CHECK(e.offsets == std::vector<text_span>{{0, 3}});
}

TEST_CASE("a word of 100 characters is split and one of 101 is unknown") {
  const auto t = small();
  CHECK(t.encode_plain(std::string(100, 'a')).value().ids.size() == 100);
  const auto e = t.encode_plain(" " + std::string(101, 'a') + "!").value();
  CHECK(e.ids == std::vector<std::int32_t>{1, 12});
  CHECK(e.offsets == std::vector<text_span>{{1, 102}, {102, 103}});
}

TEST_CASE("a special token in the text becomes its id, also inside a word, but only exactly") {
  const auto t = small();
  CHECK(t.encode_plain("a[SEP]a").value().ids == std::vector<std::int32_t>{9, 3, 9});
  CHECK(t.encode_plain("a[SEP]a").value().offsets[1] == text_span{1, 6});
  CHECK(t.encode_plain("[sep]").value().ids == std::vector<std::int32_t>{1, 1, 1});
  CHECK(t.encode_plain("[MASK][MASK]").value().ids == std::vector<std::int32_t>{4, 4});
}

TEST_CASE("control characters vanish and every white space separates") {
  const auto t = small();
  CHECK(t.encode_plain(std::string("u\0n\u200b", 6)).value().ids == std::vector<std::int32_t>{5});
  for (const char* space : {" ", "\t", "\n", "\r", "\u00a0", "\u2003", "\u2028", "\u3000"})
    CHECK(t.encode_plain(std::string("a").append(space).append("a")).value().ids ==
          std::vector<std::int32_t>{9, 9});
}

TEST_CASE("truncated is set exactly when a token was left out") {
  const auto t = small();
  CHECK_FALSE(t.encode("a a a", 5).value().truncated);
  const auto e = t.encode("a a a", 4).value();
  CHECK(e.truncated);
  CHECK(e.ids == std::vector<std::int32_t>{2, 9, 9, 3});
  CHECK(t.encode("unaffable", 3).value().truncated);
}

TEST_CASE("a pair has types 0 and 1 and loses from the longer text first") {
  const auto t = small();
  const auto e = t.encode_pair("a a a", "!", 6).value();
  CHECK(e.ids == std::vector<std::int32_t>{2, 9, 9, 3, 12, 3});
  CHECK(e.type_ids == std::vector<std::int32_t>{0, 0, 0, 0, 1, 1});
  CHECK(e.offsets[4] == text_span{0, 1});
  CHECK(e.truncated);
  CHECK(t.encode_pair("", "", 3).value().ids == std::vector<std::int32_t>{2, 3, 3});
}

TEST_CASE("too small a limit is an error that says what is needed") {
  const auto t = small();
  for (std::size_t max : {0u, 1u}) {
    const auto e = t.encode("a", max);
    REQUIRE_FALSE(e.ok());
    CHECK(e.status().code() == errc::invalid_argument);
    CHECK(e.status().message().find("at least 2") != std::string_view::npos);
  }
  const auto pair = t.encode_pair("a", "a", 2);
  REQUIRE_FALSE(pair.ok());
  CHECK(pair.status().message().find("at least 3") != std::string_view::npos);
}

TEST_CASE("text that is not UTF-8 is an error that names the byte") {
  const auto t = small();
  const std::vector<std::string> bad = {"\x80",
                                        "\xff",
                                        "\xc3",
                                        "\xc3(",
                                        "\xc0\xaf",
                                        "\xe0\x80\x80",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xf0\x82\x82\xac",
                                        "\xe4\xb8",
                                        "\xf8\x88\x80\x80\x80"};
  for (const std::string& bytes : bad) {
    const std::string text = "a\u00e9 " + bytes + " a";
    const auto e = t.encode(text, 8);
    REQUIRE_FALSE(e.ok());
    CHECK(e.status().code() == errc::malformed);
    CHECK(e.status().message().find("byte 4") != std::string_view::npos);
    CHECK_FALSE(t.encode_plain(text).ok());
    const auto pair = t.encode_pair("a", text, 8);
    REQUIRE_FALSE(pair.ok());
    CHECK(pair.status().message().starts_with("second text"));
  }
  // also where the limit was reached before it
  CHECK_FALSE(t.encode("a a a a a a \xff", 4).ok());
}

TEST_CASE("ids, tokens and the special ids agree") {
  const auto t = small();
  CHECK(t.vocabulary_size() == small_vocabulary().size());
  for (std::size_t i = 0; i < t.vocabulary_size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    CHECK(t.token(id) == small_vocabulary()[i]);
    CHECK(t.id(t.token(id)) == id);
  }
  CHECK_FALSE(t.id("absent").has_value());
  CHECK_FALSE(t.id("").has_value());
  CHECK(t.pad_id() == 0);
  CHECK(t.unk_id() == 1);
  CHECK(t.cls_id() == 2);
  CHECK(t.sep_id() == 3);
  CHECK(t.mask_id() == 4);
}

TEST_CASE("a copy outlives the tokenizer that it was made of") {
  auto original = std::make_unique<lowbit::tokenizer>(small());
  const lowbit::tokenizer copy = *original;
  original.reset();
  CHECK(copy.encode_plain("unaffable").value().ids == std::vector<std::int32_t>{5, 6, 7});
}

TEST_CASE("a cased tokenizer keeps case and accents") {
  CHECK(small(false).encode_plain("CAFE").value().ids == std::vector<std::int32_t>{1});
  CHECK(small(false).encode_plain("caf\u00e9").value().ids == std::vector<std::int32_t>{1});
  CHECK(small(true).encode_plain("CAF\u00c9").value().ids == std::vector<std::int32_t>{8});
}
