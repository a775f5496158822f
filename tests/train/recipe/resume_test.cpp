// SPDX-License-Identifier: Apache-2.0
// Runs that end early, go on, or have ended: what stays, what is resumed, what is refused.
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <limits>
#include <string>

#include "lowbit/train/recipe/finetune.hpp"
#include "support/separable_set.hpp"

using namespace lowbit::train;
using train_test::mentions;
using train_test::separable_set;
namespace fs = std::filesystem;

TEST_CASE("a resumed run equals the uninterrupted run, bit for bit") {
  const separable_set t("resume");
  auto whole = t.noisy_model("whole");
  whole.fit.epochs = 6;
  REQUIRE(finetune(whole).ok());
  auto parts = t.noisy_model("parts");
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

TEST_CASE("a loss that is not finite stops the run, names the step and keeps the checkpoint") {
  const separable_set t("resume");
  const auto folder_options = t.noisy_model("x");
  auto o = folder_options.fit;
  o.epochs = 3;
  o.checkpoint = t.path / "x.checkpoint";
  const auto data = read_dataset(t.path / "data");
  const auto tokenizer = lowbit::tokenizer::load(t.path / "vocab.txt");
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
  CHECK(mentions(outcome.status(), "x.checkpoint stays, but --resume would repeat the step"));
  CHECK(fs::exists(o.checkpoint));
}

TEST_CASE("a parameter that the last step made infinite is not kept, and the step is named") {
  const separable_set t("resume");
  REQUIRE(finetune(t.noisy_model("x")).ok());
  auto loaded = load_model(t.path / "x", torch::kCPU);
  REQUIRE(loaded.ok());
  const auto examples = data_for(t.noisy_model("x"), loaded->description, loaded->tokenizer, "x");
  fit_options o = t.noisy_model("x").fit;
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
  CHECK(!mentions(outcome.status(), "stays"));  // there is nothing yet
  CHECK(!written);
  CHECK(!fs::exists(o.checkpoint));
}

TEST_CASE("a run that is finished says so when it is resumed, if it is the same run") {
  const separable_set t("resume");
  auto o = t.noisy_model("out");
  o.fit.epochs = 2;
  REQUIRE(finetune(o).ok());
  const auto written = fs::last_write_time(o.out / "model.safetensors");
  o.fit.resume = true;
  CHECK(finetune(o).ok());
  CHECK(fs::last_write_time(o.out / "model.safetensors") == written);
  auto changed = o;
  changed.label_smoothing = 0.1;
  CHECK(mentions(finetune(changed), "other options or data"));
  std::string text = t.bytes("data/dev.tsv");  // it decides which epoch is best
  text.replace(text.find("class 0"), 7, "class 1");
  t.write("data/dev.tsv", text);
  CHECK(mentions(finetune(o), "other options or data"));
  o.out = t.path / "none";
  CHECK(mentions(finetune(o), "nothing to go on from"));
}
