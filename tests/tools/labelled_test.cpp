// SPDX-License-Identifier: Apache-2.0
// Labelled files: what is read, and the message for each way to be wrong.
#include "labelled.hpp"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

#include "../io/crafted.hpp"

namespace {

using namespace lowbit_tool;
namespace fs = std::filesystem;

/// A folder that is removed at the end.
struct scratch {
  crafted::scratch_folder folder;
  std::string write(const std::string& name, const std::string& text) const {
    const fs::path path = folder.path() / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.native();
  }
};

template <class T>
std::string message(const lowbit::result<T>& r) {
  return std::string(r.status().message());
}

}  // namespace

TEST_CASE("TSV: single sentences, pairs, headers, line ends", "[labelled]") {
  const scratch files;
  const auto single =
      read_labelled(files.write("a.tsv", "sentence\tLabel\r\ngood film\t1\r\n\r\nbad\t0"), "")
          .value();
  CHECK_FALSE(single.pairs);
  REQUIRE(single.examples.size() == 2);
  CHECK(single.examples[0].text == "good film");
  CHECK(single.examples[0].label == "1");
  CHECK(single.examples[0].line == 2);
  CHECK(single.examples[1].label == "0");
  CHECK(single.examples[1].line == 4);
  const std::string pairs = files.write("p.tsv", "a b\tc\t2.5\nd\te\t1\n");
  const auto read = read_labelled(pairs, "").value();
  CHECK(read.pairs);
  REQUIRE(read.examples.size() == 2);
  CHECK(read.examples[0].text == "a b\tc");
  CHECK(read.examples[0].label == "2.5");
  CHECK(message(read_examples(pairs, "")) ==
        pairs + ": has sentence pairs, expected single sentences with a label");
}

TEST_CASE("TSV: a wrong number of columns is named with its line", "[labelled]") {
  const scratch files;
  const std::string four = files.write("4.tsv", "a\tb\tc\td\n");
  CHECK(message(read_labelled(four, "")) ==
        four +
            " line 1: has 4 columns, expected 2 (sentence, label) or 3 (first, second, label), "
            "parted by tabs");
  const std::string one = files.write("1.tsv", "a\t1\n\nno tab\n");
  CHECK(message(read_labelled(one, "")) ==
        one + " line 3: has 1 column, expected 2 (sentence, label), parted by tabs");
  const std::string mixed = files.write("m.tsv", "a\tb\t1\na\t1\n");
  CHECK(message(read_labelled(mixed, "")) ==
        mixed + " line 2: has 2 columns, expected 3 (first, second, label), parted by tabs");
  const std::string bare = files.write("b.tsv", "a\t\n");
  CHECK(message(read_labelled(bare, "")) ==
        bare + " line 1: has an empty label, expected at least a word in each column");
  for (const char* text : {"", "\n\n", "sentence\tlabel\n"}) {
    const std::string empty = files.write("e.tsv", text);
    CHECK(message(read_labelled(empty, "")) == empty + ": is empty, expected labelled sentences");
  }
  const std::string missing = (files.folder.path() / "no.tsv").native();
  CHECK(message(read_labelled(missing, "")) == missing + ": no such file");
}

TEST_CASE("CLINC150 JSON: a split that is not there, an entry that is no pair", "[labelled]") {
  const scratch files;
  const std::string path = files.write(
      "c.json", R"({"test": [["hi", "greet"], ["bye", "part"]], "odd": [["hi"]], "x": 1})");
  const auto read = read_labelled(path, "test").value();
  REQUIRE(read.examples.size() == 2);
  CHECK(read.examples[1].text == "bye");
  CHECK(read.examples[1].line == 2);
  const std::string pairs = ", expected an array of [text, label] pairs";
  CHECK(message(read_labelled(path, "train")) == path + ": field \"train\" is missing" + pairs);
  CHECK(message(read_labelled(path, "x")) == path + ": field \"x\" is the integer 1" + pairs);
  CHECK(message(read_labelled(path, "odd")) ==
        path + R"(: odd entry 1 is ["hi"], expected [text, label])");
}

TEST_CASE("words with BIO labels from one file or two", "[labelled]") {
  const scratch files;
  const auto read = read_tagged(files.write("t.txt",
                                            "-DOCSTART- -X- O\n\nNew NNP B-loc\nYork\tI-loc\r\n\n\n"
                                            "is O\n"))
                        .value();
  REQUIRE(read.size() == 2);
  CHECK(read[0].words == std::vector<std::string>{"New", "York"});
  CHECK(read[0].labels == std::vector<std::string>{"B-loc", "I-loc"});
  CHECK(read[0].line == 3);
  CHECK(read[0].line_of(1) == 4);
  CHECK(read[1].line == 7);
  const std::string broken = files.write("x.txt", "a O\nb\n");
  CHECK(message(read_tagged(broken)) ==
        broken + " line 2: has 1 column, expected a word and its label");
  const std::string bytes = files.write("z.txt", "a O\nb \xFF\n");
  CHECK(message(read_tagged(bytes)) == bytes + " line 2: is not valid UTF-8 at byte 2");
  const std::string empty = files.write("y.txt", "\n\n");
  CHECK(message(read_tagged(empty)) == empty + ": is empty, expected words with BIO labels");

  const std::string folder = files.folder.path().native();
  std::filesystem::create_directory(files.folder.path() / "dev");
  CHECK(place_of_split(folder, "dev") == folder + "/dev");
  const std::string test = files.write("test.tsv", "a\tb\n");
  CHECK(place_of_split(folder, "test") == test);
  CHECK(place_of_split(folder, "none") == folder);
  CHECK(place_of_split(test, "dev") == test);
  files.write("seq.in", "play new york\nstop\n");
  files.write("seq.out", "O B-loc I-loc\nO\n");
  files.write("label", "Play\nStop\n");
  CHECK(place_of_split(folder, "dev") == folder);  // a split itself
  const auto both = read_tagged(folder).value();
  REQUIRE(both.size() == 2);
  CHECK(both[0].labels[2] == "I-loc");
  CHECK(both[0].line_of(2) == 1);
  const auto intents = read_labelled(folder, "").value();
  REQUIRE(intents.examples.size() == 2);
  CHECK(intents.examples[1].label == "Stop");
  files.write("seq.out", "O B-loc\nO\n");
  CHECK(message(read_tagged(folder)) ==
        folder + "/seq.out line 1: has 2 labels, expected one for each of 3 words");
  files.write("seq.out", "O B-loc I-loc\n");
  CHECK(message(read_tagged(folder)) ==
        folder + "/seq.out: has 1 lines, expected the 2 of " + folder + "/seq.in");
}

TEST_CASE("labels are found by name, or by number where the model has no names", "[labelled]") {
  const std::vector<std::string> named{"no", "yes"};
  const std::vector<std::string> nameless{"LABEL_0", "LABEL_1"};
  CHECK(label_id(named, "yes").value() == 1);
  CHECK(label_id(nameless, "1").value() == 1);
  CHECK(label_id(nameless, "LABEL_0").value() == 0);
  CHECK(message(label_id(named, "1")) == "label \"1\" is not one of the model's 2 labels");
  for (const char* wrong : {"2", "-1", "1x", ""}) CHECK_FALSE(label_id(nameless, wrong).ok());
  const std::vector<example> examples{{"a", "yes", 3}, {"b", "maybe", 9}};
  CHECK(message(label_ids(named, examples, "file.tsv")) ==
        "file.tsv line 9: label \"maybe\" is not one of the model's 2 labels");
  CHECK(message(label_ids(named, examples, "file.json")) ==
        "file.json entry 9: label \"maybe\" is not one of the model's 2 labels");
}

TEST_CASE("found labels meet the wanted words, missing ones are O", "[labelled]") {
  const tagged_sentence wanted{{"new", "york", "is", "big"}, {"B-l", "I-l", "O", "B-x"}, 1, false};
  const std::vector<lowbit::labelled_word> found{
      {"B-l", {0, 3}, 0.9F}, {"B-x", {9, 11}, 0.8F}};  // nothing for york, big was cut off
  const bio_pair both = align("new york is big", found, wanted);
  std::vector<std::string> labels;
  for (const auto& w : both.found) labels.emplace_back(w.label);
  CHECK(labels == std::vector<std::string>{"B-l", "O", "B-x", "O"});
  CHECK(both.wanted[3].label == "B-x");
  CHECK(both.wanted[3].at == lowbit::text_span{12, 15});
}
