// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io/json.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "crafted.hpp"
#include "expect_error.hpp"

using lowbit::errc;
using lowbit::parse_json;

namespace {

void expect_malformed(std::string_view text, std::string_view part) {
  INFO("text: " << text);
  expect_error(parse_json(text, "f.json").status(), errc::malformed, {"f.json", part});
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("json parses every kind of value to the tree it says", "[io][json]") {
  const std::string_view text =
      R"( {"a":[1,-2,2.5,"\u00e9\n",true,false,null,[],{}],"b":{"c":18446744073709551615}} )";
  const auto value = parse_json(text, "f.json");
  REQUIRE(value.ok());
  CHECK(
      value->dump() ==
      "{\"a\":[1,-2,2.5,\"\u00e9\\n\",true,false,null,[],{}],\"b\":{\"c\":18446744073709551615}}");
  for (const char* scalar : {"1", "\"x\"", "null", "[]", "{}", " true\n"}) {
    CHECK(parse_json(scalar, "f.json").ok());
  }
}

TEST_CASE("json refuses two equal keys in one object, also deep inside", "[io][json][negative]") {
  expect_malformed(R"({"a":1,"a":1})", "key \"a\" appears twice");
  expect_malformed(R"([{"x":{"b":1,"c":2,"b":null}}])", "key \"b\" appears twice");
  expect_malformed(R"({"a":1,"\u0061":2})", "key \"a\" appears twice");
  CHECK(parse_json(R"({"a":{"a":1},"b":{"a":1}})", "f.json").ok());
}

TEST_CASE("json refuses nesting past the limit without using the stack", "[io][json][negative]") {
  CHECK(parse_json(nested(64), "f.json").ok());
  expect_malformed(nested(65), "nested deeper than 64");
  expect_malformed(std::string(1'000'000, '['), "nested deeper than 64");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  expect_malformed(objects, "nested deeper than 64");
}

TEST_CASE("json refuses trailing bytes, bad syntax, zero bytes and bad UTF-8",
          "[io][json][negative]") {
  expect_malformed("{} x", "not valid JSON at byte");
  expect_malformed("{}{}", "not valid JSON at byte");
  expect_malformed("", "not valid JSON");
  expect_malformed("{\"a\":}", "not valid JSON at byte");
  expect_malformed("[1,]", "not valid JSON at byte");
  expect_malformed("// comment\n1", "not valid JSON at byte");
  expect_malformed("[1e999]", "not valid JSON at byte");
  expect_malformed("NaN", "not valid JSON at byte");
  expect_malformed(std::string_view("{}\0{}", 5), "byte 2: a zero byte");
  expect_malformed("\"\xC3\x28\"", "not valid JSON at byte");
  expect_malformed("\"\xED\xA0\x80\"", "not valid JSON at byte");
  expect_malformed("\"\\ud800\"", "not valid JSON at byte");
  expect_malformed("\"\xC0\x80\"", "not valid JSON at byte");
}

TEST_CASE("json refuses more values or bytes than its limits", "[io][json][negative]") {
  const std::string ten = "[0,0,0,0,0,0,0,0,0]";  // the array and nine elements
  CHECK(parse_json(ten, "f.json", {.values = 10}).ok());
  expect_error(parse_json(ten, "f.json", {.values = 9}).status(), errc::malformed, {"9", "limit"});
  expect_error(parse_json(ten, "f.json", {.bytes = 18}).status(), errc::malformed,
               {"f.json", "19 bytes", "at most 18"});
}

TEST_CASE("json takes memory of a few times its text", "[io][json][negative]") {
  std::string arrays = "[";  // each becomes a node and a vector: 16 times its bytes
  for (int i = 0; i < 2'000'000; ++i) arrays += "[],";
  arrays += "[]]";
  const auto refuse = [](const std::string& text) {
    expect_error(parse_json(text, "f.json").status(), errc::malformed,
                 {"f.json: JSON values that take more than 81554"});  // 32 MiB + 8 * its bytes
  };
  refuse(arrays);
  std::string objects = arrays;
  for (char& c : objects) c = c == '[' ? '{' : c == ']' ? '}' : c;
  objects.front() = '[', objects.back() = ']';
  refuse(objects);
  std::string words = "{";  // what a vocabulary looks like
  for (int i = 0; i < 200'000; ++i)
    words += "\"##w" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  CHECK(parse_json(words + "\"\":0}", "f.json").ok());
}

TEST_CASE("json keeps the members that are asked for, and checks the others",
          "[io][json][negative]") {
  constexpr std::string_view members[] = {"a", "c"};
  const lowbit::json_limits limits{.object = true, .members = members};
  const auto parse = [&](std::string_view text) { return parse_json(text, "f.json", limits); };
  const auto value = parse(R"({"a":{"b":1,"x":[2]},"b":[{"a":1},[[]],{}],"d":3,"c":[{"b":4}]})");
  REQUIRE(value.ok());
  CHECK(value->dump() == R"({"a":{"b":1,"x":[2]},"c":[{"b":4}]})");
  CHECK(parse(R"({"b":null})")->dump() == "{}");
  expect_error(parse("[1]").status(), errc::malformed, {"JSON array, expected an object"});
  expect_error(parse(R"({"b":[1,],"a":2})").status(), errc::malformed, {"not valid JSON"});
  expect_error(parse(R"({"a":1,"b":2,"a":1})").status(), errc::malformed, {"\"a\" appears twice"});
  expect_error(parse(R"({"b":)" + nested(64) + "}").status(), errc::malformed, {"deeper than 64"});
  std::string large = R"({"b":[)";
  for (int i = 0; i < 5'000'000; ++i) large += "[],";
  CHECK(parse(large + "[]]}")->dump() == "{}");
}

TEST_CASE("what stands in place of JSON is named", "[io][json][negative]") {
  expect_malformed("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull");
  expect_malformed("\n <!DOCTYPE HTML><html>", "a web page (HTML)");
  expect_malformed("\xEF\xBB\xBF<html lang=en>", "a web page (HTML)");
  expect_malformed("<?xml version=\"1.0\"?><Error>", "an XML document");
  expect_malformed(std::string_view("PK\3\4\0\0", 6), "a zip archive");
  expect_malformed(std::string_view("\xFF\xFE{\0}\0", 6), "UTF-16");
  expect_malformed("\x1F\x8B\b", "gzip");
  expect_malformed("Entry not found", "Hugging Face Hub");
}

TEST_CASE("json messages escape control bytes found in the text", "[io][json][negative]") {
  const auto value = parse_json("{\"a\\u001b[31m\":1,\"a\\u001b[31m\":2}", "f.json");
  expect_error(value.status(), errc::malformed, {R"("a\x1b[31m")"});
  CHECK(value.status().message().find('\x1b') == std::string_view::npos);
}

TEST_CASE("json field getters give the value or the default", "[io][json]") {
  const auto json =
      parse_json(R"({"n":7,"x":1e-12,"i":3,"t":true,"s":"text","none":null})", "f.json");
  REQUIRE(json.ok());
  CHECK(*lowbit::json_size(*json, "n", "f.json") == 7);
  CHECK(*lowbit::json_size(*json, "absent", "f.json", 5) == 5);
  CHECK(*lowbit::json_size(*json, "none", "f.json", 6) == 6);
  CHECK(*lowbit::json_float(*json, "x", "f.json") == 1e-12F);
  CHECK(*lowbit::json_float(*json, "i", "f.json") == 3.0F);
  CHECK(*lowbit::json_float(*json, "absent", "f.json", 0.5F) == 0.5F);
  CHECK(*lowbit::json_bool(*json, "t", "f.json"));
  CHECK_FALSE(*lowbit::json_bool(*json, "absent", "f.json", false));
  CHECK(*lowbit::json_string(*json, "s", "f.json") == "text");
  CHECK(*lowbit::json_string(*json, "absent", "f.json", "default") == "default");
}

TEST_CASE("json field getters name the field, the found and the expected type",
          "[io][json][negative]") {
  const auto json = parse_json(
      R"({"neg":-1,"frac":2.0,"s":"12","b":true,"big":1e200,"a":[],"huge":99999999999999999999})",
      "f.json");
  REQUIRE(json.ok());
  const auto size = [&](std::string_view field) {
    return lowbit::json_size(*json, field, "f.json", 1).status();
  };
  expect_error(size("neg"), errc::malformed, {"f.json", "\"neg\"", "the integer -1", "integer"});
  expect_error(size("frac"), errc::malformed, {"\"frac\"", "the fraction 2.0"});
  expect_error(size("s"), errc::malformed, {"\"s\"", "the string \"12\""});
  expect_error(size("b"), errc::malformed, {"\"b\"", "true"});
  expect_error(size("a"), errc::malformed, {"\"a\"", "an array"});
  expect_error(size("huge"), errc::malformed, {"\"huge\"", "the fraction"});
  expect_error(lowbit::json_size(*json, "gone", "f.json").status(), errc::not_found,
               {"f.json", "\"gone\"", "missing"});
  expect_error(lowbit::json_float(*json, "big", "f.json").status(), errc::malformed, {"\"big\""});
  expect_error(lowbit::json_float(*json, "s", "f.json").status(), errc::malformed, {"a number"});
  expect_error(lowbit::json_float(*json, "gone", "f.json").status(), errc::not_found, {"missing"});
  expect_error(lowbit::json_bool(*json, "neg", "f.json").status(), errc::malformed, {"true or"});
  expect_error(lowbit::json_bool(*json, "gone", "f.json").status(), errc::not_found, {"missing"});
  expect_error(lowbit::json_string(*json, "b", "f.json").status(), errc::malformed, {"a string"});
  expect_error(lowbit::json_string(*json, "gone", "f.json").status(), errc::not_found, {"missing"});
}

TEST_CASE("json is read from a file within the size limit", "[io][json]") {
  const crafted::scratch_folder scratch;
  const auto path = scratch.path() / "c.json";
  crafted::write(path, "{\"a\":[1]}");
  const auto value = lowbit::read_json(path);
  REQUIRE(value.ok());
  CHECK(value->dump() == "{\"a\":[1]}");
  expect_error(lowbit::read_json(path, {.bytes = 4}).status(), errc::malformed,
               {"c.json", "9 bytes"});
  expect_error(lowbit::read_json(scratch.path() / "d.json").status(), errc::not_found, {"d.json"});
}
