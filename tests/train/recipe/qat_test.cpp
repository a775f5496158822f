// SPDX-License-Identifier: Apache-2.0
// Quantization-aware training as a recipe: it repairs what quantizing after training broke, resumes
// bit for bit, and its folder is what was validated.
#include "lowbit/train/recipe/qat.hpp"

#include <catch2/catch_test_macros.hpp>

#include "lowbit/io/model_folder.hpp"
#include "support/runtime.hpp"
#include "support/separable_set.hpp"

using namespace lowbit::train;
using train_test::mentions;
using train_test::separable_set;

namespace {

/// Validation loss and accuracy of a folder's weights under a policy.
struct quality {
  double loss = 0, accuracy = 0;
};
quality measure(const separable_set& t, const std::string& folder, const char* policy) {
  const auto opened = open_model_folder(t.path / folder);
  REQUIRE(opened.ok());
  const auto how = std::make_shared<quantized_scheme>(*lowbit::find_policy(policy));
  bert model(opened->model.shape, how);
  REQUIRE(load_parameters(t.path / folder, model.exported()).ok());
  REQUIRE(how->bind(model).ok());
  const auto data = read_dataset(t.path / "data");
  const auto examples = tokenize(*data, opened->model.labels, opened->tokenizer, 16, "data");
  REQUIRE(examples.ok());
  torch::NoGradGuard no_gradients;
  quality q;
  q.accuracy = score(model, examples->validation, opened->model.labels, torch::kCPU);
  std::vector<std::size_t> all(examples->validation.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const trace out = model.forward(make_batch(examples->validation, all, torch::kCPU), {});
  q.loss = at::cross_entropy_loss(out.logits, out.targets).item<double>();
  return q;
}

qat_options qat_on(const separable_set& t, const std::string& out, const char* policy) {
  qat_options o;
  t.fill(o, out, 6);
  o.fit.dropout = o.fit.classifier_dropout = 0.0;
  o.fit.type = precision::f32;
  o.student = t.path / "fp32", o.policy = policy, o.recluster = 7;
  return o;
}

}  // namespace

TEST_CASE("training with quantized weights repairs what quantization broke") {
  const separable_set t("qat");
  t.train_model("fp32", 2, 32, 12);
  for (const char* policy : {"w2a8", "w1a8", "codebook8"}) {
    INFO(policy);
    const quality before = measure(t, "fp32", policy);
    auto o = qat_on(t, policy, policy);
    if (policy == std::string("w1a8")) o.teacher = t.path / "fp32";
    const auto done = qat(o);
    INFO(done.message());
    REQUIRE(done.ok());
    const quality after = measure(t, policy, policy);
    INFO("loss " << before.loss << " -> " << after.loss);
    CHECK(after.loss < 0.8 * before.loss);
    CHECK(after.accuracy >= before.accuracy);
    // The recorded score is that of the quantized model.
    CHECK(after.accuracy == t.results(policy).at("validation_accuracy").get<double>());
    CHECK(t.results(policy).at("objective").at("teacher").get<bool>() == !o.teacher.empty());
  }

  SECTION("a resumed run equals the uninterrupted one, bit for bit, between two refreshes") {
    const std::int64_t steps = t.results("w2a8").at("run").at("step").get<std::int64_t>();
    REQUIRE(steps % 6 == 0);
    auto whole = qat_on(t, "whole", "codebook8");
    REQUIRE(qat(whole).ok());
    auto parts = qat_on(t, "parts", "codebook8");
    parts.fit.stop_after = 17;  // in the third epoch of 8 steps, 3 after a refresh
    REQUIRE(qat(parts).ok());
    parts.fit.stop_after = 0, parts.fit.resume = true;
    REQUIRE(qat(parts).ok());
    CHECK(t.bytes("whole/model.safetensors") == t.bytes("parts/model.safetensors"));
    CHECK(t.results("whole").at("run").at("history") == t.results("parts").at("run").at("history"));
    auto other = qat_on(t, "other", "codebook8");
    other.recluster = 1000;
    REQUIRE(qat(other).ok());
    CHECK(t.bytes("whole/model.safetensors") != t.bytes("other/model.safetensors"));
  }
  SECTION("bad input is one message") {
    CHECK(mentions(qat(qat_on(t, "x", "int5")), "int5"));
    CHECK(mentions(qat(qat_on(t, "x", "bibert")), "own recipe"));
    auto o = qat_on(t, "x", "int8");
    o.student = t.path / "nothing";
    CHECK(!qat(o).ok());
    o = qat_on(t, "x", "int8");
    o.formats = {{"nothing", "int4"}};
    CHECK(mentions(qat(o), "matches no matrix"));
    std::ofstream(t.path / "other.tsv") << "a\tx\nb\ty\n";
    o = qat_on(t, "x", "int8");
    o.data = t.path / "other.tsv";
    CHECK(mentions(qat(o), "label \"x\""));
    CHECK(!train_test::fs::exists(t.path / "x"));
  }
}

TEST_CASE("q8bert trains ranges of activations that its folder carries to the runtime") {
  const separable_set t("qat-q8bert");
  t.train_model("fp32", 2, 32, 8);
  auto whole = qat_on(t, "whole", "q8bert");
  whole.range_decay = 0.9, whole.fit.accumulate = 2;
  const auto done = qat(whole);
  INFO(done.message());
  REQUIRE(done.ok());
  CHECK(t.results("whole").at("range_decay") == 0.9);
  CHECK(t.json("whole/config.json").at("lowbit_scheme") == "q8bert");

  // What was validated is what the trainer reads back and what the runtime runs.
  auto loaded = load_model(t.path / "whole", torch::kCPU);
  INFO(loaded.status().message());
  REQUIRE(loaded.ok());
  const auto data = tokenize(*read_dataset(t.path / "data"), loaded->description.labels,
                             loaded->tokenizer, 16, "data");
  REQUIRE(data.ok());
  CHECK(score(loaded->model, data->validation, loaded->description.labels, torch::kCPU) ==
        t.results("whole").at("validation_accuracy").get<double>());
  const auto source = lowbit::open_model(t.path / "whole");
  REQUIRE(source.ok());
  CHECK(source->policy == "q8bert");
  const auto d = train_test::compare_with_runtime<lowbit::policy::q8bert>(loaded->model, *source);
  INFO("largest difference " << d.largest << " in " << d.sentences);
  CHECK(d.sentences <= 2U);

  SECTION("a resumed run equals the uninterrupted one, bit for bit, with its ranges") {
    auto parts = whole;
    parts.out = t.path / "parts";
    parts.fit.stop_after = 17;  // in the third epoch of 8 steps
    REQUIRE(qat(parts).ok());
    parts.fit.stop_after = 0, parts.fit.resume = true;
    REQUIRE(qat(parts).ok());
    CHECK(t.bytes("whole/model.safetensors") == t.bytes("parts/model.safetensors"));
    CHECK(t.results("whole").at("run").at("history") == t.results("parts").at("run").at("history"));
    auto slower = whole;
    slower.out = t.path / "slower", slower.range_decay = 0.99;
    REQUIRE(qat(slower).ok());
    CHECK(t.bytes("whole/model.safetensors") != t.bytes("slower/model.safetensors"));
  }
  SECTION("it may teach, and is no full precision model to start from") {
    auto o = qat_on(t, "taught", "int8");
    o.teacher = t.path / "whole", o.fit.epochs = 1;
    CHECK(qat(o).ok());
    o = qat_on(t, "x", "q8bert");
    o.student = t.path / "whole";
    CHECK(mentions(qat(o), "a q8bert model, expected a full precision one"));
  }
  SECTION("bad input is one message") {
    auto o = qat_on(t, "x", "q8bert");
    o.formats = {{"query", "int4"}};
    CHECK(mentions(qat(o), "cannot be overridden"));
    o = qat_on(t, "x", "q8bert");
    o.range_decay = 1.0;
    CHECK(mentions(qat(o), "range decay 1.0"));
    nlohmann::json config = t.json("fp32/config.json");
    config["hidden_act"] = "relu";
    static_cast<void>(t.write("fp32/config.json", config.dump()));
    CHECK(mentions(qat(qat_on(t, "x", "q8bert")), "found relu"));
    CHECK(!train_test::fs::exists(t.path / "x"));
  }
}
