// SPDX-License-Identifier: Apache-2.0
// The recipes of several stages on a toy set: every stage is a folder of its scheme, the student
// learns, a run resumes in the stage where it stopped, and bad input is one message.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>

#include "lowbit/io/model_folder.hpp"
#include "lowbit/train/recipe/bibert.hpp"
#include "lowbit/train/recipe/binarybert.hpp"
#include "lowbit/train/recipe/bit.hpp"
#include "lowbit/train/recipe/prune.hpp"
#include "support/runtime.hpp"
#include "support/separable_set.hpp"

using namespace lowbit::train;
using train_test::mentions;
namespace fs = std::filesystem;

namespace {

/// With a full precision teacher.
struct stages_set : train_test::separable_set {
  stages_set() : separable_set("stages") {
    auto o = model("teacher", 2, 32, 10);
    o.fit.dropout = o.fit.classifier_dropout = 0.0;
    REQUIRE(finetune(o).ok());
  }

  void start(recipe_options& o, const std::string& out) const {
    fill(o, out, 3);
    o.teacher = path / "teacher";
    o.fit.dropout = o.fit.classifier_dropout = 0.0;
  }
  [[nodiscard]] bit_options student(const std::string& out) const {
    bit_options o;
    start(o, out);
    o.clip_rate = 1e-3;
    return o;
  }
  [[nodiscard]] binarybert_options split(const std::string& out) const {
    binarybert_options o;
    start(o, out);
    o.input_bits = 4;
    return o;
  }
  [[nodiscard]] double accuracy(const std::string& folder) const {
    return results(folder).at("validation_accuracy").get<double>();
  }
  [[nodiscard]] std::string weights(const std::string& folder) const {
    return bytes(folder + "/model.safetensors");
  }
  /// Name of the scheme of a folder, as the trainer reads it back.
  [[nodiscard]] std::string scheme(const std::string& folder) const {
    const auto model = load_model(path / folder, torch::kCPU);
    INFO(model.status().message());
    REQUIRE(model.ok());
    return model->model.how().name();
  }
};

}  // namespace

TEST_CASE("BiT goes from full precision over two bits to one, a folder for each stage") {
  const stages_set t;
  auto o = t.student("bit");
  o.fit.epochs = 8;
  REQUIRE(bit(o).ok());
  CHECK(t.scheme("bit.w1a2") == "bit-w1a2");
  CHECK(t.scheme("bit") == "bit");
  CHECK(t.accuracy("bit.w1a2") >= 0.9);
  CHECK(t.accuracy("bit") >= 0.9);
  const nlohmann::json history = t.results("bit").at("run").at("history");
  REQUIRE(!history.empty());
  double most = 0;
  for (const auto& point : history) {
    const double entropy = point.at("measures").at("attention_entropy").get<double>();
    CHECK(entropy >= 0.0);
    CHECK(entropy <= 1.0);
    most = std::max(most, entropy);
  }
  CHECK(most > 0.1);
  // The runtime runs the last stage and refuses the one on the way, by its field.
  CHECK(lowbit::open_model(t.path / "bit").ok());
  CHECK(mentions(lowbit::open_model(t.path / "bit.w1a2").status(), "input_bits is 2"));

  // The folder holds the best parameters: a loaded model's steps are not set anew.
  auto model = load_model(t.path / "bit", torch::kCPU);
  REQUIRE(model.ok());
  const auto examples =
      tokenize(*read_dataset(t.path / "data"), model->description.labels, model->tokenizer, 16, "");
  REQUIRE(examples.ok());
  CHECK(score(model->model, examples->validation, model->description.labels, torch::kCPU) ==
        t.accuracy("bit"));

  SECTION("the two-bit model teaches a one-bit one") {
    auto other = t.student("other");
    other.teacher = t.path / "bit.w1a2";
    other.schedule = {2, 1};
    other.fit.epochs = 1;
    CHECK(bit(other).ok());
    CHECK(t.scheme("other") == "bit");
    other.schedule = {32, 1};
    other.replace = true;
    CHECK(mentions(bit(other), "2 bits"));
  }
  SECTION("a folder of a stage is not overwritten unasked") {
    fs::remove_all(t.path / "bit");
    CHECK(mentions(bit(o), "bit.w1a2"));
  }
}

TEST_CASE("a run of stages resumes in the stage where it stopped, bit for bit") {
  const stages_set t;
  REQUIRE(bit(t.student("whole")).ok());
  auto parts = t.student("parts");
  parts.fit.stop_after = 12;  // in the second epoch of 8 steps
  REQUIRE(bit(parts).ok());
  CHECK(!fs::exists(t.path / "parts"));
  parts.fit.stop_after = 0;
  parts.fit.resume = true;
  REQUIRE(bit(parts).ok());
  CHECK(t.weights("whole.w1a2") == t.weights("parts.w1a2"));
  CHECK(t.weights("whole") == t.weights("parts"));

  // The first stage is read back, not trained again.
  const auto written = fs::last_write_time(t.path / "parts.w1a2" / "model.safetensors");
  fs::remove_all(t.path / "parts");
  REQUIRE(bit(parts).ok());
  CHECK(t.weights("whole") == t.weights("parts"));
  CHECK(fs::last_write_time(t.path / "parts.w1a2" / "model.safetensors") == written);
  parts.hidden_weight = 0.5;
  CHECK(mentions(bit(parts), "other options"));
}

TEST_CASE("BinaryBERT trains a ternary model of half the width, splits it and trains on") {
  const stages_set t;
  REQUIRE(binarybert(t.split("split")).ok());
  CHECK(t.scheme("split.ternary-layers") == "binarybert_w2a4");
  CHECK(t.scheme("split.ternary") == "binarybert_w2a4");
  CHECK(t.scheme("split.split-layers") == "binarybert_split_w1a4");
  CHECK(t.scheme("split") == "binarybert_split_w1a4");
  CHECK(t.results("split").at("shape").at("attention") == 16);
  CHECK(t.results("split").at("shape").at("intermediate") == 32);
  CHECK(t.accuracy("split") >= 0.9);
  CHECK(lowbit::open_model(t.path / "split")->policy == "binarybert_split_w1a4");
  CHECK(lowbit::open_model(t.path / "split.ternary")->policy == "binarybert_w2a4");

  auto again = t.split("split");
  again.fit.resume = true;
  const std::string weights = t.weights("split");
  fs::remove_all(t.path / "split");
  REQUIRE(binarybert(again).ok());
  CHECK(t.weights("split") == weights);

  auto ternary = t.split("ternary");
  ternary.ternarybert = true, ternary.input_bits = 8, ternary.width = 1.0;
  ternary.fit.epochs = 2;
  REQUIRE(binarybert(ternary).ok());
  CHECK(t.scheme("ternary") == "ternarybert_w2a8");
  CHECK(lowbit::open_model(t.path / "ternary")->policy == "ternarybert_w2a8");

  auto other = t.split("other");
  other.width = 0.3;
  CHECK(mentions(binarybert(other), "width"));
  other.teacher = t.path / "split";
  CHECK(mentions(binarybert(other), "binarybert_split_w1a4"));
}

TEST_CASE("a narrowed teacher with TinyBERT's head has students that the runtime reads") {
  const stages_set t;
  prune_options narrow;
  t.fill(narrow, "narrow", 1);
  narrow.student = t.path / "teacher", narrow.heads = 1, narrow.neurons = 24;
  REQUIRE(prune(narrow).ok());
  nlohmann::json config = t.json("narrow/config.json");
  config["architectures"] = {"TinyBertForSequenceClassification"};
  t.write("narrow/config.json", config.dump());

  auto one = t.student("bit");
  bibert_options two;
  t.start(two, "bibert");
  for (recipe_options* o :
       {static_cast<recipe_options*>(&one), static_cast<recipe_options*>(&two)}) {
    o->teacher = t.path / "narrow", o->fit.epochs = 1;
  }
  REQUIRE(bit(one).ok());
  REQUIRE(bibert(two).ok());
  const std::vector<std::int32_t> ids{2, 7, 9, 11, 8, 3};
  const example same{{ids.begin(), ids.end()}, {0}, {}};
  torch::NoGradGuard no_gradients;
  const auto check = [&](const char* folder, auto policy) {
    INFO(folder);
    CHECK(t.json(std::string(folder) + "/config.json").at("architectures").at(0) ==
          "BertForSequenceClassification");
    const auto source = lowbit::open_model(t.path / folder);
    INFO(source.status().message());
    REQUIRE(source.ok());
    CHECK(source->config.shape.inner() == 16);
    const auto logits = train_test::runtime_logits<decltype(policy)>(*source, ids);
    auto model = load_model(t.path / folder, torch::kCPU);
    REQUIRE(model.ok());
    const Tensor expected = model->model.forward(make_batch({same}, torch::kCPU), {}).logits;
    for (int i = 0; i < 2; ++i) {
      CHECK(std::abs(logits[static_cast<std::size_t>(i)] - expected[0][i].item<float>()) <= 1e-4F);
    }
  };
  check("bit", lowbit::policy::bit{});
  check("bibert", lowbit::policy::bibert{});
}

TEST_CASE("a schedule is falling bits of a teacher and its students") {
  const auto good = parse_schedule("32,4,2,1");
  REQUIRE(good.ok());
  CHECK(*good == std::vector<unsigned>{32, 4, 2, 1});
  CHECK(*parse_schedule("2,1") == std::vector<unsigned>{2, 1});
  const auto refuse = [](const std::string& text, const std::string& why) {
    INFO(text);
    const auto schedule = parse_schedule(text);
    CHECK(!schedule.ok());
    CHECK(mentions(schedule.status(), why));
  };
  refuse("", "found \"\"");
  refuse("32", "one entry");
  refuse("32,", "found \"\"");
  refuse("32,,1", "found \"\"");
  refuse("32,8,1", "found \"8\"");
  refuse("32,2x", "found \"2x\"");
  refuse("32, 1", "found \" 1\"");
  refuse("32,-1", "found \"-1\"");
  refuse("32,2,2", "2 after 2");
  refuse("1,2", "2 after 1");
  refuse("99999999999,1", "found \"99999999999\"");
}
