// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io/checkpoint_tensors.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "crafted.hpp"
#include "crafted_torch.hpp"
#include "expect_error.hpp"
#include "lowbit/text/tokenizer_files.hpp"

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

TEST_CASE("checkpoint opens files of torch.save if there is no safetensors file",
          "[io][checkpoint]") {
  const auto file = [](const std::string& name) {
    return crafted::torch_zip(
        crafted::pickled_dict(crafted::pickled(name) + crafted::pickled_tensor(4, 0, {4}, {1})), 4);
  };
  const crafted::scratch_folder scratch;
  const auto& folder = scratch.path();
  crafted::write(folder / "p-1.bin", file("b"));
  crafted::write(folder / "p-2.bin", file("a"));
  const auto index = [&](const char* weight_map) {
    crafted::write(folder / "pytorch_model.bin.index.json",
                   std::string("{\"weight_map\":") + weight_map + "}");
    return checkpoint_tensors::open(folder);
  };
  const auto sharded = index(R"({"a":"p-2.bin","b":"p-1.bin"})");
  INFO(sharded.status().message());
  REQUIRE(sharded.ok());
  CHECK(sharded->tensors().size() == 2);
  CHECK(sharded->find("b")->data.size() == 16);
  CHECK(sharded->metadata().empty());
  for (const char* outside :
       {R"({"a":"../p-2.bin"})", R"({"a":"/p-2.bin"})", R"({"a":"p-2.safetensors"})"})
    expect_error(index(outside).status(), errc::malformed, {"index.json", "plain file name"});
  expect_error(index(R"({"c":"p-1.bin"})").status(), errc::not_found, {"p-1.bin", "\"c\""});

  crafted::write(folder / "pytorch_model.bin", file("single"));
  const auto single = checkpoint_tensors::open(folder);
  REQUIRE(single.ok());
  CHECK(single->tensors()[0].name == "single");
  single->release_pages();
  crafted::write(folder / "model.safetensors", shard("first"));
  CHECK(checkpoint_tensors::open(folder)->tensors()[0].name == "first");
}

TEST_CASE("checkpoint says what to do with a folder it cannot open", "[io][checkpoint][negative]") {
  const crafted::scratch_folder scratch;
  expect_error(checkpoint_tensors::open(scratch.path()).status(), errc::not_found,
               {"neither model.safetensors nor"});
  for (const char* name : {"z.onnx", "x.gguf", "tf_model.h5", "a.txt"})
    crafted::write(scratch.path() / name, "x");
  expect_error(checkpoint_tensors::open(scratch.path()).status(), errc::not_found,
               {"neither model.safetensors nor", "\"tf_model.h5\"", "TensorFlow"});
  crafted::write(scratch.path() / "pytorch_model.bin", "PK");
  expect_error(checkpoint_tensors::open(scratch.path()).status(), errc::malformed,
               {"pytorch_model.bin", "this is a text"});
  expect_error(checkpoint_tensors::open(scratch.path() / "none").status(), errc::not_found,
               {"no such folder"});
  std::filesystem::create_directory(scratch.path() / "model.safetensors");
  expect_error(checkpoint_tensors::open(scratch.path()).status(), errc::unsupported,
               {"model.safetensors", "is a folder"});
}

TEST_CASE("a foreign file is named wherever it stands", "[io][checkpoint][negative]") {
  const crafted::scratch_folder scratch;
  const auto expect_named = [&](std::string bytes, std::initializer_list<const char*> files,
                                const char* kind) {
    bytes.resize(std::max<std::size_t>(bytes.size(), 64), '\n');
    for (const std::string file : files) {
      INFO(file << ": " << kind);
      crafted::write(scratch.path() / file, bytes);
      lowbit::status error;
      if (file == "config.json") error = lowbit::read_json(scratch.path() / file).status();
      if (file == "vocab.txt")
        error = lowbit::detail::read_vocabulary_file(scratch.path(), file).status();
      if (file == "tokenizer.json")
        error = lowbit::detail::read_tokenizer_json_file(scratch.path(), file).status();
      if (error.ok()) error = checkpoint_tensors::open(scratch.path()).status();
      expect_error(error, errc::malformed, {file, "this is ", kind});
      std::filesystem::remove(scratch.path() / file);
    }
  };
  using namespace std::string_literals;
  const auto everywhere = {"model.safetensors", "pytorch_model.bin", "config.json", "vocab.txt",
                           "tokenizer.json"};
  expect_named("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", everywhere,
               "git lfs pull");
  expect_named("<!DOCTYPE html>", everywhere, "web page");
  expect_named("\n <HTML>", everywhere, "web page");
  expect_named("<?xml version=\"1.0\"?>", everywhere, "XML");
  expect_named("GGUF\3\0\0\0"s, everywhere, "GGUF");
  expect_named("lmgg", everywhere, "GGML");
  expect_named("\x89HDF\r\n\x1a\n", everywhere, "HDF5");
  expect_named("\x08\x07\x12\x07pytorch\x1a", everywhere, "ONNX");
  expect_named("\x1c\0\0\0TFL3"s, everywhere, "TensorFlow Lite");
  expect_named("Entry not found", everywhere, "wrong address");
  expect_named("\x1F\x8B\x08", everywhere, "compressed");
  expect_named("\xFF\xFE{\0"s, everywhere, "UTF-16");
  expect_named("\x80\4\x95", {"model.safetensors", "config.json", "vocab.txt", "tokenizer.json"},
               "pytorch_model.bin");
  expect_named("PK\3\4", {"model.safetensors", "config.json", "vocab.txt", "tokenizer.json"},
               "zip archive");
  expect_named("{\"a\": 1}", {"model.safetensors", "pytorch_model.bin"}, "JSON");
  expect_named("[PAD]\n[UNK]", {"model.safetensors", "pytorch_model.bin"}, "a text");
  expect_named("\x28\0\0\0\0\0\0\0{\"a\":{}}"s, {"config.json", "vocab.txt", "tokenizer.json"},
               "safetensors");
  expect_named("\1\2\0\3"s, {"config.json", "vocab.txt", "tokenizer.json"}, "binary");
  expect_named("{\"hidden_size\": 8}", {"vocab.txt"}, "JSON");
}
