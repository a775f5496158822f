// SPDX-License-Identifier: Apache-2.0
// Augmented data sets from a masked language model of random weights: what may stand where, the
// same by seed, readable again, and written whole or not at all.
#include "lowbit/train/recipe/augment.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/scratch.hpp"

using namespace lowbit::train;
using words = std::vector<std::string>;
using train_test::mentions;
namespace fs = std::filesystem;

namespace {

const words known_words = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the",   "my",   "set",
                           "alarm", "clock", "bell",  "ring",  "play",   "music", "song", "stop",
                           "watch", "##es",  "##s",   "##er",  "6",      ".",     "time"};

/// Writes a masked language model of random weights (or one of another head).
void write_random(const fs::path& at, lowbit::head_kind head, const words& tokens,
                  std::size_t positions = 24) {
  model_description description;
  description.shape = {1, 16, 2, 24, tokens.size(), positions, 2, 0};
  description.shape.head = head;
  description.vocabulary = tokens;
  if (description.shape.has_labels()) description.labels = {"a", "b"};
  description.shape.labels = description.labels.size();
  torch::manual_seed(3);
  const float_scheme how;
  bert model(description.shape, std::make_shared<float_scheme>());
  torch::NoGradGuard no_gradients;
  for (auto& [name, tensor] : model.parameters()) tensor.add_(at::randn(tensor.sizes()) * 0.3);
  REQUIRE(write_model_folder(at, description, how, model.exported(), {}, lowbit::existing::refuse)
              .ok());
}

struct augment_files : train_test::scratch_folder {
  augment_files() : scratch_folder("augment") {
    write_random(path / "mlm", lowbit::head_kind::masked_lm, known_words);
    write("data.tsv", "Set the alarm 6.\ton\nstop my watches\toff\n");
    write("synonyms.txt", "watches clocks\ntimes watches\nset put\n");
  }

  [[nodiscard]] augment_options options(const std::string& out = "out.tsv") const {
    augment_options o;
    o.data = path / "data.tsv", o.out = path / out, o.mlm = path / "mlm";
    o.synonyms = path / "synonyms.txt";
    o.copies = 40;
    return o;
  }
};

/// The candidates by hand: one sentence, no batch, the definition of the sequence.
words expected_candidates(const fs::path& folder, std::vector<std::int64_t> ids, std::size_t at,
                          std::size_t top) {
  auto model = load_model(folder, torch::kCPU);
  REQUIRE(model.ok());
  std::vector<std::int64_t> all{2}, types{0};
  for (std::int64_t half = 0; half < 2; ++half) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      all.push_back(half == 0 && i == at ? 4 : ids[i]), types.push_back(half);
    }
    all.push_back(3), types.push_back(half);
  }
  batch in;
  in.ids = torch::tensor(all).unsqueeze(0), in.types = torch::tensor(types).unsqueeze(0);
  in.mask = at::ones({1, in.ids.size(1)}), in.padded = false;
  in.labels = at::full_like(in.ids, ignored_label);
  in.labels[0][static_cast<std::int64_t>(at) + 1] = 5;
  torch::NoGradGuard no_gradients;
  const Tensor logits = model->model.forward(in, {}).logits[0];
  std::vector<std::pair<float, std::size_t>> order;
  for (std::size_t i = 0; i < known_words.size(); ++i) {
    order.emplace_back(-logits[static_cast<std::int64_t>(i)].item<float>(), i);
  }
  std::sort(order.begin(), order.end());
  words out;
  for (std::size_t i = 0; i < top; ++i) {
    const std::string& token = known_words[order[i].second];
    if (token[0] != '[' && !token.starts_with("##")) out.push_back(token);
  }
  return out;
}

}  // namespace

TEST_CASE("candidates are the model's of the pair masked and original, without pieces of words") {
  const augment_files t;
  auto o = t.options();
  for (const std::size_t top : {1U, 8U, 23U}) {
    o.top = top;
    auto finder = candidate_finder::open(o);
    REQUIRE(finder.ok());
    const auto found = finder->find({"set", "the", "watches", "alarm", "6", "."});
    REQUIRE(found.ok());
    // set the watch ##es alarm 6 .
    const std::vector<std::int64_t> ids{7, 5, 16, 17, 8, 20, 21};
    words first = expected_candidates(t.path / "mlm", ids, 0, top);
    words fourth = expected_candidates(t.path / "mlm", ids, 4, top);
    if (first.empty()) first = {"set"};
    if (fourth.empty()) fourth = {"alarm"};
    CHECK((*found)[0] == first);
    CHECK((*found)[3] == fourth);
    for (const std::size_t stays : {1U, 4U, 5U}) CHECK((*found)[stays].empty());
    CHECK((*found)[2] == (top == 1 ? words{"clocks"} : words{"clocks", "times"}));
  }
}

TEST_CASE("words of several pieces take vectors before synonyms, and else stay themselves") {
  const augment_files t;
  t.write("vectors.txt", "watches 1 0\nhours 1 0.1\nclocks 0 1\n");
  auto o = t.options();
  const auto of = [&](const char* word) { return candidate_finder::open(o)->find({word})->at(0); };
  CHECK(of("watches") == words{"clocks", "times"});
  CHECK(of("alarms") == words{"alarms"});
  o.vectors = t.path / "vectors.txt";
  CHECK(of("watches") == words{"hours", "clocks"});
  o.top = 1;
  CHECK(of("watches") == words{"hours"});
  o.vectors.clear(), o.synonyms.clear();
  CHECK(of("watches") == words{"watches"});
  CHECK(of("qqq") == words{"qqq"});  // [UNK] alone is no word of the model
}

TEST_CASE("antonyms never replace each other, whichever stands first") {
  const augment_files t;
  t.write("antonyms.txt", "clocks watches\nstop play\n");
  auto o = t.options();
  o.top = 23;
  const auto before = candidate_finder::open(o)->find({"stop", "watches"});
  o.antonyms = {t.path / "antonyms.txt"};
  const auto after = candidate_finder::open(o)->find({"stop", "watches"});
  REQUIRE(before.ok());
  REQUIRE(after.ok());
  CHECK((*after)[1] == words{"times"});
  words expected = before->at(0);
  CHECK(std::erase(expected, "play") == 1);
  CHECK(after->at(0) == expected);
}

TEST_CASE("words beyond the model's positions stay, the others are still asked for") {
  const augment_files t;
  write_random(t.path / "short", lowbit::head_kind::masked_lm, known_words, 4);
  auto o = t.options();
  o.mlm = t.path / "short";
  const auto found = candidate_finder::open(o)->find({"set", "alarm", "play", "music", "song"});
  REQUIRE(found.ok());
  CHECK(found->at(3) == words{"music"});  // position 4
  CHECK(found->at(4) == words{"song"});
  CHECK(found->at(0).size() + found->at(1).size() > 2);
}

TEST_CASE("an augmented file keeps the originals and the labels, and reads back as data") {
  const augment_files t;
  auto o = t.options();
  REQUIRE(augment_dataset(o).ok());
  const auto data = read_dataset(o.out);
  REQUIRE(data.ok());
  std::set<std::string> texts;
  std::size_t on = 0;
  for (const labelled_text& e : data->train) {
    CHECK(texts.insert(e.text).second);
    on += e.label == "on" ? 1 : 0;
    CHECK(e.text.find("##") == std::string::npos);
    CHECK((e.text == "Set the alarm 6." ||
           (e.label == "on" && e.text.ends_with(" 6 .") &&
            e.text.find(" the ") != std::string::npos) ||
           (e.label == "off" && e.text.find(" my ") != std::string::npos)));
  }
  CHECK(data->train.front().text == "Set the alarm 6.");
  CHECK(on > 5);
  CHECK(data->train[on].text == "stop my watches");
  CHECK(data->train.size() > on + 5);

  auto again = t.options("again.tsv");
  REQUIRE(augment_dataset(again).ok());
  CHECK(t.bytes("again.tsv") == t.bytes("out.tsv"));
  again.seed = 43, again.replace = true;
  REQUIRE(augment_dataset(again).ok());
  CHECK(t.bytes("again.tsv") != t.bytes("out.tsv"));
}

TEST_CASE("an augmentation that was stopped goes on to the same file") {
  const augment_files t;
  REQUIRE(augment_dataset(t.options()).ok());
  auto o = t.options("parts.tsv");
  o.stop_asked = [] { return true; };  // after the first of two sentences
  CHECK(mentions(augment_dataset(o), "sentence 1 of 2"));
  CHECK(!fs::exists(o.out));
  o.stop_asked = nullptr;
  CHECK(mentions(augment_dataset(o), "parts.tsv.checkpoint: exists"));
  o.resume = true;
  auto other = o;
  other.seed = 7;
  CHECK(mentions(augment_dataset(other), "other options"));
  REQUIRE(augment_dataset(o).ok());
  CHECK(t.bytes("parts.tsv") == t.bytes("out.tsv"));
  CHECK(!fs::exists(t.path / "parts.tsv.checkpoint"));
  o.replace = true;
  CHECK(mentions(augment_dataset(o), "nothing to go on from"));
}

TEST_CASE("with probability 0 the augmented file is the data set") {
  const augment_files t;
  auto o = t.options();
  o.probability = 0.0;
  REQUIRE(augment_dataset(o).ok());
  CHECK(t.bytes("out.tsv") == "sentence\tlabel\nSet the alarm 6.\ton\nstop my watches\toff\n");
}

TEST_CASE("each text of a pair is augmented while the other one stays") {
  const augment_files t;
  t.write("pairs.tsv", "set alarm\tstop music\tyes\n");
  auto o = t.options();
  o.data = t.path / "pairs.tsv", o.probability = 1.0;
  REQUIRE(augment_dataset(o).ok());
  const auto data = read_dataset(o.out);
  REQUIRE(data.ok());
  std::size_t first = 0, second = 0;
  for (const labelled_text& e : data->train) {
    CHECK((e.text == "set alarm" || e.second == "stop music"));
    first += e.text != "set alarm" ? 1 : 0, second += e.second != "stop music" ? 1 : 0;
  }
  CHECK(first > 0);
  CHECK(second > 0);
  o.out = t.path / "pairs.json";
  CHECK(mentions(augment_dataset(o), "no pairs"));
  CHECK(!fs::exists(o.out));
}

TEST_CASE("a CLINC150 file keeps its other splits, and blanks of a text end no field") {
  const augment_files t;
  t.write("data.json", R"({"train": [["set\tan alarm", "on"], ["song", "off"]],)"
                       R"( "val": [["stop", "off"]], "test": [["play", "on"]]})");
  auto o = t.options("out.json");
  o.data = t.path / "data.json";
  REQUIRE(augment_dataset(o).ok());
  const auto data = read_dataset(o.out);
  REQUIRE(data.ok());
  CHECK(data->train.size() > 4);
  CHECK(data->train.front().text == "set\tan alarm");
  REQUIRE(data->validation.size() == 1);
  CHECK(data->validation[0].text == "stop");
  CHECK(data->test.at(0).label == "on");
  o.out = t.path / "flat.tsv";
  REQUIRE(augment_dataset(o).ok());
  CHECK(read_dataset(o.out)->train.front().text == "set an alarm");
}

TEST_CASE("what cannot be augmented is one message and no file") {
  const augment_files t;
  const auto refused = [&](auto change, const char* because) {
    auto o = t.options();
    change(o);
    INFO(because);
    CHECK(mentions(augment_dataset(o), because));
    CHECK(!fs::exists(o.out));
  };
  t.write("empty.tsv", "");
  t.write("invalid.tsv", "a \xff\tx\n");
  write_random(t.path / "classifier", lowbit::head_kind::sequence, known_words);
  words unmasked = known_words;
  unmasked[4] = "mask";
  write_random(t.path / "unmasked", lowbit::head_kind::masked_lm, unmasked);
  refused([&](auto& o) { o.data = t.path / "empty.tsv"; }, "no training examples");
  refused([&](auto& o) { o.data = t.path / "invalid.tsv"; }, "UTF-8");
  refused([&](auto& o) { o.data = t.path / "nothing.tsv"; }, "nothing.tsv");
  refused([&](auto& o) { o.mlm = t.path / "classifier"; }, "expected a masked language model");
  refused([&](auto& o) { o.mlm = t.path / "unmasked"; }, "no mask token");
  refused([&](auto& o) { o.mlm = t.path / "nothing"; }, "nothing");
  refused([&](auto& o) { o.out = t.path / "out.txt"; }, ".tsv or .json");
  refused([&](auto& o) { o.out = t.path / "none" / "out.tsv"; }, "does not exist");
  t.write("taken.tsv", "kept");
  auto o = t.options("taken.tsv");
  CHECK(mentions(augment_dataset(o), "already exists"));
  CHECK(t.bytes("taken.tsv") == "kept");
}
