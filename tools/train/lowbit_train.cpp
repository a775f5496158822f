// SPDX-License-Identifier: Apache-2.0
// The program lowbit-train: argument parsing and printing only. Results go to stdout, progress and
// messages to stderr; the exit code is 0 only when the output was written.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "lowbit/io/model_folder.hpp"
#include "lowbit/train/recipe.hpp"
#include "lowbit/train/vocabulary_recipe.hpp"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace {

using lowbit::status;
namespace train = lowbit::train;

/// Options of every verb that trains.
void add_training_options(CLI::App& verb, train::recipe_options& o, int& threads) {
  verb.add_option("--data", o.data, "CLINC150 .json, a .tsv, or a folder of train/dev/test.tsv")
      ->required();
  verb.add_option("--out", o.out, "model folder to write")->required();
  verb.add_flag("--replace", o.replace, "replace an existing --out");
  verb.add_flag("--resume", o.fit.resume, "go on from OUT.checkpoint, with the same options");
  verb.add_flag("--test", o.test, "read the test split once, at the end");
  verb.add_option("--max-length", o.max_length, "tokens of a sentence; 0: all positions");
  verb.add_option("--seed", o.fit.seed)->capture_default_str();
  verb.add_option("--epochs", o.fit.epochs)->check(CLI::Range(1, 100000))->capture_default_str();
  verb.add_option("--batch-size", o.fit.batch_size)
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb.add_option("--lr", o.fit.optimizer.learning_rate, "peak learning rate")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("--warmup", o.fit.warmup, "share of the steps")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  verb.add_option("--weight-decay", o.fit.optimizer.weight_decay)->capture_default_str();
  verb.add_option("--dropout", o.fit.dropout, "of embeddings, attention and outputs")
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
  verb.add_option("--classifier-dropout", o.fit.classifier_dropout)
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
  verb.add_option("--token-dropout", o.fit.words.probability, "tokens that become [UNK]")
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
  verb.add_option("--precision", o.fit.type, "operands of the matrix products in training steps")
      ->transform(CLI::CheckedTransformer(std::map<std::string, train::precision>{
          {"f32", train::precision::f32}, {"bf16", train::precision::bf16}}));
  verb.add_option("-t,--threads", threads)->check(CLI::Range(1, 1024))->capture_default_str();
}

int finish(const status& outcome, const std::filesystem::path& out) {
  if (!outcome.ok()) {
    fmt::print(stderr, "lowbit-train: {}\n", outcome.message());
    return 1;
  }
  fmt::print("{}\n", out.string());
  return 0;
}

/// results.json without its history, for the screen.
void print_results(const std::filesystem::path& folder) {
  std::ifstream file(folder / "results.json");
  const auto results = nlohmann::json::parse(file, nullptr, false);
  if (results.is_discarded()) return;
  for (const char* name : {"validation_accuracy", "test_accuracy"}) {
    if (results.contains(name)) {
      fmt::print(stderr, "{}: {:.2f} %\n", name, 100.0 * results[name].get<double>());
    }
  }
}

/// The runtime's own folder from the float weights that training wrote.
status write_packed(const std::filesystem::path& trained, const std::filesystem::path& target,
                    bool replace) {
  const auto model = lowbit::open_model(trained);
  if (!model) return model.status();
  return lowbit::save_packed(*model, target, trained,
                             replace ? lowbit::existing::replace : lowbit::existing::refuse);
}

int run(int argc, char** argv) {
  CLI::App app("Train the models that lowbit runs");
  app.require_subcommand(1);
  int threads = 1;

  train::vocabulary_recipe_options words;
  CLI::App* vocab = app.add_subcommand("vocab", "learn a WordPiece vocabulary from text");
  vocab->add_option("--data", words.data, "text, .tsv, or CLINC150 .json (its train split)")
      ->required();
  vocab->add_option("--out", words.out, "vocab.txt to write")->required();
  vocab->add_option("--size", words.size, "tokens, special ones included")->capture_default_str();
  vocab->add_flag("--replace", words.replace, "replace an existing --out");

  train::finetune_options fine;
  fine.fit.dropout = fine.fit.classifier_dropout = 0.2;
  fine.shape.layers = 2, fine.shape.hidden = 128, fine.shape.heads = 2;
  fine.shape.intermediate = 512, fine.shape.positions = 64;
  CLI::App* finetune = app.add_subcommand("finetune", "train a full precision encoder");
  add_training_options(*finetune, fine, threads);
  finetune->add_option("--vocab", fine.vocab, "vocab.txt, tokenizer.json or their folder")
      ->required();
  finetune->add_option("-L,--layers", fine.shape.layers)->capture_default_str();
  finetune->add_option("-H,--hidden", fine.shape.hidden)->capture_default_str();
  finetune->add_option("-A,--heads", fine.shape.heads)->capture_default_str();
  finetune->add_option("-I,--intermediate", fine.shape.intermediate)->capture_default_str();
  finetune->add_option("-P,--positions", fine.shape.positions)->capture_default_str();
  finetune->add_option("--label-smoothing", fine.label_smoothing)->capture_default_str();

  train::distill_options distill;
  distill.fit.dropout = distill.fit.classifier_dropout = 0.0;
  std::string attention = "bi";
  bool no_dmd = false;
  CLI::App* bibert = app.add_subcommand("bibert", "distill a teacher into a binary student");
  add_training_options(*bibert, distill, threads);
  bibert->add_option("--teacher", distill.teacher, "folder of the full precision model")
      ->required();
  bibert->add_option("--start", distill.start, "folder of the student's first weights");
  bibert->add_option("--attention", attention, "softmax-binarized is the naive baseline")
      ->check(CLI::IsMember({"bi", "softmax-binarized"}))
      ->capture_default_str();
  std::string packed;
  bibert->add_option("--packed", packed, "write the packed 1-bit folder of the result, too");
  bibert->add_flag("--no-dmd", no_dmd, "without direction-matching distillation");
  train::distillation_options& objective = distill.objective;
  bibert->add_option("--dmd-weight", objective.dmd_weight)->capture_default_str();
  bibert->add_option("--hidden-weight", objective.hidden_weight)->capture_default_str();
  bibert->add_option("--soft-weight", objective.soft_weight, "of the mean over batch and classes")
      ->capture_default_str();
  bibert->add_option("--hard-weight", objective.hard_weight)->capture_default_str();
  bibert->add_option("--temperature", objective.temperature)
      ->check(CLI::PositiveNumber)
      ->capture_default_str();

  CLI11_PARSE(app, argc, argv);
  at::set_num_threads(threads);
  objective.direction_matching = !no_dmd;
  if (vocab->parsed()) return finish(train::make_vocabulary(words), words.out);
  status outcome;
  const train::recipe_options& done = finetune->parsed()
                                          ? static_cast<const train::recipe_options&>(fine)
                                          : static_cast<const train::recipe_options&>(distill);
  if (finetune->parsed()) {
    outcome = train::finetune(fine);
  } else if (attention == "bi") {
    outcome = train::distill_binary<train::bibert_policy>(distill);
  } else {
    outcome = train::distill_binary<train::softmax_binarized_policy>(distill);
  }
  if (outcome.ok() && !packed.empty()) {
    outcome = write_packed(done.out, packed, done.replace);
  }
  if (outcome.ok()) print_results(done.out);
  return finish(outcome, done.out);
}

}  // namespace

int main(int argc, char** argv) {
  // Large tensors are freed and allocated at every step: keep their pages instead of returning
  // them to the system, which would zero them again each time.
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {  // libtorch reports by exceptions
    fmt::print(stderr, "lowbit-train: {}\n", error.what());
    return 1;
  }
}
