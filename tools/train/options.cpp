// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>

#include "lowbit/io/model_folder.hpp"
#include "lowbit/train/loop/gloo_workers.hpp"
#include "lowbit/train/loop/interrupt.hpp"

namespace lowbit_train {

using lowbit::status;

void add_training_options(CLI::App& verb, train::recipe_options& o) {
  verb.add_option(
          "--data", o.data,
          "CLINC150 .json, .tsv, or folder with train/dev/test (.tsv, or seq.in with label or "
          "seq.out)")
      ->required();
  verb.add_option("--out", o.out, "model folder to write")->required();
  verb.add_flag("--replace", o.replace, "replace an existing --out");
  verb.add_flag("--resume", o.fit.resume, "resume from OUT.checkpoint, with the same options");
  verb.add_flag("--test", o.test, "evaluate on the test split once, at the end");
  verb.add_option("--max-length", o.max_length,
                  "maximum sequence length in tokens (0: all positions)");
  verb.add_option("--seed", o.fit.seed, "random seed")->capture_default_str();
  verb.add_option("--epochs", o.fit.epochs, "training epochs")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  verb.add_option("--batch-size", o.fit.batch_size, "examples per batch")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb.add_option("--accumulate", o.fit.accumulate,
                  "micro-batches per batch (gradient accumulation)")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  verb.add_option("--lr", o.fit.optimizer.learning_rate, "peak learning rate")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb.add_flag("--constant-rate", o.fit.constant_rate,
                "keep the learning rate constant after warm-up");
  verb.add_option("--warmup", o.fit.warmup, "fraction of the steps for learning rate warm-up")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  verb.add_option("--weight-decay", o.fit.optimizer.weight_decay, "decoupled weight decay")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb.add_option("--dropout", o.fit.dropout, "dropout of embeddings, attention and layer outputs")
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
  verb.add_option("--classifier-dropout", o.fit.classifier_dropout, "dropout before the classifier")
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
  verb.add_option("--token-dropout", o.fit.token_dropout,
                  "fraction of tokens to replace with [UNK]")
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
  add_choice(verb, "--precision", o.fit.type,
             {{"f32", train::precision::f32}, {"bf16", train::precision::bf16}},
             "precision of matrix product operands in training steps");
  verb.add_option("--checkpoint-seconds", o.fit.checkpoint_seconds, "seconds between checkpoints")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb.add_option_function<int>(
          "-t,--threads", [](int threads) { at::set_num_threads(threads); }, "libtorch threads")
      ->check(CLI::Range(1, 1024))
      ->default_val(1)
      ->force_callback();
  auto timeout = std::make_shared<double>(600.0);
  verb.add_option("--ddp-timeout", *timeout,
                  "seconds that processes (RANK, WORLD_SIZE, ...) wait for each other")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb.parse_complete_callback([&o, timeout] {
    auto group = train::workers_from_environment(
        std::chrono::milliseconds(static_cast<std::int64_t>(1000.0 * *timeout)));
    if (!group) {
      fmt::print(stderr, "lowbit-train: {}\n", group.status().message());
      throw CLI::RuntimeError(1);
    }
    o.group = *std::move(group);
    train::catch_interrupts();
    o.fit.stop_asked = train::interrupted;
  });
}

void add_teacher_option(CLI::App& verb, train::recipe_options& o) {
  verb.add_option("--teacher", o.teacher, "teacher model folder")->required();
}

CLI::Option* add_student_option(CLI::App& verb, train::recipe_options& o, const std::string& help) {
  return verb.add_option("--student", o.student, help);
}

void add_start_options(CLI::App& verb, train::recipe_options& o, lowbit::model_shape& shape,
                       std::filesystem::path& vocab) {
  shape.layers = 2, shape.hidden = 128, shape.heads = 2;
  shape.intermediate = 512, shape.positions = 64;
  CLI::Option* student =
      add_student_option(verb, o, "folder of a model to start from, instead of random weights");
  verb.add_option("--vocab", vocab, "vocab.txt, tokenizer.json or a folder with either")
      ->excludes(student);
  const auto extent = [&](const char* name, std::size_t& value) {
    verb.add_option(name, value)->capture_default_str()->excludes(student);
  };
  extent("-L,--layers", shape.layers);
  extent("-H,--hidden", shape.hidden);
  extent("-A,--heads", shape.heads);
  extent("-I,--intermediate", shape.intermediate);
  extent("-P,--positions", shape.positions);
}

void add_packed_option(CLI::App& verb, train::recipe_options& o) {
  verb.add_option("--packed", o.packed, "also write the result as a packed model folder");
}

void refuse_idle(const CLI::App& verb, std::initializer_list<const char*> names,
                 const std::string& why) {
  for (const char* name : names) {
    if (verb.get_option(name)->count() > 0) throw CLI::ValidationError(name, why);
  }
}

bool leads() {
  const auto place = train::place_from_environment();
  return !place || place->rank == 0;
}

int finish(const status& outcome, const std::filesystem::path& out) {
  if (!outcome.ok()) {
    fmt::print(stderr, "lowbit-train: {}\n", outcome.message());
    return 1;
  }
  fmt::print("{}\n", out.string());
  return 0;
}

namespace {

/// Prints the scores in results.json.
void print_results(const std::filesystem::path& folder) {
  std::ifstream file(folder / "results.json");
  const auto results = nlohmann::json::parse(file, nullptr, false);
  if (!results.is_object()) return;
  for (const auto& [name, value] : results.items()) {
    if (!(name.starts_with("validation_") || name.starts_with("test_")) || !value.is_number()) {
      continue;
    }
    if (name.ends_with("_loss") || name.ends_with("_perplexity")) {
      fmt::print(stderr, "{}: {:.4g}\n", name, value.get<double>());
    } else {
      fmt::print(stderr, "{}: {:.2f} %\n", name, 100.0 * value.get<double>());
    }
  }
}

/// Packs the float weights that training wrote into a runtime folder.
status write_packed(const std::filesystem::path& trained, const std::filesystem::path& target,
                    const std::string& policy, const std::vector<lowbit::format_override>& formats,
                    bool replace) {
  LOWBIT_TRY_ASSIGN(const auto model, lowbit::open_model(trained, {policy, {}, formats}));
  return lowbit::save_packed(model, target, trained,
                             replace ? lowbit::existing::replace : lowbit::existing::refuse);
}

}  // namespace

int finish_training(status outcome, const train::recipe_options& o, const std::string& policy,
                    const std::vector<lowbit::format_override>& formats) {
  if (outcome.ok() && !o.packed.empty() && o.group->leads()) {
    outcome = write_packed(o.out, o.packed, policy, formats, o.replace);
  }
  if (!o.group->leads()) {  // only the leader reports
    return outcome.ok() ? 0 : finish(outcome, o.out);
  }
  if (outcome.ok()) print_results(o.out);
  return finish(outcome, o.out);
}

}  // namespace lowbit_train
