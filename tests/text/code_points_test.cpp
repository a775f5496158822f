// SPDX-License-Identifier: Apache-2.0
// Asks lowbit about every code point and compares with what the official tokenizers answered
// (golden/code_points.json). A utf8proc with other Unicode data than expected shows here.
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>
#include <vector>

#include "golden.hpp"

namespace {

constexpr char32_t end_of_unicode = 0x110000;
constexpr bool is_surrogate(char32_t c) { return c >= 0xD800 && c <= 0xDFFF; }

std::vector<bool> read_set(const nlohmann::json& ranges) {
  std::vector<bool> set(end_of_unicode);
  for (const auto& range : ranges)
    for (auto c = range[0].get<std::size_t>(); c <= range[1].get<std::size_t>(); ++c) set[c] = true;
  return set;
}

std::map<char32_t, std::vector<char32_t>> read_map(const nlohmann::json& entries) {
  std::map<char32_t, std::vector<char32_t>> map;
  for (const auto& entry : entries) {
    auto values = entry.get<std::vector<char32_t>>();
    map[values[0]] = {values.begin() + 1, values.end()};
  }
  return map;
}

template <class Predicate>
std::vector<char32_t> disagreements(const nlohmann::json& ranges, Predicate&& predicate) {
  const auto expected = read_set(ranges);
  std::vector<char32_t> wrong;
  for (char32_t c = 0; c < end_of_unicode; ++c)
    if (!is_surrogate(c) && predicate(c) != expected[c]) wrong.push_back(c);
  return wrong;
}

using code_points = std::vector<char32_t>;

}  // namespace

TEST_CASE("every code point has the class that the official tokenizers give it") {
  const auto golden = golden::read_json("code_points.json");
  using namespace lowbit::detail;
  CHECK(disagreements(golden.at("dropped"), is_dropped_by_cleaning) == code_points{});
  CHECK(disagreements(golden.at("whitespace"), is_whitespace) == code_points{});
  CHECK(disagreements(golden.at("punctuation"), is_punctuation) == code_points{});
  CHECK(disagreements(golden.at("ideograph"), is_spaced_ideograph) == code_points{});
  CHECK(disagreements(golden.at("word"), is_word_character) == code_points{});
  CHECK(disagreements(golden.at("combining"), [](char32_t c) {
          return combining_class(c) != 0 && canonical_decomposition(c).size == 1 &&
                 canonical_decomposition(c).code_points[0] == static_cast<utf8proc_int32_t>(c);
        }) == code_points{});
  const auto marks = read_set(golden.at("mark"));
  const auto decomposed = read_map(golden.at("decomposition"));
  code_points wrong;
  for (char32_t c = 0; c < end_of_unicode; ++c)  // a mark that decomposes is never asked about
    if (!is_surrogate(c) && !decomposed.contains(c) && is_nonspacing_mark(c) != marks[c])
      wrong.push_back(c);
  CHECK(wrong == code_points{});
}

TEST_CASE("every code point has the lower case and decomposition of the official tokenizers") {
  const auto golden = golden::read_json("code_points.json");
  const auto lower = read_map(golden.at("lower"));
  const auto decomposed = read_map(golden.at("decomposition"));
  CHECK(lower.at(0x130) == code_points{0x69, 0x307});  // the one that the normalizer appends to
  code_points wrong_lower, wrong_parts;
  for (char32_t c = 0; c < end_of_unicode; ++c) {
    if (is_surrogate(c)) continue;
    const auto low = lower.find(c);
    if (lowbit::detail::lower_case(c) != (low == lower.end() ? c : low->second[0]))
      wrong_lower.push_back(c);
    const auto d = lowbit::detail::canonical_decomposition(c);
    const code_points parts(d.code_points.begin(),
                            d.code_points.begin() + static_cast<std::ptrdiff_t>(d.size));
    code_points expected{c};
    if (const auto found = decomposed.find(c); found != decomposed.end()) expected = found->second;
    if (c >= 0xAC00 && c <= 0xD7A3) {  // Hangul, by the arithmetic of the Unicode standard
      const char32_t s = c - 0xAC00;
      expected = {0x1100 + s / 588, 0x1161 + s % 588 / 28};
      if (s % 28 != 0) expected.push_back(0x11A7 + s % 28);
    }
    if (parts != expected) wrong_parts.push_back(c);
  }
  CHECK(wrong_lower == code_points{});
  CHECK(wrong_parts == code_points{});
}

TEST_CASE("the comparer of code points notices a set with one code point more or less") {
  const auto whitespace = golden::read_json("code_points.json").at("whitespace");
  using lowbit::detail::is_whitespace;
  CHECK(disagreements(whitespace, [](char32_t c) { return c != 0x3000 && is_whitespace(c); }) ==
        code_points{0x3000});
  CHECK(disagreements(whitespace, [](char32_t c) { return c == 0x200B || is_whitespace(c); }) ==
        code_points{0x200B});
}

TEST_CASE("classes and normal forms of every code point are the reference's") {
  using namespace lowbit::detail;
  const auto recorded = golden::read_json("classes.json");
  const auto check = [&](const char* name, auto&& holds) {
    std::vector<char> expected(0x110000, 0);
    for (const auto& range : recorded["classes"][name])
      for (char32_t c = range[0]; c <= range[1].get<char32_t>(); ++c) expected[c] = 1;
    std::size_t different = 0;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      if (holds(c) == (expected[c] != 0)) continue;
      if (++different == 1) UNSCOPED_INFO(name << ": code point " << static_cast<std::uint32_t>(c));
    }
    CHECK(different == 0);
  };
  const auto is = [](pattern_class k) {
    return [k](char32_t c) { return class_in_pattern(c) == k; };
  };
  check("letter", is(pattern_class::letter));
  check("number", is(pattern_class::number));
  check("space", is(pattern_class::space));
  check("digit", is_numeric);
  check("mark", is_mark);

  const std::pair<const char*, normalizer_step> forms[] = {
      {"NFC", normal_form{.compatible = false, .composed = true}},
      {"NFD", normal_form{.compatible = false, .composed = false}},
      {"NFKC", normal_form{.compatible = true, .composed = true}},
      {"NFKD", normal_form{.compatible = true, .composed = false}},
      {"Nmt", nmt_normalizer{}}};
  for (const auto& [name, step] : forms) {
    const std::vector<normalizer_step> steps{step};
    for (char32_t block = 0; block < 0x110000; block += 4096) {
      running_hash hash;
      for (char32_t c = block; c < block + 4096; ++c) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        normalized_text t;
        t(c, 0);
        normalize(steps, t);
        for (const char byte : t.text) hash.add(byte);
        hash.add('\xFF');
      }
      char hex[17];
      std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(hash.value));
      INFO(name << " of the block at " << static_cast<std::uint32_t>(block));
      CHECK(recorded["forms"][name][block / 4096] == hex);
    }
  }
}
