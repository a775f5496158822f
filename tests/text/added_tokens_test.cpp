// SPDX-License-Identifier: Apache-2.0
// Added tokens are found as a plain search finds them, however many there are.
#include "lowbit/text/added_tokens.hpp"

#include <catch2/catch_test_macros.hpp>
#include <ctime>
#include <set>
#include <string>
#include <vector>

#include "../support/random.hpp"
#include "golden.hpp"

namespace {

using lowbit::detail::added_token;
using lowbit::detail::added_token_matcher;

/// "abc" with "b" found: "a[b]c".
std::string marked(const added_token_matcher& matcher, std::string_view text) {
  std::string out;
  matcher.split(
      text, [&](std::size_t b, std::size_t e) { out += text.substr(b, e - b); },
      [&](const added_token& t, std::size_t b, std::size_t e) {
        out += "[" + t.content + "|" + std::string(text.substr(b, e - b)) + "]";
      });
  return out;
}

/// Leftmost, the longest at one place, by trying each.
std::string marked_by_trying(const std::vector<added_token>& tokens, std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const added_token* best = nullptr;
    for (const added_token& t : tokens) {
      const bool here = text.substr(at, t.content.size()) == t.content;
      if (here && (best == nullptr || t.content.size() > best->content.size())) best = &t;
    }
    if (best == nullptr) {
      out += text[at++];
    } else {
      out += "[" + best->content + "|" + best->content + "]";
      at += best->content.size();
    }
  }
  return out;
}

/// Of this process: other programs may run, too.
double seconds_since(std::clock_t begin) {
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("added tokens are the leftmost and longest, as when each is tried") {
  lowbit_test::random_source random(31);
  const auto word = [&](std::size_t longest) {
    std::string w;
    for (std::size_t n = 1 + random.below(longest); n > 0; --n)
      w += "ab\xC3"[random.below(8) == 0 ? 2 : random.below(2)];
    return w;
  };
  for (int round = 0; round < 300; ++round) {
    std::set<std::string> contents;
    for (std::size_t n = random.below(40); n > 0; --n) contents.insert(word(9));
    contents.insert(std::string(100, 'a'));  // longer than a block of bytes that is compared
    contents.insert(std::string(99, 'a') + "b");
    std::vector<added_token> tokens;
    for (const std::string& c : contents) tokens.push_back({.content = c});
    const auto matcher = added_token_matcher::make(tokens).value();
    for (const std::string& text : {word(60), std::string(150, 'a') + word(9), std::string()})
      CHECK(marked(matcher, text) == marked_by_trying(tokens, text));
  }
}

TEST_CASE("white space goes to the token that strips it, once") {
  const auto found = [](std::vector<added_token> tokens, std::string_view text) {
    return marked(added_token_matcher::make(std::move(tokens)).value(), text);
  };
  CHECK(found({{.content = "x", .lstrip = true}}, "a  x  x b") == "a[x|  x][x|  x] b");
  CHECK(found({{.content = "x", .rstrip = true}}, "a x  x b") == "a [x|x  ][x|x ]b");
  CHECK(found({{.content = "x", .lstrip = true, .rstrip = true}}, " x  x ") == "[x| x  ][x|x ]");
  // A token of white space takes what is left of a stretch that another has taken.
  CHECK(found({{.content = " ", .rstrip = true}}, "a   b") == "a[ |   ][ |  ][ | ]b");
  CHECK(found({}, "a") == "a");
  CHECK(added_token_matcher::make({{.content = "a"}, {.content = "b"}, {.content = "a"}})
            .status()
            .message() == "added token 'a' occurs twice");
}

TEST_CASE("a hundred thousand added tokens are read and found in time that grows with them") {
  auto json = golden::read_json("tokenizer.json");
  std::size_t id = json["model"]["vocab"].size();
  for (const auto& t : json["added_tokens"]) id = std::max(id, t["id"].get<std::size_t>() + 1);
  for (int i = 0; i < 100'000; ++i) {
    json["added_tokens"].push_back(
        {{"id", id++}, {"content", "aaa" + std::to_string(i)}, {"normalized", i % 2 == 0}});
  }
  golden::temporary_folder folder;
  const auto file = folder.write("tokenizer.json", json.dump());
  const std::clock_t begin = std::clock();
  const auto t = lowbit::tokenizer::load(file).value();
  CHECK(seconds_since(begin) < 8);  // a fifth of a second, not half a minute
  CHECK(t.token(t.encode_plain("aaa99999").value().ids.at(0)) == "aaa99999");
  CHECK(t.token(t.encode_plain("aaa5 aaa77777x").value().ids.at(1)) == "aaa77777");
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "aaa" + std::to_string(5 * i) + "aaa ";
  const std::clock_t middle = std::clock();
  CHECK(t.encode_plain(text).value().ids.size() >= 20'000);
  CHECK(seconds_since(middle) < 8);
}
