// SPDX-License-Identifier: Apache-2.0
// Pictures: what is drawn is well-formed XML whatever the names are, and axes have round ticks.
#include "lowbit/io/svg_layout.hpp"

#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cctype>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace lowbit;

namespace {

/// The text behind references; false where XML does not allow it between quotes or tags.
bool is_character_data(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '<' || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) return false;
    if (c != '&') continue;
    bool known = false;
    for (const char* name : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"}) {
      known = known || text.substr(at).starts_with(name);
    }
    if (!known) return false;
  }
  return text.find("]]>") == std::string_view::npos;
}

/// Whether `text` is one element as this library writes them: no declaration, comment or CDATA;
/// attributes in double quotes after one space, each once.
bool is_well_formed(std::string_view text) {
  const auto name_at = [&text](std::size_t at) {
    std::size_t end = at;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '-')) {
      ++end;
    }
    return text.substr(at, end - at);
  };
  std::vector<std::string_view> open;
  std::size_t at = 0;
  do {
    const std::size_t tag = text.find('<', at);
    if (tag == std::string_view::npos || !is_character_data(text.substr(at, tag - at)))
      return false;
    const bool closes = text.substr(tag + 1).starts_with('/');
    const std::string_view name = name_at(tag + 1 + (closes ? 1 : 0));
    at = tag + 1 + (closes ? 1 : 0) + name.size();
    if (name.empty()) return false;
    if (closes) {
      if (open.empty() || open.back() != name || !text.substr(at).starts_with('>')) return false;
      open.pop_back();
      ++at;
      continue;
    }
    std::vector<std::string_view> attributes;
    while (text.substr(at).starts_with(' ')) {
      const std::string_view attribute = name_at(at + 1);
      const std::size_t value = at + 1 + attribute.size() + 2;
      const std::size_t end = value < text.size() ? text.find('"', value) : std::string_view::npos;
      if (attribute.empty() || text.substr(value - 2, 2) != "=\"" ||
          end == std::string_view::npos || !is_character_data(text.substr(value, end - value)) ||
          std::find(attributes.begin(), attributes.end(), attribute) != attributes.end()) {
        return false;
      }
      attributes.push_back(attribute);
      at = end + 1;
    }
    const bool empty = text.substr(at).starts_with('/');
    at += empty ? 1 : 0;
    if (!text.substr(at).starts_with('>')) return false;
    ++at;
    if (!empty) open.push_back(name);
  } while (!open.empty());
  return text.substr(at) == "\n" && !detail::find_invalid_utf8(text);
}

std::string picture_of(const std::string& name) {
  return svg_document(
      40, 30,
      svg_text(1, 2, name, "end", 9, svg_fill(svg_red) + svg_attribute("class", name)) +
          svg_circle(3, 4, 5, svg_fill(svg_blue, 0.5) + svg_stroke(svg_grey), name) +
          svg_circle(3, 4, 5, svg_fill(svg_orange)) + svg_line(0, 0, 1, 1, svg_stroke(svg_ink)) +
          svg_row(1, 9, 5, name) + svg_column(1, 9, 5, name) +
          svg_text(1, 2, name, "start", 12, svg_rim));
}

}  // namespace

TEST_CASE("text is escaped, and what XML cannot hold becomes a question mark") {
  for (const auto& [text, escaped] : std::vector<std::pair<std::string, std::string>>{
           {"", ""},
           {"plain text, 0-9", "plain text, 0-9"},
           {"a & b", "a &amp; b"},
           {"<tag>", "&lt;tag&gt;"},
           {"\"q\" 'p'", "&quot;q&quot; &#39;p&#39;"},
           {"&lt;", "&amp;lt;"},
           {"]]>", "]]&gt;"},
           {std::string("\0", 1), "?"},
           {"\t\n\r", "\t\n\r"},
           {"\x7F", "\x7F"},
           {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
           {"\xEF\xBF\xBD \xEF\xBF\xBE \xEF\xBF\xBF", "\xEF\xBF\xBD ? ?"},
           {"\xFF\x80", "??"},
           {"\xC3<", "?&lt;"},       // a sequence that breaks off
           {"\xE2\x82", "??"},       // and at the end
           {"\xED\xA0\x80", "???"},  // a surrogate
           {"\xC0\xAF", "??"},       // longer than it needs to be
           {"\xF8\x88\x80\x80\x80", "?????"},
       }) {
    INFO(text);
    CHECK(svg_escaped(text) == escaped);
  }
  for (char c = 1; c < 0x20; ++c) {
    if (c == '\t' || c == '\n' || c == '\r') continue;
    CHECK(svg_escaped(std::string("a") + c + "b") == "a?b");
  }
}

TEST_CASE("a picture is well-formed whatever the names in it are") {
  CHECK(is_well_formed(picture_of("name")));
  std::string all;
  for (int c = 0; c < 256; ++c) {
    INFO(c);
    const std::string one(1, static_cast<char>(c));
    CHECK(is_well_formed(picture_of(one)));
    CHECK(is_well_formed(picture_of(one + "\xBF\xBF")));
    all += one;
  }
  CHECK(is_well_formed(picture_of(all)));
  CHECK(is_well_formed(picture_of("]]>")));
}

TEST_CASE("what is not well-formed is noticed by the check above") {
  for (const char* good : {"<a/>\n", "<a></a>\n", "<a b=\"c\" d-e=\"\">f<g/>&amp;</a>\n"}) {
    INFO(good);
    CHECK(is_well_formed(good));
  }
  for (const char* bad : {"",
                          "a",
                          "<a>\n",
                          "<a/>",
                          "<a/><b/>\n",
                          "<a></b>\n",
                          "<a><b></a></b>\n",
                          "<a>&</a>\n",
                          "<a>& amp;</a>\n",
                          "<a><</a>\n",
                          "<a b=c/>\n",
                          "<a b=\"<\"/>\n",
                          "<a b=\"&\"/>\n",
                          "<a b=\"\" b=\"\"/>\n",
                          "<a b=\"\"c=\"\"/>\n",
                          "<a b=\"/>\n",
                          "<a>\x01</a>\n",
                          "<a>\xFF</a>\n",
                          "<a>]]></a>\n",
                          "<a b/>\n",
                          "<a",
                          "< a/>\n"}) {
    INFO(bad);
    CHECK(!is_well_formed(bad));
  }
}

TEST_CASE("numbers are rounded to the digits that are asked for, however great they are") {
  CHECK(svg_number(0.25) == "0.2");
  CHECK(svg_number(-1.75, 2) == "-1.75");
  CHECK(svg_number(1234.5, 0) == "1234");
  CHECK(svg_number(0.00012345, 3, std::chars_format::general) == "0.000123");
  CHECK(svg_number(1.5e7, 6, std::chars_format::general) == "1.5e+07");
  CHECK(svg_number(std::numeric_limits<double>::max()).size() == 309 + 2);
  CHECK(svg_number(std::numeric_limits<double>::lowest(), 6).size() == 1 + 309 + 7);
}

TEST_CASE("a text is as wide as its letters are many, not its bytes") {
  CHECK(svg_width("", 12) == 0);
  CHECK(svg_width("\xC3\xA9\xE2\x82\xAC", 10) == svg_width("ab", 10));
  CHECK(svg_width("abcd", 10) == Catch::Approx(2 * svg_width("ab", 10)));
}

TEST_CASE("axes cover the values with ticks of 1, 2 or 5 times a power of ten") {
  for (const auto& [least, most] : {std::pair{0.0, 1.0},
                                    {0.31, 0.32},
                                    {-3.0, 4000.0},
                                    {7.0, 7.0},
                                    {0.0, 0.0},
                                    {1e-7, 3e-7},
                                    {2.0, 2.5},
                                    {0.0, 1e9}}) {
    const auto a = svg_axis::around(least, most, 5);
    INFO(least << " to " << most);
    CHECK(a.low <= least + 1e-9 * std::abs(least));
    CHECK(a.high >= most - 1e-9 * std::abs(most));
    CHECK(a.steps() >= 2);
    CHECK(a.steps() <= 6);
    const double factor = a.step / std::pow(10.0, std::floor(std::log10(a.step) + 1e-9));
    CHECK((factor == Catch::Approx(1) || factor == Catch::Approx(2) || factor == Catch::Approx(5)));
    for (int i = 1; i <= a.steps(); ++i) CHECK(a.label(i) != a.label(i - 1));
  }
  CHECK(svg_axis::around(0.0, 1.0, 5).label(1) == "0.2");
  CHECK(svg_axis::around(-1.0, 1.0, 5).label(2) == "0.0");
  CHECK(svg_axis::around(0.0, 4e6, 4).label(3) == "3e+06");
}

TEST_CASE("a value stands on the axis where its share of the range puts it") {
  const svg_axis a{2.0, 6.0, 1.0};
  CHECK(a.place(2.0, 100, 20) == 100);
  CHECK(a.place(6.0, 100, 20) == 20);
  CHECK(a.place(3.0, 100, 20) == 80);
  CHECK(a.tick(1) == 3.0);
}

TEST_CASE("ticks of a logarithmic axis are round and around the values") {
  for (const auto& [least, most] : {std::pair{0.1, 1000.0},
                                    {0.349, 4.8},
                                    {1.0, 1.0},
                                    {10.1, 11.9},
                                    {0.9, 2.5},
                                    {3.0, 400.0},
                                    {1e-12, 1e9},
                                    {5.0, 50.0},
                                    {2e-3, 2.0000001e-3},
                                    {1e300, 1e305}}) {
    INFO(least << " to " << most);
    const auto a = svg_log_axis::around(least, most, 8);
    const auto& ticks = a.ticks();
    REQUIRE(ticks.size() >= 2);
    CHECK(ticks.size() <= 10);
    CHECK(ticks.front() <= least * (1 + 1e-6));
    CHECK(ticks.back() >= most * (1 - 1e-6));
    for (std::size_t i = 0; i < ticks.size(); ++i) {
      if (i > 0) CHECK(ticks[i] > ticks[i - 1]);
      if (i > 0) CHECK(svg_log_axis::label(ticks[i]) != svg_log_axis::label(ticks[i - 1]));
      if (most / least < 3) continue;  // steps of a plain axis
      const double digit = ticks[i] / std::pow(10.0, std::floor(std::log10(ticks[i]) + 1e-9));
      CHECK((digit == Catch::Approx(1) || digit == Catch::Approx(2) || digit == Catch::Approx(5)));
    }
    CHECK(a.place(ticks.front(), 10, 90) == Catch::Approx(10));
    CHECK(a.place(ticks.back(), 10, 90) == Catch::Approx(90));
    CHECK(a.place(std::sqrt(ticks.front()) * std::sqrt(ticks.back()), 10, 90) == Catch::Approx(50));
  }
  CHECK(svg_log_axis::label(0.5) == "0.5");
  CHECK(svg_log_axis::label(0.1 + 0.2) == "0.3");
}

TEST_CASE("labels cover neither points nor each other nor the frame") {
  const svg_box room{0, 0, 400, 300};
  svg_labels labels(room);
  std::vector<svg_box> points, placed;
  for (int i = 0; i < 30; ++i)
    points.push_back(svg_box::around(10 + i * 37 % 390, 10 + i * 53 % 280, 5));
  for (const svg_box& p : points) labels.keep_free(p);
  for (const svg_box& p : points) {
    const auto at = labels.place(p, 60, 12, 300);
    if (!at) continue;
    CHECK(room.holds(*at));
    for (const svg_box& other : points) CHECK(!at->meets(other));
    for (const svg_box& other : placed) CHECK(!at->meets(other));
    placed.push_back(*at);
  }
  CHECK(placed.size() > 25);
  svg_labels full({0, 0, 20, 300});
  CHECK(!full.place(svg_box::around(10, 10, 5), 60, 12, 300));
}
