// SPDX-License-Identifier: Apache-2.0
// Whole recipes on a toy set: they learn it, folders read back what was written, and bad input is
// one message.
#include "lowbit/train/recipe/recipe.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
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
  REQUIRE(finetune(t.noisy_model("teacher")).ok());
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
    auto narrow = t.noisy_model("narrow");
    narrow.shape.hidden = 16;
    narrow.fit.epochs = 1;
    REQUIRE(finetune(narrow).ok());
    auto other = t.student("other");
    other.student = t.path / "narrow";
    CHECK(mentions(bibert(other), "hidden_size is 16"));
  }
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

TEST_CASE("a tokenizer that keeps capitals goes on in what is trained from its folder") {
  const recipe_set t;
  auto o = t.noisy_model("uncased");
  o.fit.epochs = 1;
  REQUIRE(finetune(o).ok());
  fs::rename(t.path / "uncased", t.path / "cased");
  const std::string cased = "{\"do_lower_case\": false}\n";
  std::ofstream(t.path / "cased" / "tokenizer_config.json") << cased;
  o.student = t.path / "cased", o.out = t.path / "out";
  REQUIRE(finetune(o).ok());
  CHECK(t.bytes("out/tokenizer_config.json") == cased);
  CHECK(t.bytes("out/vocab.txt") == t.bytes("vocab.txt"));
  CHECK(!lowbit::tokenizer::load(o.out)->lowers_case());
  auto student = t.student("student");
  student.teacher = o.out, student.fit.epochs = 1;
  REQUIRE(bibert(student).ok());
  CHECK(t.bytes("student/tokenizer_config.json") == cased);
}

TEST_CASE("what could not be written at the end is said at the start") {
  const recipe_set t;
  auto o = t.noisy_model("none/out");
  CHECK(finetune(o).code() == lowbit::errc::not_found);
  o = t.noisy_model("out");
  fs::create_directories(t.path / "other"), t.write("other/text.txt", "my own\n");
  o.packed = t.path / "other";
  CHECK(mentions(finetune(o), "exists"));
  o.replace = true;  // of no older model folder
  CHECK(mentions(finetune(o), "holds \"text.txt\""));
  o.packed = t.path / "x" / ".." / "out";
  CHECK(mentions(finetune(o), "float weights"));
  o.packed.clear(), o.out = t.path / "other";
  CHECK(mentions(finetune(o), "holds \"text.txt\""));
  CHECK(fs::exists(t.path / "other" / "text.txt"));
  o.out = t.path / "out", o.test = true;  // the set has none
  CHECK(mentions(finetune(o), "no test split"));
  CHECK(!fs::exists(o.out));
}

TEST_CASE("a run does not write over what it starts from") {
  const recipe_set t;
  auto o = t.noisy_model("start");
  o.fit.epochs = 1;
  REQUIRE(finetune(o).ok());
  const std::string before = t.bytes("start/model.safetensors");
  auto student = t.student("start/");
  student.teacher = t.path / "start", student.replace = true;
  CHECK(mentions(bibert(student), "is the teacher of this run, too"));
  o.student = t.path / "." / "start", o.replace = true;
  CHECK(mentions(finetune(o), "is the student of this run, too"));
  o.out = t.path / "other", o.packed = t.path / "start";
  CHECK(mentions(finetune(o), "is the student of this run, too"));
  o.packed.clear(), o.out = t.path / "data";
  CHECK(mentions(finetune(o), "is the data of this run, too"));
  CHECK(t.bytes("start/model.safetensors") == before);
}

TEST_CASE("examples that are too long are counted, and a length without room is refused") {
  const recipe_set t;
  auto o = t.noisy_model("out");
  o.max_length = 2;
  CHECK(mentions(finetune(o), "at least 3"));
  const auto tokenizer = lowbit::tokenizer::load(o.vocab);
  REQUIRE(tokenizer.ok());
  const auto data = read_dataset(o.data);
  REQUIRE(data.ok());
  std::size_t longer = 0;  // than three words
  for (const auto* split : {&data->train, &data->validation}) {
    for (const auto& e : *split) longer += tokenizer->encode_plain(e.text)->ids.size() > 3 ? 1 : 0;
  }
  REQUIRE(longer > 0);
  CHECK(tokenize(*data, label_names(data->train), *tokenizer, 5, "data")->cut == longer);
  CHECK(tokenize(*data, label_names(data->train), *tokenizer, 16, "data")->cut == 0);
}

TEST_CASE("a missing file, vocabulary or teacher is one message") {
  const recipe_set t;
  auto o = t.noisy_model("out");
  o.data = t.path / "nothing.tsv";
  CHECK(finetune(o).code() == lowbit::errc::not_found);
  o = t.noisy_model("out");
  o.vocab = t.path / "nothing.txt";
  CHECK(!finetune(o).ok());
  o = t.noisy_model("out");
  o.max_length = 17;
  CHECK(mentions(finetune(o), "positions"));
  o = t.noisy_model("out");
  o.shape.heads = 3;
  CHECK(mentions(finetune(o), "num_attention_heads"));
  CHECK(bibert(t.student("out")).code() == lowbit::errc::not_found);
  CHECK(!fs::exists(t.path / "out"));
  fs::create_directories(t.path / "out");
  CHECK(mentions(finetune(t.noisy_model("out")), "exists"));
}
