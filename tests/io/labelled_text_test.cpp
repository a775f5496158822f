// SPDX-License-Identifier: Apache-2.0
// Labelled files as trainer and evaluation read them: what is dropped, what is kept, and where a
// message points.
#include "lowbit/io/labelled_text.hpp"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crafted.hpp"
#include "expect_error.hpp"

using lowbit::errc;
using lowbit::for_each_line;
using lowbit::labelled_text;
using lowbit::labelling;
using lowbit::read_labelled_tsv;
using lowbit::status;

namespace {

using strings = std::vector<std::string>;

const std::string byte_order_mark = "\xEF\xBB\xBF";

struct scratch : crafted::scratch_folder {
  [[nodiscard]] std::filesystem::path write(const std::string& name, std::string_view text) const {
    crafted::write(path() / name, text);
    return path() / name;
  }
  [[nodiscard]] auto table(std::string_view text) const {
    return read_labelled_tsv(write("t.tsv", text));
  }
  [[nodiscard]] auto lines(std::string_view texts, std::string_view labels, labelling of) const {
    return lowbit::read_lines_and_labels(write("seq.in", texts), write("labels", labels), of);
  }
};

/// `text | second | label @ line` of each example.
strings shown(const std::vector<labelled_text>& examples) {
  strings out;
  for (const labelled_text& e : examples)
    out.push_back(e.text + "|" + e.second + "|" + e.label + "@" + std::to_string(e.line));
  return out;
}

}  // namespace

TEST_CASE("lines come without their ends, with numbers, and the first without a byte order mark",
          "[io][labelled_text]") {
  const scratch files;
  const auto numbered = [&files](std::string_view text) {
    strings out;
    REQUIRE(for_each_line(files.write("f", text), [&](std::string_view line, std::size_t n) {
              out.push_back(std::to_string(n) + std::string(line));
              return status();
            }).ok());
    return out;
  };
  CHECK(numbered("").empty());
  CHECK(numbered(byte_order_mark).empty());
  CHECK(numbered("a\n") == strings{"1a"});
  CHECK(numbered("a\r\n\r\nb") == strings{"1a", "2", "3b"});
  CHECK(numbered("\n\n") == strings{"1", "2"});
  CHECK(numbered(byte_order_mark + "a\n" + byte_order_mark + "b\n") ==
        strings{"1a", "2" + byte_order_mark + "b"});
  CHECK(numbered("\xEF\xBB\n") == strings{"1\xEF\xBB"});
  CHECK(numbered("a\rb\r\r\n") == strings{"1a\rb\r"});  // one end a line
}

TEST_CASE("lines end with the first status that is not ok", "[io][labelled_text][negative]") {
  const scratch files;
  std::size_t seen = 0;
  const status stopped =
      for_each_line(files.write("f", "a\nb\nc\n"), [&seen](std::string_view line, std::size_t) {
        ++seen;
        return line == "b" ? status::error(errc::malformed, "stop") : status();
      });
  expect_error(stopped, errc::malformed, {"stop"});
  CHECK(seen == 2);
  const auto ignored = [](std::string_view, std::size_t) { return status(); };
  expect_error(for_each_line(files.path() / "none", ignored), errc::not_found,
               {"none", "no such file"});
  expect_error(for_each_line(files.path(), ignored), errc::unsupported, {"is a folder"});
}

TEST_CASE("words lie between blanks, tabs and carriage returns", "[io][labelled_text]") {
  CHECK(lowbit::words_of(" a  bc\td\r") == strings{"a", "bc", "d"});
  CHECK(lowbit::words_of("a") == strings{"a"});
  CHECK(lowbit::words_of(" \t\r").empty());
  CHECK(lowbit::words_of("").empty());
  CHECK(lowbit::trimmed("\t a b \r") == "a b");
  CHECK(lowbit::trimmed(" \t\r").empty());
  CHECK(lowbit::trimmed("x") == "x");
}

TEST_CASE("a TSV of sentences reads the same with every line end, mark and blank around a column",
          "[io][labelled_text]") {
  const scratch files;
  const strings expected{"fine day||good@2", "so so||neither one@4"};
  const std::string plain = "sentence\tlabel\nfine day\tgood\n\nso so\tneither one";
  const std::string blanks = "sentence\t label \n fine day \tgood \n  \n  so so\t  neither one \n";
  std::string windows;
  for (const char c : plain) windows += c == '\n' ? "\r\n" : std::string(1, c);
  for (const std::string& text :
       {plain, plain + "\n\n", blanks, windows, byte_order_mark + windows}) {
    CAPTURE(text);
    const auto table = files.table(text);
    REQUIRE(table.ok());
    CHECK_FALSE(table->pairs);
    CHECK_FALSE(table->scores);
    CHECK(shown(table->examples) == expected);
  }
}

TEST_CASE("a header is a first line whose last column is label or score in any case",
          "[io][labelled_text]") {
  const scratch files;
  for (const char* name : {"label", "Label", "LABEL", "score", "Score", "sCORE"}) {
    CAPTURE(name);
    const bool scores = name[0] == 's' || name[0] == 'S';
    for (const std::string before : {"", "\n", "\xEF\xBB\xBF"}) {
      const auto table = files.table(before + "x\t" + name + "\na\t1\n");
      REQUIRE(table.ok());
      CHECK(table->scores == scores);
      REQUIRE(table->examples.size() == 1);
      CHECK(table->examples[0].text == "a");
    }
  }
  for (const char* name : {"labels", "labe", "scores", "class"})
    CHECK(files.table("x\t" + std::string(name) + "\na\t1\n")->examples.size() == 2);
  CHECK(files.table("label\tx\na\t1\n")->examples.size() == 2);  // not the last column
  CHECK(files.table("a\t1\nb\tlabel\n")->examples.size() == 2);  // not the first line
  CHECK(files.table("a\tlabel\n")->examples.empty());
  CHECK(files.table("")->examples.empty());
}

TEST_CASE("a TSV of three columns holds pairs", "[io][labelled_text]") {
  const scratch files;
  const auto table = files.table("one\ttwo\tScore\na b\t c\t2.5\n");
  REQUIRE(table.ok());
  CHECK(table->pairs);
  CHECK(table->scores);
  CHECK(shown(table->examples) == strings{"a b|c|2.5@2"});
}

TEST_CASE("a TSV line of another width or with an empty column is named by file and number",
          "[io][labelled_text][negative]") {
  const scratch files;
  const std::string any = "expected 2 (sentence, label) or 3 (first, second, label)";
  for (const auto& [text, message] :
       {std::pair{"a\tb\tc\td\n", " line 1: has 4 columns, " + any},
        {"\na\n", " line 2: has 1 column, " + any},
        {"a\t1\nb\n", " line 2: has 1 column, expected 2 (sentence, label), parted by tabs"},
        {"a\t1\nb\tc\t1", " line 2: has 3 columns, expected 2 (sentence, label)"},
        {"x\tlabel\nb\tc\t1", " line 2: has 3 columns, expected 2 (sentence, label)"},
        {"a\tb\t1\r\n\r\na\t1", " line 3: has 2 columns, expected 3 (first, second, label)"},
        {"a\t1\nb\t1\t\n", " line 2: has 3 columns, expected 2"},
        {"a\t\n", " line 1: has an empty label, expected at least a word in each column"},
        {"a\t1\n \r\t1\n", " line 2: has an empty sentence, expected at least a word"},
        {"\t1\n", " line 1: has an empty sentence"},
        {"\t\n", " line 1: has an empty sentence"},
        {"\t b\t1\n", " line 1: has an empty first sentence"},
        {"a\t \t1\n", " line 1: has an empty second sentence"},
        {"a\tb\t \n", " line 1: has an empty label"},
        {"a\t1\n\xff\t1\n", " line 2: has a sentence that is not valid UTF-8 at its byte 0"},
        {"a\tb\xff\t1\n", " line 1: has a second sentence that is not valid UTF-8 at its byte 1"},
        {"a\ty\xff\n", " line 1: has a label that is not valid UTF-8 at its byte 1"}}) {
    expect_error(files.table(text).status(), errc::malformed, {"t.tsv" + message});
  }
}

TEST_CASE("two files give a text and its label, or one label a word", "[io][labelled_text]") {
  const scratch files;
  const std::string texts = byte_order_mark + "fly  to rome \r\n\r\n\thello\n\n";
  const auto sentences = files.lines(texts, " go there\n \nhi\r\n\r\n\r\n", labelling::sentences);
  REQUIRE(sentences.ok());
  CHECK(shown(*sentences) == strings{"fly  to rome||go there@1", "hello||hi@3"});
  const auto words = files.lines(texts, "O O \tB-x\n\nO", labelling::words);
  REQUIRE(words.ok());
  CHECK(shown(*words) == strings{"fly to rome||O O B-x@1", "hello||O@3"});
  CHECK(files.lines("", "\n", labelling::words)->empty());
}

TEST_CASE("two files that do not fit are named, with the line", "[io][labelled_text][negative]") {
  const scratch files;
  const std::string path = files.path().native() + "/";
  const auto refused = [&](std::string_view texts, std::string_view labels, labelling of,
                           const std::string& message) {
    expect_error(files.lines(texts, labels, of).status(), errc::malformed, {message});
  };
  for (const labelling of : {labelling::sentences, labelling::words}) {
    refused("a\nb\n", "x\n", of,
            path + "labels: has 1 lines, expected the 2 of " + path + "seq.in");
    refused("a\n\n", "x\n\ny\n", of, "has 3 lines, expected the 1 of");
  }
  refused(
      "a\nb\n", "\nx\n", labelling::sentences,
      path + "labels line 1: has an empty label, expected one for line 1 of " + path + "seq.in");
  refused(
      "a\n \nb\n", "x\ny\nz\n", labelling::sentences,
      path + "seq.in line 2: has an empty sentence, expected one for line 2 of " + path + "labels");
  refused("a\nb c\n", "O\nO\n", labelling::words,
          path + "labels line 2: has 1 labels, expected one for each of 2 words");
  refused("\nb\n", "O\nO\n", labelling::words,
          "line 1: has 1 labels, expected one for each of 0 words");
  refused("a\n", "\xff\n", labelling::sentences,
          path + "labels line 1: has a label that is not valid UTF-8 at its byte 0");
  refused("a\xff\n", "O\n", labelling::words,
          path + "seq.in line 1: has a sentence that is not valid UTF-8 at its byte 1");
  const auto missing = lowbit::read_lines_and_labels(files.write("seq.in", "a\n"),
                                                     files.path() / "none", labelling::words);
  expect_error(missing.status(), errc::not_found, {path + "none", "no such file"});
}

TEST_CASE("a split of a CLINC150 file gives its pairs, trimmed and numbered",
          "[io][labelled_text]") {
  const auto root = nlohmann::json::parse(
      R"({"test": [["hi there", "greet"], [" bye ", "part "]], "none": [], "train": [["x", "y"]]})");
  CHECK(shown(*lowbit::read_clinc_split(root, "test", "c.json")) ==
        strings{"hi there||greet@1", "bye||part@2"});
  CHECK(lowbit::read_clinc_split(root, "none", "c.json")->empty());
}

TEST_CASE("a CLINC150 split that is missing or has another form is named by its entry",
          "[io][labelled_text][negative]") {
  const auto refused = [](const char* json, errc code, const std::string& message) {
    const auto root = nlohmann::json::parse(json);
    expect_error(lowbit::read_clinc_split(root, "s", "c.json").status(), code, {message});
  };
  const std::string pairs = ", expected an array of [text, label] pairs";
  refused(R"({"test": []})", errc::not_found, "c.json: field \"s\" is missing" + pairs);
  refused(R"({"s": {}})", errc::malformed, "c.json: field \"s\" is an object" + pairs);
  refused("[]", errc::malformed,
          "c.json: is an array, expected an object whose field \"s\" is an array of");
  for (const char* wrong :
       {"[]", "[\"b\"]", "[\"b\",1]", "[1,\"b\"]", "[\"a\",\"b\",\"c\"]", "3"}) {
    refused((R"({"s": [["a", "x"], )" + std::string(wrong) + "]}").c_str(), errc::malformed,
            "c.json: s entry 2 is " + std::string(wrong) + ", expected [text, label]");
  }
  refused(R"({"s": [[" ", "x"]]})", errc::malformed, "c.json: s entry 1: has an empty sentence");
  refused(R"({"s": [["a", ""]]})", errc::malformed, "c.json: s entry 1: has an empty label");
}
