// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/pretrain.hpp"

#include <memory>

#include "options.hpp"

namespace lowbit_train {

void add_pretrain(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::pretrain_options>();
  o->fit.optimizer.learning_rate = 5e-4;
  CLI::App* verb =
      app.add_subcommand("pretrain", "train a masked language model on text without labels");
  add_training_options(*verb, *o);
  // Text files, too, and several: no labels are read, no split but the training one. Its corruption
  // of tokens is the mask.
  for (const char* name : {"--data", "--test", "--token-dropout"}) {
    verb->remove_option(verb->get_option(name));
  }
  verb->add_option_function<std::vector<std::string>>(
          "--data",
          [o](const std::vector<std::string>& paths) {
            o->data = paths.front();
            o->more_data.assign(paths.begin() + 1, paths.end());
          },
          "text of a sentence or paragraph a line, or data sets (their train split)")
      ->required();
  add_start_options(*verb, *o, o->shape, o->vocab);
  verb->add_option("--held-out", o->held_out, "share of the lines that are validated on")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  verb->add_option("--asked", o->masking.share, "share of the tokens that are asked")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_flag("--whole-words", o->masking.whole_words, "ask all pieces of a word, or none");
  verb->callback([o, &chosen] {
    if (o->student.empty() && o->vocab.empty()) throw CLI::RequiredError("--vocab, or --student");
    chosen = [o] { return finish_training(train::pretrain(*o), *o); };
  });
}

}  // namespace lowbit_train
