// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io/mapped_file.hpp"

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <string_view>
#include <utility>

#include "crafted.hpp"
#include "expect_error.hpp"

using lowbit::errc;
using lowbit::mapped_file;

namespace {
std::string_view text(const mapped_file& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
}  // namespace

TEST_CASE("mapped file shows the bytes of the file, before and after releasing its pages",
          "[io][mapped_file]") {
  const crafted::scratch_folder scratch;
  const std::string contents = std::string(10'000, 'x') + "end";
  crafted::write(scratch.path() / "f", contents);
  const auto file = mapped_file::open(scratch.path() / "f");
  REQUIRE(file.ok());
  CHECK(text(*file) == contents);
  file->release_pages();
  CHECK(text(*file) == contents);
}

TEST_CASE("mapped file keeps its bytes when it is moved", "[io][mapped_file]") {
  const crafted::scratch_folder scratch;
  crafted::write(scratch.path() / "f", "hello");
  crafted::write(scratch.path() / "g", "other");
  auto first = mapped_file::open(scratch.path() / "f");
  auto second = mapped_file::open(scratch.path() / "g");
  REQUIRE((first.ok() && second.ok()));
  const std::byte* data = first->bytes().data();
  mapped_file moved = *std::move(first);
  CHECK(moved.bytes().data() == data);
  *second = std::move(moved);
  CHECK(text(*second) == "hello");
  CHECK(moved.bytes().empty());  // NOLINT: the moved-from state is part of the contract
}

TEST_CASE("mapped file accepts an empty file", "[io][mapped_file]") {
  const crafted::scratch_folder scratch;
  crafted::write(scratch.path() / "f", "");
  const auto file = mapped_file::open(scratch.path() / "f");
  REQUIRE(file.ok());
  CHECK(file->bytes().empty());
  file->release_pages();
}

TEST_CASE("mapped file refuses a missing file, a folder and a FIFO with a message",
          "[io][mapped_file][negative]") {
  const crafted::scratch_folder scratch;
  const auto fifo = scratch.path() / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  expect_error(mapped_file::open(scratch.path() / "none").status(), errc::not_found,
               {"none", "no such file"});
  expect_error(mapped_file::open(scratch.path()).status(), errc::unsupported,
               {scratch.path().native(), "is a folder"});
  expect_error(mapped_file::open(fifo).status(), errc::unsupported, {"fifo", "pipe"});
  expect_error(mapped_file::open("/dev/null").status(), errc::unsupported, {"/dev/null", "device"});
}
