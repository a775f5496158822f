// SPDX-License-Identifier: Apache-2.0
// Expressions that pick tensors: what they match is what POSIX says, whatever they are they end
// soon, and what is not known is refused with its place.
#include "lowbit/io/name_pattern.hpp"

#include <regex.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <random>
#include <string>

#include "expect_error.hpp"

using lowbit::errc;
using lowbit::name_pattern;

namespace {

bool matches(const std::string& pattern, std::string_view name) {
  INFO(pattern);
  const auto parsed = name_pattern::parse(pattern);
  REQUIRE(parsed.ok());
  return parsed->matches(name);
}

/// What the C library says.
class posix_pattern {
 public:
  explicit posix_pattern(const std::string& text)
      : ok_(::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB) == 0) {}
  posix_pattern(const posix_pattern&) = delete;
  posix_pattern& operator=(const posix_pattern&) = delete;
  ~posix_pattern() {
    if (ok_) ::regfree(&compiled_);
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool matches(const std::string& name) const {
    return ::regexec(&compiled_, name.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_{};
  bool ok_;
};

/// A random expression over a, b and c.
std::string expression(std::mt19937& random, int depth) {
  const auto draw = [&random](unsigned n) { return static_cast<int>(random() % n); };
  std::string out;
  for (int pieces = 1 + draw(3); pieces > 0; --pieces) {
    switch (depth > 0 ? draw(6) : draw(4)) {
      case 0:
        out += ".";
        break;
      case 1:
        out += draw(2) == 0 ? "[ab]" : "[^b-c]";
        break;
      case 4:
      case 5:
        out += "(" + expression(random, depth - 1) + ")";
        break;
      default:
        out += static_cast<char>('a' + draw(3));
    }
    if (draw(3) == 0) out += "*+?"[draw(3)];
  }
  return draw(4) == 0 ? out + "|" + expression(random, 0) : out;
}

}  // namespace

TEST_CASE("a pattern matches a part of a name", "[io][name_pattern]") {
  const std::string name = "bert.encoder.layer.1.attention.self.query.weight";
  for (const char* fits :
       {"query", "layer\\.1", "layer\\.[0-9]+\\.", "layer.1.*query", "^bert\\.", "weight$", "\\d",
        "(key|query|value)\\.weight$", "[^a-z.]", "at+ention", "x*", "layer\\.(0|1)\\.", "a|query",
        "\\w+\\.encoder", "^b.*t$", "[.]1[.]", "x?y?z?", "(a|b|)*\\.self"}) {
    CHECK(matches(fits, name));
  }
  for (const char* fits_not : {"Query", "layer\\.2", "^encoder", "bert$", "layer\\.\\d\\d", "[A-Z]",
                               "^(key|value)", "querys+", "^$", "\\*", "1a"}) {
    CHECK_FALSE(matches(fits_not, name));
  }
  CHECK(matches("a\\{1\\}", "a{1}"));
  CHECK(matches("[\\]x]", "]"));
  CHECK(matches("[a-]", "-"));
  CHECK(matches("()*()+x", "x"));
}

TEST_CASE("patterns match what POSIX expressions do", "[io][name_pattern]") {
  std::mt19937 random(20261130);
  std::size_t found = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text = expression(random, 3);
    if (round % 3 == 0) text = "^(" + text + ")$";
    const posix_pattern expected(text);
    REQUIRE(expected.ok());
    const auto pattern = name_pattern::parse(text);
    INFO(text);
    REQUIRE(pattern.ok());
    for (int n = 0; n < 8; ++n) {
      std::string name;
      for (auto length = random() % 9; length > 0; --length)
        name += static_cast<char>('a' + random() % 4);
      INFO(name);
      CHECK(pattern->matches(name) == expected.matches(name));
      found += expected.matches(name) ? 1 : 0;
    }
  }
  CHECK((found > 3000 && found < 31000));
}

TEST_CASE("no pattern takes long or deep", "[io][name_pattern]") {
  const auto started = std::chrono::steady_clock::now();
  std::string nested;
  for (int i = 0; i < 40; ++i) nested = "(" + nested + "a*)*";
  CHECK_FALSE(matches(nested + "b$", std::string(2000, 'a')));
  std::string maybe;
  for (int i = 0; i < 300; ++i) maybe += "a?";
  CHECK(matches("^" + maybe + std::string(300, 'a') + "$", std::string(300, 'a')));
  CHECK_FALSE(matches("^(a|a)*(a|aa)+(a+)+$", std::string(5000, 'a') + "b"));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  CHECK(took.count() < 5);  // backtracking would take longer than anybody waits
  expect_error(name_pattern::parse(std::string(60000, '(')).status(), errc::invalid_argument,
               {"60000 bytes", "at most 1000"});
  expect_error(name_pattern::parse(std::string(900, '(')).status(), errc::invalid_argument,
               {"byte 51", "nested too deep"});
}

TEST_CASE("what a pattern does not know is refused with its place",
          "[io][name_pattern][negative]") {
  struct entry {
    const char* text;
    const char* place;
  };
  for (const auto& [text, place] : {entry{"a(b", "byte 2"},
                                    {"a)b", "byte 2"},
                                    {"*a", "byte 1"},
                                    {"a|+", "byte 3"},
                                    {"a**", "byte 3"},
                                    {"a+?", "byte 3"},
                                    {"a{2}", "byte 2"},
                                    {"[a", "byte 1"},
                                    {"[]", "byte 1"},
                                    {"[z-a]", "byte 2"},
                                    {"[[:alpha:]]", "byte 2"},
                                    {"a\\", "byte 2"},
                                    {"\\b", "byte 2"},
                                    {"(a)\\1", "byte 5"},
                                    {"(?:a)", "byte 2"},
                                    {"^*", "byte 2"}}) {
    expect_error(name_pattern::parse(text).status(), errc::invalid_argument, {place});
  }
}
