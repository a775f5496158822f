// SPDX-License-Identifier: Apache-2.0
// Whole recipes on a toy set: they learn it, a resumed run equals an uninterrupted one, folders
// read back what was written, and bad input is one message.
#include "lowbit/train/recipe/recipe.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>

#include "lowbit/io/model_folder.hpp"
#include "lowbit/train/recipe/recipes.hpp"
#include "support/separable_set.hpp"

using namespace lowbit::train;
using train_test::mentions;
namespace fs = std::filesystem;

namespace {

struct recipe_set : train_test::separable_set {
  recipe_set() : separable_set("recipe") {}

  [[nodiscard]] finetune_options options(const std::string& out) const {
    finetune_options o = model(out, 2, 32, 15);
    o.fit.token_dropout = 0.05;
    return o;
  }
  [[nodiscard]] bibert_options student(const std::string& out) const {
    bibert_options o;
    fill(o, out, 15);
    o.teacher = path / "teacher";
    o.fit.dropout = o.fit.classifier_dropout = 0.0;
    return o;
  }
};

}  // namespace

TEST_CASE("a teacher learns a separable toy set and a binary student learns it from the teacher") {
  const recipe_set t;
  REQUIRE(finetune(t.options("teacher")).ok());
  CHECK(t.results("teacher").at("validation_accuracy").get<double>() >= 0.95);
  REQUIRE(bibert(t.student("student")).ok());
  CHECK(t.results("student").at("validation_accuracy").get<double>() >= 0.9);

  const auto config = lowbit::load_config(t.path / "student");
  REQUIRE(config.ok());
  CHECK(config->recognised == lowbit::scheme::bibert);
  const std::vector<std::string> labels{"class 0", "class 1"};
  CHECK(config->labels == labels);
  CHECK(lowbit::load_config(t.path / "teacher")->recognised == lowbit::scheme::fp32);

  // The folder holds the best parameters: reading it back gives the recorded accuracy.
  const auto folder = open_model_folder(t.path / "student");
  REQUIRE(folder.ok());
  bert model(folder->model.shape, std::make_shared<bibert_scheme>());
  REQUIRE(load_parameters(t.path / "student", model.exported()).ok());
  const auto data = read_dataset(t.path / "data");
  const auto examples = tokenize(*data, folder->model.labels, folder->tokenizer, 16, "data");
  REQUIRE(examples.ok());
  CHECK(score(model, examples->validation, folder->model.labels, torch::kCPU) ==
        t.results("student").at("validation_accuracy").get<double>());

  // The naive baseline trains too, and no BiBERT runtime takes it for BiBERT.
  auto naive = t.student("naive");
  naive.objective.direction_matching = false;
  naive.fit.epochs = 2;
  naive.softmax_binarized = true;
  REQUIRE(bibert(naive).ok());
  CHECK(!lowbit::load_config(t.path / "naive").ok());

  SECTION("a teacher of other labels is refused") {
    std::ofstream(t.path / "other.tsv") << "a\tx\nb\ty\n";
    auto other = t.student("other");
    other.data = t.path / "other.tsv";
    CHECK(mentions(bibert(other), "label \"x\""));
  }
  SECTION("a packed folder is refused as what it is") {
    auto other = t.student("other");
    other.teacher = t.path / "packed";
    const auto model = lowbit::open_model(t.path / "teacher", {"int8", {}, {}});
    REQUIRE(model.ok());
    REQUIRE(lowbit::save_packed(*model, other.teacher, t.path / "teacher").ok());
    CHECK(mentions(bibert(other), "a packed model"));
  }
  SECTION("a binary teacher is refused") {
    auto other = t.student("other");
    other.teacher = t.path / "student";
    CHECK(mentions(bibert(other), "bibert"));
  }
  SECTION("a student of another shape is refused") {
    auto narrow = t.options("narrow");
    narrow.shape.hidden = 16;
    narrow.fit.epochs = 1;
    REQUIRE(finetune(narrow).ok());
    auto other = t.student("other");
    other.student = t.path / "narrow";
    CHECK(mentions(bibert(other), "hidden_size is 16"));
  }
}

TEST_CASE("a resumed run equals the uninterrupted run, bit for bit") {
  const recipe_set t;
  auto whole = t.options("whole");
  whole.fit.epochs = 6;
  REQUIRE(finetune(whole).ok());
  auto parts = t.options("parts");
  parts.fit.epochs = 6;
  parts.fit.stop_after = 18;  // in the third epoch of 8 steps
  REQUIRE(finetune(parts).ok());
  parts.fit.stop_after = 0;
  parts.fit.resume = true;
  auto changed = parts;
  changed.fit.optimizer.learning_rate = 2e-3;
  CHECK(mentions(finetune(changed), "other options"));
  changed = parts;  // as many examples, another one of them
  fs::copy(t.path / "data", t.path / "data2");
  std::string text = t.bytes("data/train.tsv");
  text.replace(text.find("class 0"), 7, "class 1");
  std::ofstream(t.path / "data2" / "train.tsv") << text;
  changed.data = t.path / "data2";
  CHECK(mentions(finetune(changed), "other options"));
  changed = parts, changed.fit.optimizer.learning_rate = 1e-3 + 1e-9;
  CHECK(mentions(finetune(changed), "other options"));
  changed = parts, changed.fit.resume = false;
  CHECK(mentions(finetune(changed), "parts: exists"));
  fs::remove_all(t.path / "parts");
  CHECK(mentions(finetune(changed), "parts.checkpoint: exists"));
  REQUIRE(finetune(parts).ok());
  CHECK(t.bytes("whole/model.safetensors") == t.bytes("parts/model.safetensors"));
  for (const char* what : {"history", "scores"}) {
    CHECK(t.results("whole").at("run").at(what) == t.results("parts").at("run").at(what));
  }
  CHECK(!fs::exists(t.path / "parts.checkpoint"));  // finished
}

TEST_CASE("logits do not depend on padding, nor on computing [CLS] alone in the last layer") {
  torch::manual_seed(3);
  lowbit::model_shape shape;
  shape.layers = 2, shape.hidden = 32, shape.heads = 4, shape.intermediate = 48;
  shape.vocabulary = 20, shape.positions = 8, shape.labels = 3;
  const std::vector<example> data{{{2, 7, 8, 9, 3}, {1}, {}}, {{2, 9, 3}, {0}, {}}};
  const batch both = make_batch(data, {0, 1}, torch::kCPU);
  const batch alone = make_batch(data, {1}, torch::kCPU);
  const auto check = [&](const scheme_ptr& how) {
    bert model(shape, how);
    torch::NoGradGuard no_gradients;
    const Tensor logits = model.forward(both, {}).logits;
    CHECK(at::allclose(logits[1], model.forward(alone, {}).logits[0], 1e-4, 1e-6));
    CHECK(at::allclose(logits, model.forward(both, {.logits_only = true}).logits, 1e-4, 1e-6));
  };
  check(std::make_shared<float_scheme>());
  check(std::make_shared<bibert_scheme>());
  check(std::make_shared<softmax_binarized_scheme>());
}

TEST_CASE("every parameter that the scheme uses gets a gradient") {
  torch::manual_seed(4);
  lowbit::model_shape shape;
  shape.layers = 1, shape.hidden = 16, shape.heads = 2, shape.intermediate = 24;
  shape.vocabulary = 12, shape.positions = 6, shape.labels = 3;
  const std::vector<example> data{{{2, 7, 8, 9, 3}, {1}, {}}, {{2, 9, 10, 7, 3}, {0}, {}}};
  const batch in = make_batch(data, {0, 1}, torch::kCPU);
  bert model(shape, std::make_shared<bibert_scheme>());
  at::cross_entropy_loss(model.forward(in, {}).logits, in.labels).backward();
  for (const auto& [name, parameter] : model.parameters()) {
    INFO(name);
    CHECK(parameter.grad().defined());
    CHECK(parameter.grad().abs().sum().item<double>() > 0);
  }
}

TEST_CASE("a loss that is not finite stops the run, names the step and keeps the checkpoint") {
  const recipe_set t;
  const auto folder_options = t.options("x");
  auto o = folder_options.fit;
  o.epochs = 3;
  o.checkpoint = t.path / "x.checkpoint";
  const auto data = read_dataset(t.path / "data");
  const auto tokenizer = lowbit::wordpiece_tokenizer::load(t.path / "vocab.txt");
  auto shape = folder_options.shape;
  shape.vocabulary = tokenizer->vocabulary_size(), shape.labels = 2;
  const auto examples = tokenize(*data, label_names(data->train), *tokenizer, 16, "data");
  bert model(shape, std::make_shared<float_scheme>());
  int calls = 0;
  fit_job job;
  job.parameters = trained(model.parameters());
  job.loss = [&](const batch& in, const step_info&) {
    const trace out = model.forward(in, training_forward(o, true));
    const Tensor loss = at::cross_entropy_loss(out.logits, out.targets);
    return ++calls == 12 ? loss * std::numeric_limits<double>::quiet_NaN() : loss;
  };
  const auto outcome = fit(job, examples->train, o, "test", torch::kCPU);
  CHECK(mentions(outcome.status(), "step 11"));  // 0-based, in the second epoch of 8 steps
  CHECK(mentions(outcome.status(), "epoch 2"));
  CHECK(fs::exists(o.checkpoint));
}

TEST_CASE("a parameter that the last step made infinite is not kept, and the step is named") {
  const recipe_set t;
  REQUIRE(finetune(t.options("x")).ok());
  auto loaded = load_model(t.path / "x", torch::kCPU);
  REQUIRE(loaded.ok());
  const auto examples = data_for(t.options("x"), loaded->description, loaded->tokenizer, "x");
  fit_options o = t.options("x").fit;
  o.epochs = 1, o.checkpoint = t.path / "y.checkpoint";
  fit_job job;
  job.parameters = trained(loaded->model.parameters());
  job.loss = [&](const batch& in, const step_info&) {
    const trace out = loaded->model.forward(in, training_forward(o, true));
    return at::cross_entropy_loss(out.logits, out.targets);
  };
  job.after_step = [&](const step_info& info) {
    torch::NoGradGuard no_gradients;
    if (info.step + 1 == info.total) job.parameters[3].tensor[0].fill_(INFINITY);
  };
  bool written = false;
  job.improved = [&](const run_state&) {
    written = true;
    return lowbit::status{};
  };
  const auto outcome = fit(job, examples->train, o, "test", torch::kCPU);
  CHECK(mentions(outcome.status(), "a parameter is not finite at step 8"));
  CHECK(!written);
  CHECK(!fs::exists(o.checkpoint));
}

TEST_CASE("a tokenizer that keeps capitals goes on in what is trained from its folder") {
  const recipe_set t;
  auto o = t.options("uncased");
  o.fit.epochs = 1;
  REQUIRE(finetune(o).ok());
  fs::rename(t.path / "uncased", t.path / "cased");
  const std::string cased = "{\"do_lower_case\": false}\n";
  std::ofstream(t.path / "cased" / "tokenizer_config.json") << cased;
  o.student = t.path / "cased", o.out = t.path / "out";
  REQUIRE(finetune(o).ok());
  CHECK(t.bytes("out/tokenizer_config.json") == cased);
  CHECK(t.bytes("out/vocab.txt") == t.bytes("vocab.txt"));
  CHECK(!lowbit::wordpiece_tokenizer::load(o.out)->normalizer().lower_case);
  auto student = t.student("student");
  student.teacher = o.out, student.fit.epochs = 1;
  REQUIRE(bibert(student).ok());
  CHECK(t.bytes("student/tokenizer_config.json") == cased);
}

TEST_CASE("what could not be written at the end is said at the start") {
  const recipe_set t;
  auto o = t.options("none/out");
  CHECK(finetune(o).code() == lowbit::errc::not_found);
  o = t.options("out");
  o.packed = t.path / "data";
  CHECK(mentions(finetune(o), "exists"));
  o.replace = true;  // of data, no older model folder
  CHECK(mentions(finetune(o), "holds no config.json"));
  o.packed = t.path / "x" / ".." / "out";
  CHECK(mentions(finetune(o), "float weights"));
  o.packed.clear(), o.out = t.path / "data";
  CHECK(mentions(finetune(o), "holds no config.json"));
  CHECK(fs::exists(t.path / "data" / "train.tsv"));
  o.out = t.path / "out", o.test = true;  // the set has none
  CHECK(mentions(finetune(o), "no test split"));
  CHECK(!fs::exists(o.out));
}

TEST_CASE("a missing file, vocabulary or teacher is one message") {
  const recipe_set t;
  auto o = t.options("out");
  o.data = t.path / "nothing.tsv";
  CHECK(finetune(o).code() == lowbit::errc::not_found);
  o = t.options("out");
  o.vocab = t.path / "nothing.txt";
  CHECK(!finetune(o).ok());
  o = t.options("out");
  o.max_length = 17;
  CHECK(mentions(finetune(o), "positions"));
  o = t.options("out");
  o.shape.heads = 3;
  CHECK(mentions(finetune(o), "num_attention_heads"));
  CHECK(bibert(t.student("out")).code() == lowbit::errc::not_found);
  CHECK(!fs::exists(t.path / "out"));
  fs::create_directories(t.path / "out");
  CHECK(mentions(finetune(t.options("out")), "exists"));
}
