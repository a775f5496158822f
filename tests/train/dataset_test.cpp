// SPDX-License-Identifier: Apache-2.0
// Data files, good and bad, and how sentences become batches.
#include "lowbit/train/dataset.hpp"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "lowbit/train/batching.hpp"
#include "lowbit/train/vocabulary_recipe.hpp"

using namespace lowbit::train;
namespace fs = std::filesystem;

namespace {

/// A folder that is empty at first and gone at the end.
struct scratch {
  fs::path path = fs::temp_directory_path() / ("lowbit-dataset-" + std::to_string(::getpid()));
  scratch() { fs::remove_all(path), fs::create_directories(path); }
  ~scratch() { fs::remove_all(path); }
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return path / name;
  }
};

bool mentions(const lowbit::status& s, const std::string& text) {
  return s.message().find(text) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a TSV has an optional header, empty lines and a last line without a break") {
  const scratch dir;
  const auto with = read_tsv(dir.write("a.tsv", "sentence\tlabel\nfine day \t1\r\n\nbad\t0"));
  REQUIRE(with.ok());
  REQUIRE(with->size() == 2);
  CHECK((*with)[0].text == "fine day");
  CHECK((*with)[0].label == "1");
  CHECK((*with)[1].text == "bad");
  CHECK(read_tsv(dir.write("b.tsv", "x\t1\n"))->size() == 1);
}

TEST_CASE("a bad TSV line is named by its number") {
  const scratch dir;
  CHECK(mentions(read_tsv(dir.write("a.tsv", "x\t1\nno tab\n")).status(), "line 2"));
  CHECK(mentions(read_tsv(dir.write("b.tsv", "x\ty\t1\n")).status(), "line 1"));
  CHECK(mentions(read_tsv(dir.write("c.tsv", "x\t1\n \t1\n")).status(), "empty sentence"));
  CHECK(mentions(read_tsv(dir.write("d.tsv", "x\t \n")).status(), "empty label"));
  CHECK(read_tsv(dir.path / "missing.tsv").status().code() == lowbit::errc::not_found);
}

TEST_CASE("CLINC150 gives its three in-scope splits") {
  const scratch dir;
  const auto data = read_dataset(
      dir.write("a.json", R"({"train": [["hi", "greet"], ["pay", "bill"]], "val": [["yo", "greet"]],
                    "test": [], "oos_train": [["?", "oos"]]})"));
  REQUIRE(data.ok());
  CHECK(data->train.size() == 2);
  CHECK(data->validation.size() == 1);
  const std::vector<std::string> intents{"bill", "greet"};
  CHECK(label_names(data->train) == intents);
  CHECK(
      mentions(read_dataset(dir.write("b.json", R"({"train": [], "val": []})")).status(), "test"));
  CHECK(mentions(
      read_dataset(dir.write("c.json", R"({"train": [["x"]], "val": [], "test": []})")).status(),
      "train[0]"));
  CHECK(!read_dataset(dir.write("d.json", "[")).ok());
}

TEST_CASE("numeric labels are ordered as numbers") {
  std::vector<labelled_text> examples;
  for (const char* label : {"10", "9", "0", "10"}) examples.push_back({"x", label});
  const std::vector<std::string> expected{"0", "9", "10"};
  CHECK(label_names(examples) == expected);
}

TEST_CASE("data without examples, with one class or with an unseen label is refused") {
  const auto check = [](const dataset& d) {
    return check_dataset(d, label_names(d.train), "data.tsv");
  };
  CHECK(mentions(check({}), "no training examples"));
  CHECK(mentions(check({{{"x", "a"}, {"y", "a"}}, {}, {}}), "two classes"));
  const auto unseen = check({{{"x", "a"}, {"y", "b"}}, {{"z", "c"}}, {}});
  CHECK(mentions(unseen, "\"c\""));
  CHECK(mentions(unseen, "\"z\""));
  CHECK(check({{{"x", "a"}, {"y", "b"}}, {{"z", "b"}}, {}}).ok());
}

TEST_CASE("batches hold every example once, sorted by length, the same for the same epoch") {
  std::vector<example> data;
  for (std::size_t i = 0; i < 103; ++i) data.push_back({std::vector<std::int64_t>(3 + i % 7), 0});
  const auto plan = [&data](std::uint64_t seed, std::int64_t epoch) {
    auto generator = epoch_generator(seed, epoch);
    return plan_batches(data, 10, &generator);
  };
  const auto first = plan(1, 0);
  CHECK(first.size() == 11);
  std::multiset<std::size_t> seen;
  for (const auto& members : first) {
    std::size_t shortest = 99, longest = 0;
    for (const std::size_t m : members) {
      seen.insert(m);
      shortest = std::min(shortest, data[m].ids.size());
      longest = std::max(longest, data[m].ids.size());
    }
    CHECK(longest - shortest <= 1);
  }
  CHECK(seen.size() == 103);
  CHECK(std::set<std::size_t>(seen.begin(), seen.end()).size() == 103);
  CHECK(plan(1, 0) == first);
  CHECK(plan(1, 1) != first);
  CHECK(plan(2, 0) != first);
}

TEST_CASE("a batch pads with zeros and a mask; token dropout spares the ends") {
  const std::vector<example> data{{{2, 7, 8, 3}, 1}, {{2, 9, 3}, 0}};
  const batch plain = make_batch(data, {0, 1}, {}, nullptr, torch::kCPU);
  CHECK(plain.padded);
  CHECK(at::equal(plain.ids,
                  at::tensor(std::vector<std::int64_t>{2, 7, 8, 3, 2, 9, 3, 0}).view({2, 4})));
  CHECK(at::equal(plain.mask, at::tensor(std::vector<float>{1, 1, 1, 1, 1, 1, 1, 0}).view({2, 4})));
  CHECK(at::equal(plain.labels, at::tensor(std::vector<std::int64_t>{1, 0})));
  CHECK(!make_batch(data, {0}, {}, nullptr, torch::kCPU).padded);

  auto generator = epoch_generator(1, 0);
  const batch dropped = make_batch(data, {0, 1}, {1.0, 5}, &generator, torch::kCPU);
  CHECK(at::equal(dropped.ids,
                  at::tensor(std::vector<std::int64_t>{2, 5, 5, 3, 2, 5, 3, 0}).view({2, 4})));
}

TEST_CASE("the vocab recipe reads the training split and writes one token per line") {
  const scratch dir;
  const fs::path data = dir.write("a.tsv", "banana banana\tx\nbanana split\ty\n");
  REQUIRE(make_vocabulary({data, dir.path / "vocab.txt", 100, false}).ok());
  std::ifstream file(dir.path / "vocab.txt");
  std::vector<std::string> tokens;
  for (std::string line; std::getline(file, line);) tokens.push_back(line);
  CHECK(tokens.front() == "[PAD]");
  CHECK(std::find(tokens.begin(), tokens.end(), "banana") != tokens.end());
  CHECK(!make_vocabulary({data, dir.path / "vocab.txt", 100, false}).ok());  // exists
  CHECK(make_vocabulary({data, dir.path / "vocab.txt", 100, true}).ok());
  const fs::path empty = dir.write("empty.txt", "");
  CHECK(mentions(make_vocabulary({empty, dir.path / "w.txt", 100, false}), "no text"));
}
