// SPDX-License-Identifier: Apache-2.0
// One named case for each way in which loaders of model files were attacked or broke; every file is
// made by hand here.
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "crafted.hpp"
#include "expect_error.hpp"
#include "lowbit/io/safetensors.hpp"

using crafted::one_tensor;
using lowbit::errc;
using lowbit::safetensors_file;

namespace {

void expect_refused(const crafted::bytes& file, std::initializer_list<std::string_view> parts,
                    errc code = errc::malformed) {
  const auto opened = safetensors_file::parse(file, "m.safetensors");
  expect_error(opened.status(), code, parts);
  expect_error(opened.status(), code, {"m.safetensors"});
}

void expect_refused(std::string_view header, std::size_t data_bytes,
                    std::initializer_list<std::string_view> parts, errc code = errc::malformed) {
  INFO("header: " << header);
  expect_refused(crafted::safetensors(header, data_bytes), parts, code);
}

std::string two_tensors(std::string_view first, std::string_view second) {
  return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + std::string(first) +
         R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + std::string(second) + "}}";
}

}  // namespace

TEST_CASE("safetensors refuses a product of extents that wraps", "[io][safetensors][negative]") {
  // 2^62 F32 elements are 2^64 bytes: 0 after wrapping, which an empty range would match
  expect_refused(one_tensor("\"F32\"", "[4611686018427387904]", "[0,0]"), 0, {"\"a\"", "counted"});
  expect_refused(one_tensor("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0, {"counted"});
  expect_refused(one_tensor("\"U8\"", "[18446744073709551615,2]", "[0,8]"), 8, {"counted"});
  expect_refused(one_tensor("\"F32\"", "[4398046511105]", "[0,4]"), 4, {"needs 17592186044420"});
  // a wrap back to a plausible small size: 3 * 0xAAAA...AB = 2^65 + 1
  expect_refused(one_tensor("\"U8\"", "[3,12297829382473034411]", "[0,1]"), 1, {"counted"});
}

TEST_CASE("safetensors refuses a wrapping product that a zero extent hides, in any order",
          "[io][safetensors][negative]") {
  expect_refused(one_tensor("\"U8\"", "[0,4294967296,4294967296]", "[0,0]"), 0, {"counted"});
  expect_refused(one_tensor("\"U8\"", "[4294967296,4294967296,0]", "[0,0]"), 0, {"counted"});
}

TEST_CASE("safetensors refuses more than eight dimensions", "[io][safetensors][negative]") {
  CHECK(safetensors_file::parse(
            crafted::safetensors(one_tensor("\"U8\"", "[1,1,1,1,1,1,1,1]", "[0,1]"), 1), "f")
            .ok());
  expect_refused(one_tensor("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, {"9 dimensions", "8"});
}

TEST_CASE("safetensors refuses offsets out of range", "[io][safetensors][negative]") {
  expect_refused(one_tensor("\"U8\"", "[4]", "[0,4]"), 3, {"\"a\"", "[0, 4]", "<= 3"});
  expect_refused(one_tensor("\"U8\"", "[4]", "[18446744073709551612,18446744073709551615]"), 4,
                 {"data_offsets"});
  expect_refused(one_tensor("\"U8\"", "[4]", "[1000000000000,1000000000004]"), 4, {"data_offsets"});
}

TEST_CASE("safetensors refuses reversed offsets", "[io][safetensors][negative]") {
  expect_refused(one_tensor("\"U8\"", "[4]", "[4,0]"), 4, {"\"a\"", "begin <= end"});
  expect_refused(one_tensor("\"U8\"", "[0]", "[1,0]"), 1, {"begin <= end"});
}

TEST_CASE("safetensors refuses overlapping tensors", "[io][safetensors][negative]") {
  expect_refused(two_tensors("[0,4]", "[3,7]"), 7, {"\"b\"", "begins at 3", "inside another"});
  expect_refused(two_tensors("[0,4]", "[0,4]"), 4, {"inside another", "expected 4"});
}

TEST_CASE("safetensors refuses gaps and bytes that no tensor covers",
          "[io][safetensors][negative]") {
  expect_refused(two_tensors("[0,4]", "[5,9]"), 9, {"\"b\"", "begins at 5", "gap"});
  expect_refused(two_tensors("[1,5]", "[5,9]"), 9, {"\"a\"", "begins at 1", "gap"});
  expect_refused(two_tensors("[0,4]", "[4,8]"), 9, {"cover 8 of 9"});
  expect_refused("{}", 1, {"cover 0 of 1"});
}

TEST_CASE("safetensors refuses a size that is not shape times dtype",
          "[io][safetensors][negative]") {
  expect_refused(one_tensor("\"F32\"", "[2]", "[0,4]"), 4, {"[2] of F32", "needs 8", "found 4"});
  expect_refused(one_tensor("\"F16\"", "[2]", "[0,8]"), 8, {"needs 4", "found 8"});
  expect_refused(one_tensor("\"F32\"", "[]", "[0,8]"), 8, {"needs 4", "found 8"});
  expect_refused(one_tensor("\"F32\"", "[0]", "[0,4]"), 4, {"needs 0", "found 4"});
}

TEST_CASE("safetensors refuses a header length beyond the file or the limit before allocating",
          "[io][safetensors][negative]") {
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{100'000'001},
                                     std::uint64_t{1} << 63U, UINT64_MAX, UINT64_MAX - 7}) {
    INFO(length);
    expect_refused(crafted::safetensors("{}", 0, length),
                   {"header of", std::to_string(length), "at most 2"});
  }
  const auto file = crafted::safetensors("{}      ", 0);
  const auto limited = safetensors_file::parse(file, "f", {.header_bytes = 7});
  expect_error(limited.status(), errc::malformed, {"header of 8", "at most 7"});
}

TEST_CASE("safetensors refuses every truncation of a valid file", "[io][safetensors][negative]") {
  const auto file = crafted::safetensors(two_tensors("[0,4]", "[4,8]"), 8);
  CHECK(safetensors_file::parse(file, "f").ok());
  for (std::size_t size = 0; size < file.size(); ++size) {
    const crafted::bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    if (safetensors_file::parse(cut, "f").ok()) FAIL("accepted the first " << size << " bytes");
  }
  expect_refused(crafted::bytes(7), {"7 bytes", "at least 8"});
}

TEST_CASE("safetensors refuses two tensors of one name", "[io][safetensors][negative]") {
  expect_refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                 R"("a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                 8, {"key \"a\" appears twice"});
}

TEST_CASE("safetensors refuses a repeated field inside an entry", "[io][safetensors][negative]") {
  expect_refused(R"({"a":{"dtype":"U8","dtype":"F32","shape":[4],"data_offsets":[0,4]}})", 4,
                 {"key \"dtype\" appears twice"});
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", 0, {"appears twice"});
}

TEST_CASE("safetensors refuses deep nesting", "[io][safetensors][negative]") {
  expect_refused(R"({"a":)" + std::string(500'000, '[') + "}", 0, {"nested deeper than 64"});
}

TEST_CASE("safetensors refuses a header that is not an object", "[io][safetensors][negative]") {
  expect_refused("[]", 0, {"does not begin with {"});
  expect_refused("", 0, {"does not begin with {"});
  expect_refused(" {}", 0, {"does not begin with {"});
  expect_refused("\xEF\xBB\xBF{}", 0, {"does not begin with {"});
  expect_refused("{\"a\"", 0, {"not valid JSON"});
  expect_refused("{}{}", 0, {"not valid JSON"});
  expect_refused(std::string_view("{}\0\0", 4), 0, {"zero byte"});
  expect_refused("{\"\xFF\":1}", 0, {"not valid JSON"});
}

TEST_CASE("safetensors refuses fields that are missing or of the wrong type",
          "[io][safetensors][negative]") {
  expect_refused(R"({"a":5})", 0, {"\"a\"", "the integer 5", "expected an object"});
  expect_refused(R"({"a":{}})", 0, {"\"a\"", "\"dtype\" is missing"}, errc::not_found);
  expect_refused(R"({"a":{"dtype":"U8"}})", 0, {"\"shape\" is missing"}, errc::not_found);
  expect_refused(R"({"a":{"dtype":"U8","shape":[0]}})", 0, {"\"data_offsets\" is missing"},
                 errc::not_found);
  expect_refused(one_tensor("7", "[4]", "[0,4]"), 4, {"\"dtype\"", "the integer 7", "a string"});
  expect_refused(one_tensor("\"U8\"", "4", "[0,4]"), 4, {"\"shape\"", "the integer 4"});
  expect_refused(one_tensor("\"U8\"", "[-4]", "[0,4]"), 4, {"\"shape\"", "not negative"});
  expect_refused(one_tensor("\"U8\"", "[4.0]", "[0,4]"), 4, {"\"shape\""});
  expect_refused(one_tensor("\"U8\"", "[\"4\"]", "[0,4]"), 4, {"\"shape\""});
  expect_refused(one_tensor("\"U8\"", "[99999999999999999999]", "[0,4]"), 4, {"\"shape\""});
  expect_refused(one_tensor("\"U8\"", "[4]", "[0,4,8]"), 4, {"\"data_offsets\"", "[begin, end]"});
  expect_refused(one_tensor("\"U8\"", "[4]", "[-1,3]"), 4, {"\"data_offsets\""});
  expect_refused(one_tensor("\"U8\"", "[4]", "{}"), 4, {"\"data_offsets\"", "an object"});
}

TEST_CASE("safetensors refuses an unknown dtype", "[io][safetensors][negative]") {
  expect_refused(one_tensor("\"Q4_K\"", "[4]", "[0,4]"), 4, {"\"a\"", "unknown dtype \"Q4_K\""},
                 errc::unsupported);
  expect_refused(one_tensor("\"f32\"", "[1]", "[0,4]"), 4, {"unknown dtype"}, errc::unsupported);
}

TEST_CASE("safetensors refuses metadata that is not an object of strings",
          "[io][safetensors][negative]") {
  expect_refused(R"({"__metadata__":[]})", 0, {"__metadata__", "an array"});
  expect_refused(R"({"__metadata__":{"n":1}})", 0, {"__metadata__", "\"n\"", "a string"});
}

TEST_CASE("safetensors refuses a header of more values than the limit",
          "[io][safetensors][negative]") {
  std::string header = R"({"a":[)";
  for (int i = 0; i < 4'000'001; ++i) header += "0,";
  header += "0]}";
  expect_refused(crafted::safetensors(header, 0), {"JSON values, the limit"});
}
