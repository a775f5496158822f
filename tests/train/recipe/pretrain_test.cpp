// SPDX-License-Identifier: Apache-2.0
// Masked language modelling on a toy text: it learns it, the numbers of results.json are those of
// the folder, a run resumed within an epoch equals the uninterrupted one, and other recipes start
// from the result. And what any run keeps when the disk is full or it is asked to stop.
#include "lowbit/train/recipe/pretrain.hpp"

#include <sys/resource.h>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <csignal>
#include <fstream>
#include <string>

#include "lowbit/train/loop/interrupt.hpp"
#include "lowbit/train/recipe/finetune.hpp"
#include "support/scratch.hpp"

using namespace lowbit::train;
using train_test::mentions;
namespace fs = std::filesystem;

namespace {

/// Sentences in which every word says what the others are, but for a filler.
struct telling_text : train_test::scratch_folder {
  telling_text() : scratch_folder("pretrain") {
    const char* kinds[] = {"red hot big sun", "blue cold small moon", "green wet old tree"};
    const char* fillers[] = {"one", "two", "three", "four", "five", "six", "seven", "eight"};
    std::ofstream text(path / "text"), labelled(path / "labelled.tsv");
    for (std::size_t i = 0; i < 96; ++i) {
      const std::string line =
          std::string(kinds[i % 3]) + " " + fillers[i / 3 % 8] + " " + fillers[i / 12 % 8];
      text << line << "\n";
      labelled << line << "\t" << i % 3 << "\n";
    }
    text << "\n";  // no sentence
    text.close(), labelled.close();
    REQUIRE(make_vocabulary({path / "text", path / "vocab.txt", 90, false}).ok());
  }

  [[nodiscard]] pretrain_options options(const std::string& out, std::int64_t epochs) const {
    pretrain_options o;
    o.data = path / "text", o.out = path / out, o.vocab = path / "vocab.txt";
    o.shape.layers = 1, o.shape.hidden = 32, o.shape.heads = 2, o.shape.intermediate = 48;
    o.shape.positions = 32;
    o.held_out = 0.2;
    o.fit.epochs = epochs, o.fit.batch_size = 8, o.fit.optimizer.learning_rate = 3e-3;
    o.fit.type = precision::f32;
    return o;
  }
  [[nodiscard]] std::size_t hidden_leftovers() const {
    std::size_t n = 0;
    for (const auto& entry : fs::directory_iterator(path)) {
      n += entry.path().filename().native().starts_with(".");
    }
    return n;
  }
};

}  // namespace

TEST_CASE("a masked language model learns what words imply, and its folder gives its numbers") {
  const telling_text t;
  const auto options = t.options("model", 40);
  REQUIRE(pretrain(options).ok());
  const auto results = t.results("model");
  // A third of the words are fillers, which nothing implies.
  CHECK(results.at("validation_masked_accuracy").get<double>() >= 0.4);
  CHECK(results.at("finished").get<bool>());
  CHECK(t.bytes("model/curves.svg").find("masked accuracy") != std::string::npos);

  const auto folder = open_model_folder(t.path / "model");
  REQUIRE(folder.ok());
  CHECK(folder->model.shape.head == lowbit::head_kind::masked_lm);
  bert model(folder->model.shape, std::make_shared<float_scheme>());
  REQUIRE(load_parameters(t.path / "model", model.exported()).ok());
  const auto vocabulary = masking_vocabulary_of(folder->tokenizer, "vocab.txt");
  const auto lines = read_sentences(t.path / "text");
  const auto data = masked_dataset(*lines, 0.2, folder->tokenizer, 32, mask_tokens(*vocabulary, {}),
                                   options.fit.seed, "text");
  REQUIRE(data.ok());
  double loss = 0, right = 0, asked = 0;
  for (const example& e : data->validation) {
    torch::NoGradGuard no_gradients;
    const Tensor logits = model.forward(make_batch({e}, torch::kCPU), {}).logits.to(at::kDouble);
    std::int64_t row = 0;
    for (const std::int64_t label : e.labels) {
      if (label == ignored_label) continue;
      const auto values = logits[row++];
      double sum = 0;
      for (std::int64_t v = 0; v < values.size(0); ++v) sum += std::exp(values[v].item<double>());
      loss += std::log(sum) - values[label].item<double>();
      right += values.argmax().item<std::int64_t>() == label;
      ++asked;
    }
  }
  CHECK(results.at("validation_loss").get<double>() == Catch::Approx(loss / asked).epsilon(1e-4));
  CHECK(results.at("validation_perplexity").get<double>() ==
        Catch::Approx(std::exp(loss / asked)).epsilon(1e-4));
  CHECK(results.at("validation_masked_accuracy").get<double>() == Catch::Approx(right / asked));

  SECTION("its encoder is what finetune starts from") {
    finetune_options o;
    o.data = t.path / "labelled.tsv", o.out = t.path / "classifier", o.student = t.path / "model";
    o.fit.epochs = 1, o.fit.optimizer.learning_rate = 1e-9, o.fit.warmup = 0.0;
    REQUIRE(finetune(o).ok());
    // With such a rate nothing moves: the encoder is the pre-trained one.
    bert tuned(lowbit::load_config(o.out)->shape, std::make_shared<float_scheme>());
    CHECK(t.results("classifier").at("start") == "folder");
    REQUIRE(load_encoder(o.out, tuned).ok());
    const auto expected = model.parameters(), found = tuned.parameters();
    for (std::size_t i = 0; expected[i].first.starts_with("bert.e"); ++i) {
      INFO(expected[i].first);
      REQUIRE(found[i].first == expected[i].first);
      CHECK(at::allclose(found[i].second, expected[i].second, 0.0, 1e-6));
    }
  }
  SECTION("it goes on from a folder with that folder's vocabulary") {
    auto o = t.options("more", 1);
    o.vocab.clear(), o.student = t.path / "model";
    o.fit.optimizer.learning_rate = 1e-9;
    REQUIRE(pretrain(o).ok());
    CHECK(t.results("more").at("validation_loss").get<double>() ==
          Catch::Approx(loss / asked).epsilon(1e-3));
  }
}

TEST_CASE("pre-training resumed within an epoch equals the uninterrupted run, bit for bit") {
  const telling_text t;
  REQUIRE(pretrain(t.options("whole", 3)).ok());
  auto parts = t.options("parts", 3);
  parts.fit.stop_after = 14;  // of 10 steps an epoch
  REQUIRE(pretrain(parts).ok());
  parts.fit.stop_after = 0, parts.fit.resume = true;
  auto other = parts;
  other.masking.whole_words = true;
  CHECK(mentions(pretrain(other), "other options"));
  REQUIRE(pretrain(parts).ok());
  CHECK(t.bytes("whole/model.safetensors") == t.bytes("parts/model.safetensors"));
  CHECK(t.bytes("whole/curves.svg") == t.bytes("parts/curves.svg"));
}

TEST_CASE("a batch computed in pieces is the same step, its measures included") {
  const telling_text t;
  auto whole = t.options("whole", 2), pieces = t.options("pieces", 2);
  whole.fit.dropout = pieces.fit.dropout = 0.0;
  pieces.fit.accumulate = 3;
  REQUIRE(pretrain(whole).ok());
  REQUIRE(pretrain(pieces).ok());
  const auto a = t.results("whole").at("run").at("history");
  const auto b = t.results("pieces").at("run").at("history");
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(b[i].at("loss").get<double>() ==
          Catch::Approx(a[i].at("loss").get<double>()).epsilon(1e-3));
    CHECK(b[i].at("measures").at("masked accuracy").get<double>() ==
          Catch::Approx(a[i].at("measures").at("masked accuracy").get<double>()).margin(0.13));
  }
}

TEST_CASE("a run that is asked to stop finishes its step, says how to go on, and can") {
  const telling_text t;
  REQUIRE(pretrain(t.options("whole", 3)).ok());
  for (const int after : {3, 10}) {  // within an epoch, at its end
    const std::string name = "parts" + std::to_string(after);
    auto parts = t.options(name, 3);
    int steps = 0;
    parts.fit.stop_asked = [&steps, after] { return ++steps == after; };
    const auto outcome = pretrain(parts);
    CHECK(mentions(outcome, "after step " + std::to_string(after) + " of 30"));
    CHECK(mentions(outcome, "--resume"));
    CHECK(mentions(outcome, name + ".checkpoint"));
    parts.fit.stop_asked = {}, parts.fit.resume = true;
    REQUIRE(pretrain(parts).ok());
    CHECK(t.bytes("whole/model.safetensors") == t.bytes(name + "/model.safetensors"));
  }
  auto last = t.options("last", 1);
  int steps = 0;
  last.fit.stop_asked = [&steps] { return ++steps == 10; };
  CHECK(pretrain(last).ok());  // there was nothing left to do
}

TEST_CASE("SIGTERM is remembered once and asks a run to stop") {
  CHECK(!interrupted());
  catch_interrupts();
  REQUIRE(std::raise(SIGTERM) == 0);
  CHECK(interrupted());
  struct sigaction now = {};
  sigaction(SIGTERM, nullptr, &now);
  CHECK(now.sa_handler == SIG_DFL);  // a second one ends the process
  lowbit::train::detail::caught_signal = 0;
  std::signal(SIGINT, SIG_DFL);
}

TEST_CASE("a full disk ends a run with the file's name; checkpoint and folder from before stay") {
  const telling_text t;
  auto o = t.options("model", 3);
  o.fit.stop_after = 14;
  REQUIRE(pretrain(o).ok());
  const std::string folder = t.bytes("model/model.safetensors");
  const std::string checkpoint = t.bytes("model.checkpoint");
  REQUIRE(!folder.empty());
  REQUIRE(!checkpoint.empty());

  // Files of 20 kB at most: neither a folder nor a checkpoint fits.
  o.fit.stop_after = 0, o.fit.resume = true;
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit full{20000, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &full) == 0);
  const auto outcome = pretrain(o);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(outcome.code() == lowbit::errc::io_error);
  CHECK((mentions(outcome, "model.safetensors") || mentions(outcome, "model.checkpoint")));
  CHECK(t.bytes("model/model.safetensors") == folder);
  CHECK(t.bytes("model.checkpoint") == checkpoint);
  CHECK(t.hidden_leftovers() == 0);

  // A checkpoint within an epoch that does not fit.
  auto inside = o;
  inside.fit.checkpoint_seconds = 1e-9;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &full) == 0);
  const auto second = pretrain(inside);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(mentions(second, "model.checkpoint"));
  CHECK(mentions(second, "--resume"));
  CHECK(t.bytes("model.checkpoint") == checkpoint);
  CHECK(t.hidden_leftovers() == 0);

  REQUIRE(pretrain(o).ok());  // with room again
  REQUIRE(pretrain(t.options("whole", 3)).ok());
  CHECK(t.bytes("whole/model.safetensors") == t.bytes("model/model.safetensors"));
}

TEST_CASE("bad input to pre-training is one message") {
  const telling_text t;
  auto o = t.options("out", 1);
  o.data = t.path / "nothing";
  CHECK(pretrain(o).code() == lowbit::errc::not_found);
  o = t.options("out", 1);
  std::ofstream(t.path / "empty") << "\n\n";
  o.data = t.path / "empty";
  CHECK(mentions(pretrain(o), "empty"));
  o = t.options("out", 1);
  o.max_length = 33;
  CHECK(mentions(pretrain(o), "positions"));
  o = t.options("out", 1);
  o.student = t.path / "nowhere";
  CHECK(!pretrain(o).ok());
  CHECK(!fs::exists(t.path / "out"));
}
