// SPDX-License-Identifier: Apache-2.0
// Data files, good and bad, and how sentences become batches.
#include "lowbit/train/data/dataset.hpp"

#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>

#include "lowbit/train/data/batching.hpp"
#include "lowbit/train/data/sentences.hpp"
#include "lowbit/train/data/tokenize.hpp"
#include "lowbit/train/recipe/vocabulary.hpp"
#include "support/scratch.hpp"

using namespace lowbit::train;
using train_test::mentions;
using train_test::scratch_folder;
namespace fs = std::filesystem;

TEST_CASE("a TSV has an optional header, empty lines and a last line without a break") {
  const scratch_folder dir("dataset");
  const auto with = read_tsv(dir.write("a.tsv", "sentence\tlabel\nfine day \t1\r\n\nbad\t0"));
  REQUIRE(with.ok());
  REQUIRE(with->size() == 2);
  CHECK((*with)[0].text == "fine day");
  CHECK((*with)[0].label == "1");
  CHECK((*with)[1].text == "bad");
  CHECK((*with)[1].line == 4);
  CHECK(read_tsv(dir.write("b.tsv", "x\t1\n"))->size() == 1);
  CHECK(read_tsv(dir.write("c.tsv", "Sentence\tLabel\nx\t1\n"))->size() == 1);
}

TEST_CASE("a bad TSV line is named by its number") {
  const scratch_folder dir("dataset");
  CHECK(mentions(read_tsv(dir.write("a.tsv", "x\t1\nno tab\n")).status(), "line 2"));
  CHECK(mentions(read_tsv(dir.write("b.tsv", "x\ty\tz\t1\n")).status(), "line 1"));
  CHECK(mentions(read_tsv(dir.write("c.tsv", "x\t1\n \t1\n")).status(), "empty sentence"));
  CHECK(mentions(read_tsv(dir.write("d.tsv", "x\t \n")).status(), "empty label"));
  CHECK(read_tsv(dir.path / "missing.tsv").status().code() == lowbit::errc::not_found);
}

TEST_CASE("CLINC150 gives its three in-scope splits") {
  const scratch_folder dir("dataset");
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
      "train entry 1"));
  CHECK(!read_dataset(dir.write("d.json", "[")).ok());
}

TEST_CASE("a TSV of three columns holds pairs") {
  const scratch_folder dir("dataset");
  const auto pairs = read_tsv(dir.write("a.tsv", "one\ttwo\tlabel\na b\tc\tyes\n"));
  REQUIRE(pairs.ok());
  REQUIRE(pairs->size() == 1);
  CHECK((*pairs)[0].text == "a b");
  CHECK((*pairs)[0].second == "c");
  CHECK((*pairs)[0].label == "yes");
  CHECK(mentions(read_tsv(dir.write("b.tsv", "a\tb\t1\na\t1\n")).status(), "line 2"));
  CHECK(mentions(read_tsv(dir.write("c.tsv", "one\ttwo\tscore\na\tb\t0.5\n")).status(),
                 "regression"));
}

namespace {

/// A folder of seq.in, seq.out and label.
fs::path write_slots(const scratch_folder& dir, const std::string& split, const std::string& texts,
                     const std::string& tags, const std::string& labels) {
  fs::create_directories(dir.path / "set" / split);
  dir.write("set/" + split + "/seq.in", texts);
  dir.write("set/" + split + "/seq.out", tags);
  dir.write("set/" + split + "/label", labels);
  return dir.path / "set";
}

}  // namespace

TEST_CASE("a folder of seq.in gives sentences or words with their labels") {
  const scratch_folder dir("dataset");
  write_slots(dir, "train", "fly  to rome\nhello \n\n", "O O B-city\nO\n\n", "go\nhi\n\n");
  const fs::path set = write_slots(dir, "valid", "to bonn\n", "O B-city\n", "go\n");
  const auto sentences = read_dataset(set);
  REQUIRE(sentences.ok());
  REQUIRE(sentences->train.size() == 2);
  CHECK(sentences->train[0].label == "go");
  CHECK(sentences->validation.size() == 1);
  CHECK(sentences->test.empty());
  const auto words = read_dataset(set, labelling::words);
  REQUIRE(words.ok());
  CHECK(words->tagged);
  CHECK(words->train[0].text == "fly to rome");
  CHECK(words->train[0].label == "O O B-city");
  const std::vector<std::string> names{"B-city", "O"};
  CHECK(label_names(words->train, true) == names);
  CHECK(check_dataset(*words, names, set).ok());
  CHECK(mentions(check_dataset(*words, {"B-x", "O"}, set), "\"B-city\""));

  dir.write("set/train/seq.out", "O O\nO\n\n");
  CHECK(mentions(read_dataset(set, labelling::words).status(), "line 1"));
  dir.write("set/train/seq.out", "O O O\n");
  CHECK(mentions(read_dataset(set, labelling::words).status(), "seq.out"));
  CHECK(mentions(read_dataset(dir.write("a.tsv", "x\ty\n"), labelling::words).status(), "seq.in"));
}

TEST_CASE("the first piece of a word carries its label") {
  const scratch_folder dir("dataset");
  const auto vocab = dir.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\n##c\nd\n.\n");
  const auto tokenizer = lowbit::tokenizer::load(vocab);
  REQUIRE(tokenizer.ok());
  const labelled_text text{"abc d. ab", "B-x I-x O", ""};
  const auto e = tokenize(text, true, {"B-x", "I-x", "O"}, *tokenizer, 16);
  REQUIRE(e.ok());
  const std::vector<std::int64_t> ids{2, 5, 6, 7, 8, 5, 3}, labels{-100, 0, -100, 1, -100, 2, -100};
  CHECK(e->ids == ids);
  CHECK(e->labels == labels);
  const batch in = make_batch({*e, {{2, 5, 3}, {-100, 2, -100}, {}}}, torch::kCPU);
  CHECK(in.labels.size(1) == 7);
  CHECK(in.labels[1][6].item<std::int64_t>() == ignored_label);
  const auto cut = tokenize(text, true, {"B-x", "I-x", "O"}, *tokenizer, 4);
  CHECK(cut->labels.size() == 4);
}

TEST_CASE("numeric labels are ordered as numbers") {
  std::vector<labelled_text> examples;
  for (const char* label : {"10", "9", "0", "10"}) examples.push_back({"x", label, ""});
  const std::vector<std::string> expected{"0", "9", "10"};
  CHECK(label_names(examples) == expected);
}

TEST_CASE("data without examples, with one class or with an unseen label is refused") {
  const auto check = [](const dataset& d) {
    return check_dataset(d, label_names(d.train), "data.tsv");
  };
  CHECK(mentions(check({}), "no training examples"));
  CHECK(mentions(check({{{"x", "a", ""}, {"y", "a", ""}}, {}, {}}), "two classes"));
  const auto unseen = check({{{"x", "a", ""}, {"y", "b", ""}}, {{"z", "c", "", 7}}, {}});
  CHECK(unseen.message() ==
        "data.tsv: validation line 7: unknown label \"c\" of the sentence \"z\", expected one of "
        "the 2 known");
  CHECK(check({{{"x", "a", ""}, {"y", "b", ""}}, {{"z", "b", ""}}, {}}).ok());
}

TEST_CASE("batches hold every example once, sorted by length, the same for the same epoch") {
  std::vector<example> data;
  for (std::size_t i = 0; i < 103; ++i)
    data.push_back({std::vector<std::int64_t>(3 + i % 7), {0}, {}});
  const auto plan = [&data](std::uint64_t seed, std::uint64_t epoch) {
    auto generator = seeded_generator(seed, epoch);
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
  const std::vector<example> data{{{2, 7, 8, 3}, {1}, {}}, {{2, 9, 3}, {0}, {}}};
  const batch plain = make_batch(data, {0, 1}, torch::kCPU);
  CHECK(plain.padded);
  CHECK(at::equal(plain.ids,
                  at::tensor(std::vector<std::int64_t>{2, 7, 8, 3, 2, 9, 3, 0}).view({2, 4})));
  CHECK(at::equal(plain.mask, at::tensor(std::vector<float>{1, 1, 1, 1, 1, 1, 1, 0}).view({2, 4})));
  CHECK(at::equal(plain.labels, at::tensor(std::vector<std::int64_t>{1, 0})));
  CHECK(!make_batch(data, {0}, torch::kCPU).padded);
  CHECK(!plain.types.defined());

  const batch dropped = make_batch(data, {0, 1}, token_dropout(1.0, 5), 1, 0, torch::kCPU);
  CHECK(at::equal(dropped.ids,
                  at::tensor(std::vector<std::int64_t>{2, 5, 5, 3, 2, 5, 3, 0}).view({2, 4})));
}

TEST_CASE("sentences are a set's training split, or every line of a text without its end") {
  const scratch_folder dir("dataset");
  const std::vector<std::string> texts{"a", "b", "c"}, lines{"Label\tx", "", " y", "score"};
  CHECK(*read_sentences(dir.write("a.tsv", "one\ttwo\tLABEL\na\tb\t1\n")) ==
        std::vector<std::string>(texts.begin(), texts.begin() + 2));
  CHECK(*read_sentences(dir.write(
            "a.json", R"({"train": [["a", "x"], ["b", "x"], ["c", "y"]], "val": [["d", "x"]],
                          "test": []})")) == texts);
  CHECK(*read_sentences(dir.write("a.txt", "\xEF\xBB\xBFLabel\tx\r\n\n y\nscore")) == lines);
  CHECK(read_sentences(dir.path / "none").status().code() == lowbit::errc::not_found);
}

TEST_CASE("the vocab recipe reads the training split and writes one token per line") {
  const scratch_folder dir("dataset");
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
