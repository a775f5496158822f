// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io/safetensors_writer.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "crafted.hpp"
#include "expect_error.hpp"

using lowbit::element_type;
using lowbit::errc;
using lowbit::existing;
using lowbit::safetensors_file;
using lowbit::tensor_to_write;
using lowbit::write_safetensors;

namespace {

crafted::bytes pattern(std::size_t size, unsigned seed) {
  crafted::bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>((i * 37 + seed) & 255U);
  return out;
}

struct sample {
  std::vector<crafted::bytes> storage;
  std::vector<tensor_to_write> tensors;

  void add(const char* name, element_type type, std::vector<std::size_t> shape) {
    std::size_t bytes = lowbit::size_of(type);
    for (const std::size_t extent : shape) bytes *= extent;
    storage.push_back(pattern(bytes, static_cast<unsigned>(storage.size())));
    tensors.push_back({name, type, std::move(shape), storage.back()});
  }
};

sample odd_sizes() {
  sample s;
  s.add("odd.bytes", element_type::u8, {3, 5});
  s.add("odd.half", element_type::f16, {7});
  s.add("scalar", element_type::f32, {});
  s.add("wide", element_type::f64, {3});
  s.add("empty", element_type::f32, {0, 768});
  s.add("flags", element_type::boolean, {1});
  s.add("ranks", element_type::i32, {1, 2, 1, 2, 1, 2, 1, 2});
  s.add("n\u00e4me \"quoted\"\n", element_type::i8, {9});
  return s;
}

}  // namespace

TEST_CASE("written safetensors read back bit-identical", "[io][safetensors_writer]") {
  const crafted::scratch_folder scratch;
  const auto path = scratch.path() / "m.safetensors";
  const sample s = odd_sizes();
  const std::map<std::string, std::string> metadata{{"format", "pt"}, {"k\n", "v\u00fc"}};
  REQUIRE(write_safetensors(path, s.tensors, metadata).ok());
  const auto file = safetensors_file::open(path);
  INFO(file.status().message());
  REQUIRE(file.ok());
  CHECK(file->metadata() == metadata);
  REQUIRE(file->tensors().size() == s.tensors.size());
  for (const tensor_to_write& tensor : s.tensors) {
    INFO(tensor.name);
    const auto* read = file->find(tensor.name);
    REQUIRE(read != nullptr);
    CHECK(read->type == tensor.type);
    CHECK(read->shape == tensor.shape);
    CHECK(std::equal(read->data.begin(), read->data.end(), tensor.data.begin(), tensor.data.end()));
  }
}

TEST_CASE("written safetensors align every tensor to its element size",
          "[io][safetensors_writer]") {
  const crafted::scratch_folder scratch;
  const auto path = scratch.path() / "m.safetensors";
  const sample s = odd_sizes();
  REQUIRE(write_safetensors(path, s.tensors).ok());
  const std::string raw = crafted::read(path);
  const auto length = static_cast<unsigned char>(raw[0]) | static_cast<unsigned char>(raw[1]) << 8;
  CHECK(length % 8 == 0);
  CHECK(raw[8] == '{');
  const auto file = safetensors_file::open(path);
  REQUIRE(file.ok());
  const std::byte* base = file->find("wide")->data.data();
  for (const auto& tensor : file->tensors()) {
    INFO(tensor.name);
    CHECK(reinterpret_cast<std::uintptr_t>(tensor.data.data()) % lowbit::size_of(tensor.type) == 0);
    CHECK(tensor.data.data() >= base);  // the widest dtype stands first
  }
}

TEST_CASE("written bytes do not depend on the order of the tensors", "[io][safetensors_writer]") {
  const crafted::scratch_folder scratch;
  sample s = odd_sizes();
  REQUIRE(write_safetensors(scratch.path() / "a", s.tensors).ok());
  std::reverse(s.tensors.begin(), s.tensors.end());
  REQUIRE(write_safetensors(scratch.path() / "b", s.tensors).ok());
  CHECK(crafted::read(scratch.path() / "a") == crafted::read(scratch.path() / "b"));
}

TEST_CASE("written safetensors are the bytes of the format's example", "[io][safetensors_writer]") {
  const crafted::scratch_folder scratch;
  const auto data = pattern(9, 0);
  const auto all = std::span<const std::byte>(data);
  const std::vector<tensor_to_write> tensors{{"a", element_type::u8, {1}, all.subspan(8)},
                                             {"b", element_type::f32, {1, 2}, all.first(8)}};
  REQUIRE(write_safetensors(scratch.path() / "m", tensors, {{"format", "pt"}}).ok());
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("b":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                             R"("a":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})";
  std::string expected(8, '\0');
  expected[0] = static_cast<char>((header.size() + 7) / 8 * 8);
  expected += header + std::string((8 - header.size() % 8) % 8, ' ');
  for (const std::byte b : data) expected += static_cast<char>(b);
  CHECK(crafted::read(scratch.path() / "m") == expected);
}

TEST_CASE("written safetensors without tensors or metadata can be read",
          "[io][safetensors_writer]") {
  const crafted::scratch_folder scratch;
  REQUIRE(write_safetensors(scratch.path() / "a", {}).ok());
  CHECK(crafted::read(scratch.path() / "a") == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  CHECK(safetensors_file::open(scratch.path() / "a").ok());
}

TEST_CASE("writing safetensors refuses bad tensors and leaves nothing",
          "[io][safetensors_writer][negative]") {
  const crafted::scratch_folder scratch;
  const auto path = scratch.path() / "m.safetensors";
  const auto data = pattern(8, 0);
  const auto attempt = [&](const std::vector<tensor_to_write>& tensors,
                           const std::map<std::string, std::string>& metadata = {}) {
    return write_safetensors(path, tensors, metadata);
  };
  const tensor_to_write good{"a", element_type::f32, {2}, data};
  expect_error(attempt({good, {"b", element_type::u8, {8}, data}, good}), errc::invalid_argument,
               {"m.safetensors", "\"a\"", "twice"});
  expect_error(attempt({{"a", element_type::f32, {3}, data}}), errc::shape_mismatch,
               {"m.safetensors", "\"a\"", "[3] of F32", "8 bytes"});
  expect_error(attempt({{"a", element_type::u8, {std::size_t{1} << 63U, 2}, {}}}),
               errc::shape_mismatch, {"\"a\""});
  expect_error(attempt({{"a", element_type::u8, {1, 1, 1, 1, 1, 1, 1, 1, 8}, data}}),
               errc::shape_mismatch, {"9 dimensions"});
  expect_error(attempt({{"__metadata__", element_type::f32, {2}, data}}), errc::invalid_argument,
               {"__metadata__"});
  expect_error(attempt({{"\xFF", element_type::f32, {2}, data}}), errc::invalid_argument,
               {"not UTF-8"});
  expect_error(attempt({good}, {{"k", "\xC0"}}), errc::invalid_argument, {"not UTF-8"});
  expect_error(write_safetensors(scratch.path() / "no" / "m", std::vector{good}), errc::not_found,
               {"does not exist"});
  CHECK(scratch.entries() == 0);
}

TEST_CASE("writing safetensors replaces a file only when asked", "[io][safetensors_writer]") {
  const crafted::scratch_folder scratch;
  const auto path = scratch.path() / "m.safetensors";
  const auto data = pattern(8, 0);
  const std::vector<tensor_to_write> tensors{{"a", element_type::f32, {2}, data}};
  crafted::write(path, "old");
  expect_error(write_safetensors(path, tensors), errc::invalid_argument, {"already exists"});
  CHECK(crafted::read(path) == "old");
  CHECK(write_safetensors(path, tensors, {}, existing::replace).ok());
  CHECK(safetensors_file::open(path).ok());
  CHECK(scratch.entries() == 1);
}

TEST_CASE("a disk that is full while writing is an error and leaves nothing",
          "[io][safetensors_writer][negative]") {
  const crafted::scratch_folder scratch;
  const auto data = pattern(100'000, 0);
  const std::vector<tensor_to_write> tensors{{"a", element_type::u8, {100'000}, data}};
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // a file size limit acts like a full disk, for this child only
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{50'000, 50'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
    const auto status = write_safetensors(scratch.path() / "m", tensors);
    const bool expected = status.code() == errc::io_error &&
                          status.message().find("cannot write") != std::string_view::npos;
    ::_exit(expected ? 0 : 1);
  }
  int code = -1;
  REQUIRE(::waitpid(child, &code, 0) == child);
  CHECK(WIFEXITED(code));
  CHECK(WEXITSTATUS(code) == 0);
  CHECK(scratch.entries() == 0);
}
