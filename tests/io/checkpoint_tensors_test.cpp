// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io/checkpoint_tensors.hpp"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "crafted.hpp"
#include "expect_error.hpp"

using lowbit::checkpoint_tensors;
using lowbit::errc;

namespace {

/// A file of one U8 tensor of 4 bytes.
crafted::bytes shard(std::string_view tensor) {
  return crafted::safetensors(
      "{\"" + std::string(tensor) + R"(":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4);
}

class folder_of_shards {
 public:
  folder_of_shards() {
    crafted::write(path() / "m-1.safetensors", shard("b"));
    crafted::write(path() / "m-2.safetensors", shard("a"));
  }
  [[nodiscard]] const std::filesystem::path& path() const { return scratch_.path(); }
  void index(std::string_view weight_map) const {
    crafted::write(path() / "model.safetensors.index.json",
                   R"({"metadata":{"total_size":8},"weight_map":)" + std::string(weight_map) + "}");
  }
  [[nodiscard]] lowbit::status open() const { return checkpoint_tensors::open(path()).status(); }

 private:
  crafted::scratch_folder scratch_;
};

}  // namespace

TEST_CASE("checkpoint opens a single file", "[io][checkpoint]") {
  const crafted::scratch_folder scratch;
  crafted::write(scratch.path() / "model.safetensors",
                 crafted::safetensors(R"({"__metadata__":{"format":"pt"}})", 0));
  auto opened = checkpoint_tensors::open(scratch.path());
  REQUIRE(opened.ok());
  CHECK(opened->tensors().empty());
  CHECK(opened->find("a") == nullptr);
  CHECK(opened->metadata().at("format") == "pt");
}

TEST_CASE("checkpoint opens shards and sorts their tensors by name", "[io][checkpoint]") {
  const folder_of_shards folder;
  folder.index(R"({"a":"m-2.safetensors","b":"m-1.safetensors"})");
  auto opened = checkpoint_tensors::open(folder.path());
  INFO(opened.status().message());
  REQUIRE(opened.ok());
  const checkpoint_tensors moved = *std::move(opened);
  REQUIRE(moved.tensors().size() == 2);
  CHECK(moved.tensors()[0].name == "a");
  REQUIRE(moved.find("b") != nullptr);
  CHECK(std::to_integer<int>(moved.find("b")->data[3]) == 3);
  CHECK(moved.find("b")->place() ==
        (folder.path() / "m-1.safetensors").native() + ": tensor \"b\"");
  moved.release_pages();
  CHECK(std::to_integer<int>(moved.find("a")->data[2]) == 2);
}

TEST_CASE("checkpoint refuses shard names that reach outside the folder",
          "[io][checkpoint][negative]") {
  const crafted::scratch_folder outside;
  crafted::write(outside.path() / "m.safetensors", shard("a"));
  const folder_of_shards folder;
  const std::string absolute = (outside.path() / "m.safetensors").native();
  for (const std::string& name :
       {absolute, "../" + outside.path().filename().native() + "/m.safetensors",
        std::string("./m-2.safetensors"), std::string("x/../m-2.safetensors"),
        std::string("..\\\\m.safetensors"), std::string(".."), std::string(""),
        std::string("m-2.safetensors\\u0000"), std::string(".safetensors"),
        std::string("/etc/passwd"), std::string("config.json")}) {
    INFO(name);
    folder.index("{\"a\":\"" + name + "\"}");
    expect_error(folder.open(), errc::malformed,
                 {"model.safetensors.index.json", "plain file name"});
  }
}

TEST_CASE("checkpoint refuses an index that disagrees with its shards",
          "[io][checkpoint][negative]") {
  const folder_of_shards folder;
  folder.index(R"({"a":"m-2.safetensors","b":"m-2.safetensors"})");
  expect_error(folder.open(), errc::not_found, {"m-2.safetensors", "no tensor \"b\""});
  folder.index(R"({"a":"m-2.safetensors","c":"m-1.safetensors"})");
  expect_error(folder.open(), errc::not_found, {"m-1.safetensors", "no tensor \"c\""});
  folder.index(R"({"a":"m-2.safetensors","b":"m-3.safetensors"})");
  expect_error(folder.open(), errc::not_found, {"m-3.safetensors", "no such file"});
  crafted::write(folder.path() / "m-3.safetensors",
                 crafted::safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                      R"("b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                      2));
  folder.index(R"({"a":"m-2.safetensors","b":"m-3.safetensors"})");  // "a" is in both
  expect_error(folder.open(), errc::malformed, {"m-3.safetensors", "\"a\"", "does not place it"});
}

TEST_CASE("checkpoint refuses a malformed index", "[io][checkpoint][negative]") {
  const folder_of_shards folder;
  folder.index(R"({"a":"m-2.safetensors","a":"m-1.safetensors"})");
  expect_error(folder.open(), errc::malformed, {"index.json", "\"a\" appears twice"});
  folder.index(R"({"a":7})");
  expect_error(folder.open(), errc::malformed, {"index.json", "\"a\"", "the integer 7"});
  folder.index("{}");
  expect_error(folder.open(), errc::malformed, {"index.json", "weight_map"});
  folder.index("[]");
  expect_error(folder.open(), errc::malformed, {"index.json", "weight_map"});
  crafted::write(folder.path() / "model.safetensors.index.json", "[1]");
  expect_error(folder.open(), errc::malformed, {"index.json", "weight_map"});
}

TEST_CASE("checkpoint says what to do with a folder it cannot open", "[io][checkpoint][negative]") {
  const crafted::scratch_folder scratch;
  expect_error(checkpoint_tensors::open(scratch.path()).status(), errc::not_found,
               {"neither model.safetensors nor"});
  crafted::write(scratch.path() / "pytorch_model.bin", "PK");
  expect_error(checkpoint_tensors::open(scratch.path()).status(), errc::unsupported,
               {"pytorch_model.bin", "convert", "model.safetensors"});
  expect_error(checkpoint_tensors::open(scratch.path() / "none").status(), errc::not_found,
               {"no such folder"});
  std::filesystem::create_directory(scratch.path() / "model.safetensors");
  expect_error(checkpoint_tensors::open(scratch.path()).status(), errc::unsupported,
               {"model.safetensors", "is a folder"});
}
