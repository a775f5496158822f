// SPDX-License-Identifier: Apache-2.0
// Students of another shape than their teacher on a toy set: they learn it, both stages of a task
// resume bit for bit, a general stage leaves an encoder to start from, and models that do not fit
// each other are one message.
#include "lowbit/train/recipe/distill.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>

#include "lowbit/io/model_folder.hpp"
#include "support/separable_set.hpp"

using namespace lowbit::train;
using train_test::mentions;
namespace fs = std::filesystem;

namespace {

/// With a teacher of 3 layers that knows the classes.
struct distill_set : train_test::separable_set {
  distill_set() : separable_set("distill") { REQUIRE(finetune(teacher("teacher", 3)).ok()); }

  [[nodiscard]] finetune_options teacher(const std::string& out, std::size_t layers) const {
    finetune_options o = model(out, layers, 32, 12);
    o.fit.token_dropout = 0.05;
    return o;
  }
  /// A student of 2 layers, half as wide.
  [[nodiscard]] distill_options student(const std::string& out) const {
    distill_options o;
    fill(o, out, 10);
    o.teacher = path / "teacher";
    o.built.extents.layers = 2, o.built.extents.hidden = 16, o.built.extents.intermediate = 32;
    o.fit.optimizer.learning_rate = 2e-3;
    o.objective = distillation_objective::tinybert;
    o.layer_epochs = 8, o.layer_rate = 2e-3;
    return o;
  }
};

double first_loss(const nlohmann::json& run) { return run.at("history").at(0).at("loss"); }
double last_loss(const nlohmann::json& run) { return run.at("history").back().at("loss"); }

}  // namespace

TEST_CASE("students of another width and depth learn a toy set from their teacher") {
  const distill_set t;
  auto o = t.student("tinybert");
  o.built.relu_before_classifier = true;
  REQUIRE(distill(o).ok());
  const auto r = t.results("tinybert");
  CHECK(r.at("validation_accuracy").get<double>() >= 0.9);
  CHECK(r.at("layer_map") == nlohmann::json({0, 1, 3}));
  CHECK(last_loss(r.at("stage_1")) < 0.5 * first_loss(r.at("stage_1")));
  for (const char* term : {"attention", "hidden", "embedding"}) {
    CHECK(r.at("stage_1").at("history").at(0).at("measures").contains(term));
  }
  const auto config = lowbit::load_config(t.path / "tinybert");
  REQUIRE(config.ok());
  CHECK(config->shape.pooler_act == lowbit::pooler_activation::tanh_relu);
  CHECK(config->shape.hidden == 16);
  CHECK(config->shape.layers == 2);
  CHECK(lowbit::open_model(t.path / "tinybert").ok());
  for (const char* left : {"tinybert.checkpoint", "tinybert.stage1.checkpoint"}) {
    CHECK(!fs::exists(t.path / left));
  }

  o = t.student("logits");
  o.objective = distillation_objective::logits;
  o.built.extents.layers = 4, o.built.extents.heads = 4;  // deeper, and other heads
  REQUIRE(distill(o).ok());
  CHECK(t.results("logits").at("validation_accuracy").get<double>() >= 0.9);

  SECTION("without the prediction term the second stage learns the labels") {
    o = t.student("labels");
    o.terms.prediction = false;
    o.layer_epochs = 0;
    REQUIRE(distill(o).ok());
    CHECK(t.results("labels").at("validation_accuracy").get<double>() >= 0.9);
    CHECK(!t.results("labels").contains("stage_1"));
  }
  SECTION("heads must agree for the attention term, and for it alone") {
    o = t.student("heads");
    o.built.extents.heads = 4;
    o.fit.epochs = o.layer_epochs = 1;
    CHECK(mentions(distill(o), "4 heads, expected the 2"));
    o.terms.attention = false;
    CHECK(distill(o).ok());
  }
  SECTION("options and models that do not fit are refused before anything is written") {
    const auto refused = [&](auto change, const char* because) {
      auto changed = t.student("refused");
      change(changed);
      INFO(because);
      CHECK(mentions(distill(changed), because));
      CHECK(!fs::exists(changed.out));
    };
    refused([](auto& c) { c.terms = {false, false, false, true}; }, "at least one");
    refused([](auto& c) { c.built.extents.layers = 4; }, "at most the 3");
    refused([](auto& c) { c.map = "1,2,3"; }, "one for each");
    refused([](auto& c) { c.built.extents.hidden = 15; }, "num_attention_heads");
    refused([](auto& c) { c.built.start = student_start::first_layers; }, "width 16");
    refused([&](auto& c) { c.max_length = 17; }, "positions");
    refused(
        [](auto& c) {
          c.objective = distillation_objective::logits;
          c.stage = tinybert_stage::general;
        },
        "objective tinybert");
    refused(
        [&](auto& c) {
          c.student = t.path / "tinybert";
          c.built.start = student_start::mapped_layers;
        },
        "not from both");
    REQUIRE(make_vocabulary({t.path / "data", t.path / "other.txt", 60, false}).ok());
    auto other = t.teacher("other", 1);
    other.vocab = t.path / "other.txt", other.fit.epochs = 1;
    REQUIRE(finetune(other).ok());
    refused([&](auto& c) { c.student = t.path / "other"; }, "tokens are not");
  }
}

TEST_CASE("both stages of a task resume bit for bit") {
  const distill_set t;
  auto whole = t.student("whole");
  whole.layer_epochs = 3, whole.fit.epochs = 3;  // 8 steps each
  REQUIRE(distill(whole).ok());
  auto parts = t.student("parts");
  parts.layer_epochs = 3, parts.fit.epochs = 3;
  for (const std::int64_t stop : {11, 24, 35, 48}) {  // in, at the end of, and in the next stage
    parts.fit.stop_after = stop;
    REQUIRE(distill(parts).ok());
    CHECK(fs::exists(t.path / "parts.stage1.checkpoint"));
    CHECK(fs::exists(t.path / "parts.checkpoint") == (stop > 24));
    parts.fit.resume = true;
  }
  auto changed = parts;
  changed.terms.embedding = false;
  CHECK(mentions(distill(changed), "other options"));
  auto twin = t.teacher("twin", 3);  // of the teacher's shape
  twin.fit.seed = 7, twin.fit.epochs = 1;
  REQUIRE(finetune(twin).ok());
  changed = parts, changed.teacher = t.path / "twin";
  CHECK(mentions(distill(changed), "other options"));
  parts.fit.stop_after = 0;
  REQUIRE(distill(parts).ok());
  CHECK(t.bytes("whole/model.safetensors") == t.bytes("parts/model.safetensors"));
  CHECK(t.results("whole").at("stage_1").at("history") ==
        t.results("parts").at("stage_1").at("history"));
  CHECK(t.results("whole").at("run").at("history") == t.results("parts").at("run").at("history"));
  CHECK(!fs::exists(t.path / "parts.stage1.checkpoint"));
  const auto written = fs::last_write_time(t.path / "parts" / "model.safetensors");
  CHECK(distill(parts).ok());  // finished: nothing to do
  CHECK(fs::last_write_time(t.path / "parts" / "model.safetensors") == written);

  // A new run does not end in the second stage of an older one.
  parts.fit.resume = false, parts.replace = true, parts.fit.stop_after = 35;
  REQUIRE(distill(parts).ok());
  parts.fit.stop_after = 11;
  REQUIRE(distill(parts).ok());
  CHECK(!fs::exists(t.path / "parts.checkpoint"));
}

TEST_CASE("the terms of the first stage do not depend on how a batch is cut") {
  const distill_set t;
  auto whole = t.student("whole"), pieces = t.student("pieces");
  for (auto* o : {&whole, &pieces}) {
    o->layer_epochs = 1, o->fit.epochs = 1, o->fit.type = precision::f32;
    o->fit.dropout = o->fit.classifier_dropout = 0.0;
    o->fit.batch_size = 20;  // sentences of several lengths
  }
  pieces.fit.accumulate = 5;
  REQUIRE(distill(whole).ok());
  REQUIRE(distill(pieces).ok());
  const auto a = t.results("whole").at("stage_1").at("history");
  const auto b = t.results("pieces").at("stage_1").at("history");
  REQUIRE(a.size() == 3);
  REQUIRE(b.size() == a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (const char* term : {"attention", "hidden", "embedding"}) {
      CHECK(b[i].at("measures").at(term).get<double>() ==
            Catch::Approx(a[i].at("measures").at(term).get<double>()).epsilon(1e-4));
    }
  }
}

TEST_CASE("the general stage needs text alone and leaves an encoder that a task starts from") {
  const distill_set t;
  std::ofstream(t.path / "text.txt") << "start the thing\n\nclose my own thing now\nplease stop\n";
  auto o = t.student("general");
  o.stage = tinybert_stage::general;
  o.data = t.path / "text.txt";
  o.fit.epochs = 30;
  REQUIRE(distill(o).ok());
  const auto r = t.results("general");
  CHECK(r.at("examples").at("train") == 3);
  CHECK(last_loss(r.at("run")) < 0.5 * first_loss(r.at("run")));
  const auto folder = open_model_folder(t.path / "general");
  REQUIRE(folder.ok());
  CHECK(folder->model.shape.head == lowbit::head_kind::mean_embedding);
  CHECK(lowbit::open_model(t.path / "general").ok());  // with fit_dense.* in it
  const auto tensors = lowbit::checkpoint_tensors::open(t.path / "general");
  REQUIRE(tensors.ok());
  CHECK(tensors->find("fit_dense.weight") != nullptr);
  CHECK(tensors->find("classifier.weight") == nullptr);

  // The first stage of a task goes on where the general stage stopped.
  auto task = t.student("task");
  task.student = t.path / "general";
  task.fit.epochs = task.layer_epochs = 1;
  REQUIRE(distill(task).ok());
  CHECK(t.results("task").at("stage_1").at("history").at(0).at("loss").get<double>() <
        0.7 * first_loss(r.at("run")));
  CHECK(t.results("task").at("start") == "folder");

  SECTION("the texts of a data set do as well") {
    o.data = t.path / "data", o.out = t.path / "texts", o.fit.epochs = 1;
    REQUIRE(distill(o).ok());
    CHECK(t.results("texts").at("examples").at("train") == 60);
  }
  SECTION("a line longer than the positions goes on in the next example") {
    std::string line = "start";
    for (int i = 0; i < 20; ++i) line += " please";  // 16 positions hold 14 words
    o.data = t.write("long.txt", line + "\n"), o.out = t.path / "long", o.fit.epochs = 1;
    REQUIRE(distill(o).ok());
    CHECK(t.results("long").at("examples").at("train") == 2);
  }
  SECTION("a file without text is refused") {
    std::ofstream(t.path / "empty.txt") << "\n \n";
    o.data = t.path / "empty.txt", o.out = t.path / "empty";
    CHECK(mentions(distill(o), "no text"));
  }
  SECTION("an encoder without a head teaches no task") {
    task.student.clear(), task.out = t.path / "headless", task.teacher = t.path / "general";
    CHECK(mentions(distill(task), "expected a classifier"));
  }
}

TEST_CASE("a student starts from the teacher's first or mapped layers where shapes agree") {
  torch::manual_seed(5);
  lowbit::model_shape shape;
  shape.layers = 4, shape.hidden = 16, shape.heads = 2, shape.intermediate = 24;
  shape.vocabulary = 12, shape.positions = 6, shape.labels = 3;
  const scheme_ptr how = std::make_shared<float_scheme>();
  bert teacher(shape, how);
  const auto find = [](bert& model, const std::string& name) {
    for (const auto& [found, tensor] : model.exported()) {
      if (found == name) return tensor;
    }
    return Tensor();
  };
  const auto layer = [](std::size_t i, const char* name) {
    return "bert.encoder.layer." + std::to_string(i) + "." + name;
  };
  for (const auto start : {student_start::first_layers, student_start::mapped_layers}) {
    student_options o;
    o.extents.layers = 2, o.extents.intermediate = 8, o.start = start;
    const auto plan = plan_student(o, {}, {shape, {"a", "b", "c"}, {}}, *how);
    REQUIRE(plan.ok());
    auto student = make_student(o, {}, *plan, {0, 2, 4}, teacher, torch::kCPU);
    REQUIRE(student.ok());
    for (std::size_t m = 0; m < 2; ++m) {
      const std::size_t from = start == student_start::first_layers ? m : 2 * m + 1;
      for (const char* name :
           {"attention.self.query.weight", "attention.output.LayerNorm.weight"}) {
        CHECK(at::equal(find(*student, layer(m, name)), find(teacher, layer(from, name))));
      }
      CHECK(find(*student, layer(m, "intermediate.dense.weight")).size(0) == 8);
    }
    for (const char* name : {"bert.embeddings.word_embeddings.weight", "classifier.weight"}) {
      CHECK(at::equal(find(*student, name), find(teacher, name)));
      CHECK(!find(*student, name).is_same(find(teacher, name)));  // a copy of its own
    }
  }
}
