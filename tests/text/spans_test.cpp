// SPDX-License-Identifier: Apache-2.0
// Entities, answers and windows on a small vocabulary; every expectation was written by hand.
#include "lowbit/text/spans.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace {

using lowbit::answer_window;
using lowbit::decode_bio;
using lowbit::encoding;
using lowbit::entity;
using lowbit::errc;
using lowbit::labelled_word;
using lowbit::text_span;
using lowbit::word_pieces;

const lowbit::tokenizer& tokenizer() {
  static const lowbit::tokenizer made =
      lowbit::tokenizer::from_vocabulary(
          {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "new", "york", "is", "big", "##ger",
           "##s",   ",",     ".",     "a",     "b",      "c",   "d",    "e",  "so",  "##ul"})
          .value();
  return made;
}

std::vector<std::string> parts_of(const std::string& text, const std::vector<word_pieces>& words) {
  std::vector<std::string> parts;
  for (const word_pieces& w : words)
    parts.push_back(text.substr(w.at.begin, w.at.end - w.at.begin));
  return parts;
}

/// Words "w0 w1 .." of two bytes and a blank each, with labels.
std::vector<entity> decode(const std::vector<std::string>& labels) {
  std::vector<labelled_word> words;
  for (std::size_t i = 0; i < labels.size(); ++i)
    words.push_back({labels[i], {3 * i, 3 * i + 2}, 0.5F + 0.1F * static_cast<float>(i)});
  return decode_bio(words);
}
std::vector<std::string> types_of(const std::vector<entity>& found) {
  std::vector<std::string> all;
  for (const entity& e : found)
    all.push_back(e.type + " " + std::to_string(e.first) + " " + std::to_string(e.last));
  return all;
}
using texts = std::vector<std::string>;

}  // namespace

TEST_CASE("characters are counted, not bytes", "[spans]") {
  const std::string text = "a\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80z";  // 1, 2, 3, 4, 1 bytes
  CHECK(lowbit::characters_before(text, 0) == 0);
  CHECK(lowbit::characters_before(text, 1) == 1);
  CHECK(lowbit::characters_before(text, 3) == 2);
  CHECK(lowbit::characters_before(text, 6) == 3);
  CHECK(lowbit::characters_before(text, 10) == 4);
  CHECK(lowbit::characters_before(text, 11) == 5);
}

TEST_CASE("the first piece speaks for a word, punctuation is a word", "[spans]") {
  const std::string text = " New York's  biggers, ";
  const auto e = tokenizer().encode(text, 70).value();
  const auto words = lowbit::pieces_by_word(text, e);
  CHECK(parts_of(text, words) == texts{"New", "York", "'", "s", "biggers", ","});
  CHECK(e.ids[words[4].first_token] == tokenizer().id("big"));
  CHECK(words[5].first_token == words[4].first_token + 3);
  CHECK(lowbit::pieces_by_word("", tokenizer().encode("", 8).value()).empty());
}

TEST_CASE("annotators' words are parted by white space only", "[spans]") {
  const std::string text = "new york's bigger, .";
  const auto whole = tokenizer().encode(text, 70).value();
  CHECK(parts_of(text, lowbit::pieces_by_white_space(text, whole)) ==
        texts{"new", "york's", "bigger,", "."});
  // [CLS] new york ' [SEP]: the rest was cut off, the second word is still all of it.
  const auto cut = tokenizer().encode(text, 5).value();
  CHECK(cut.truncated);
  CHECK(parts_of(text, lowbit::pieces_by_white_space(text, cut)) == texts{"new", "york's"});
}

TEST_CASE("BIO labels give entities as conlleval counts them", "[spans]") {
  CHECK(types_of(decode({})).empty());
  CHECK(types_of(decode({"O", "O"})).empty());
  CHECK(types_of(decode({"B-x", "I-x", "O", "B-y"})) == texts{"x 0 2", "y 3 4"});
  CHECK(types_of(decode({"B-x", "B-x"})) == texts{"x 0 1", "x 1 2"});
  CHECK(types_of(decode({"I-x", "I-x"})) == texts{"x 0 2"});           // no beginning
  CHECK(types_of(decode({"B-x", "I-y"})) == texts{"x 0 1", "y 1 2"});  // another type
  CHECK(types_of(decode({"B-x", "O", "I-x"})) == texts{"x 0 1", "x 2 3"});
  CHECK(types_of(decode({"x", "x", "O", "B-a-b"})) == texts{"x 0 2", "a-b 3 4"});
  const auto found = decode({"O", "B-x", "I-x", "I-x"});
  REQUIRE(found.size() == 1);
  CHECK(found[0].at == text_span{3, 11});
  CHECK(!(std::abs(found[0].score - 0.7F) > 1e-6F));  // the mean of 0.6, 0.7, 0.8
}

TEST_CASE("windows cover a context with the overlap that was asked for", "[spans]") {
  const std::string question = "is a";
  const std::string context = "a b c d e a b c d e a";  // 11 tokens
  // 10 tokens: [CLS] is a [SEP] and [SEP] leave 5.
  const auto windows = lowbit::answer_windows(tokenizer(), question, context, 10, 2).value();
  REQUIRE(windows.size() == 3);
  const text_span expected[][2] = {{{0, 1}, {8, 9}}, {{6, 7}, {14, 15}}, {{12, 13}, {20, 21}}};
  for (std::size_t w = 0; w < 3; ++w) {
    const answer_window& a = windows[w];
    CAPTURE(w);
    CHECK(a.context_begin == 4);
    CHECK(a.context_end == 9);
    CHECK(a.tokens.ids.size() == 10);
    CHECK(a.tokens.ids[0] == tokenizer().cls_id());
    CHECK(a.tokens.ids[3] == tokenizer().sep_id());
    CHECK(a.tokens.ids[9] == tokenizer().sep_id());
    CHECK(a.tokens.type_ids == std::vector<std::int32_t>{0, 0, 0, 0, 1, 1, 1, 1, 1, 1});
    CHECK(a.tokens.offsets[4] == expected[w][0]);
    CHECK(a.tokens.offsets[8] == expected[w][1]);
  }
  // One window is exactly what a pair is encoded to.
  const auto one = lowbit::answer_windows(tokenizer(), question, "b c", 10, 2).value();
  const auto pair = tokenizer().encode_pair(question, "b c", 10).value();
  REQUIRE(one.size() == 1);
  CHECK(one[0].tokens.ids == pair.ids);
  CHECK(one[0].tokens.type_ids == pair.type_ids);
  CHECK(one[0].tokens.offsets == pair.offsets);
  const auto empty = lowbit::answer_windows(tokenizer(), question, "", 10, 2).value();
  REQUIRE(empty.size() == 1);
  CHECK(empty[0].context_begin == empty[0].context_end);
}

TEST_CASE("a question that leaves no room and text that is not UTF-8 are named", "[spans]") {
  const auto fail = [](const std::string& q, const std::string& c, std::size_t most,
                       std::size_t overlap) {
    return lowbit::answer_windows(tokenizer(), q, c, most, overlap).status();
  };
  CHECK(fail("is a", "a b c d e", 7, 2).message() ==
        "the question has 2 tokens: of 7 tokens 2 are left for the context, expected more than the "
        "overlap of 2");
  CHECK(lowbit::answer_windows(tokenizer(), "is a", "a b", 7, 2).ok());  // needs no second window
  CHECK(fail("is a b c d e", "a", 5, 0).code() == errc::invalid_argument);
  CHECK(fail("is \xFF", "a", 10, 0).message().starts_with("question: "));
  CHECK(fail("is", "a \xFF", 10, 0).message().starts_with("context: "));
}

TEST_CASE("the best answers are those of trying all spans", "[spans]") {
  const auto windows = lowbit::answer_windows(tokenizer(), "is", "a b c d e", 20, 2).value();
  const answer_window& w = windows[0];
  std::vector<float> logits(2 * w.tokens.ids.size(), 0.0F);
  logits[0] = 9.0F, logits[1] = 9.5F;                // [CLS]: not context
  logits[2 * 1] = 50.0F, logits[2 * 1 + 1] = 50.0F;  // nor is the question
  const std::size_t c = w.context_begin;
  logits[2 * (c + 3)] = 5.0F;      // d begins
  logits[2 * (c + 1) + 1] = 7.0F;  // b ends: before d
  logits[2 * (c + 4) + 1] = 1.0F;  // e ends
  logits[2 * c] = 4.0F;            // a begins
  auto best = lowbit::best_answers(w, logits, 3, 30);
  REQUIRE(best.size() == 3);
  CHECK(best[0].at == text_span{0, 3});  // a b
  CHECK(best[0].score == 11.0F);
  CHECK(best[1].at == text_span{2, 3});  // b alone
  CHECK(best[1].score == 7.0F);
  CHECK(best[2].at == text_span{6, 9});  // d e
  CHECK(best[2].score == 6.0F);
  best = lowbit::best_answers(w, logits, 1, 1);  // one token: a b is too long
  REQUIRE(best.size() == 1);
  CHECK(best[0].at == text_span{2, 3});
  CHECK(lowbit::best_answers(w, logits, 0, 30).empty());
  CHECK(lowbit::best_answers(w, logits, 100, 30).size() == 15);
  CHECK(lowbit::null_score(logits) == 18.5F);
}

TEST_CASE("answers are whole words, each span once with its best score", "[spans]") {
  const auto windows = lowbit::answer_windows(tokenizer(), "is", "a bigger big", 20, 2).value();
  const answer_window& w = windows[0];  // a big ##ger big
  REQUIRE(w.context_end - w.context_begin == 4);
  std::vector<float> logits(2 * w.tokens.ids.size(), 0.0F);
  const std::size_t c = w.context_begin;
  logits[2 * (c + 2)] = 5.0F;      // ##ger begins
  logits[2 * (c + 1) + 1] = 3.0F;  // big ends, before ##ger begins
  logits[2 * (c + 2) + 1] = 1.0F;  // ##ger ends
  const auto best = lowbit::best_answers(w, logits, 100, 30);
  CHECK(best.size() == 6);  // of 3 words
  CHECK(best[0].at == text_span{2, 8});
  CHECK(best[0].score == 6.0F);
  for (std::size_t i = 1; i < best.size(); ++i) {
    CHECK(best[i - 1].score >= best[i].score);
    for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(best[i].at == best[j].at);
  }
}
