// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/pretrain.hpp"

#include <memory>

#include "options.hpp"

namespace lowbit_train {

void add_pretrain(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::pretrain_options>();
  o->fit.optimizer.learning_rate = 5e-4;
  CLI::App* verb =
      app.add_subcommand("pretrain", "pre-train a masked language model on unlabelled text");
  add_training_options(*verb, *o);
  // --data takes several files, text included: no labels are read and only the training split is
  // used. Tokens are corrupted by masking, so --token-dropout does not apply.
  for (const char* name : {"--data", "--test", "--token-dropout"}) {
    verb->remove_option(verb->get_option(name));
  }
  verb->add_option_function<std::vector<std::string>>(
          "--data",
          [o](const std::vector<std::string>& paths) {
            o->data = paths.front();
            o->more_data.assign(paths.begin() + 1, paths.end());
          },
          "text files, one sentence or paragraph per line, or data sets (train split)")
      ->required();
  add_start_options(*verb, *o, o->shape, o->vocab);
  verb->add_option("--held-out", o->held_out, "fraction of the lines held out for validation")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  verb->add_option("--mlm-probability", o->masking.share, "fraction of tokens to mask")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_flag("--whole-words", o->masking.whole_words,
                 "whole word masking: mask all pieces of a word, or none");
  verb->callback([o, &chosen] {
    if (o->student.empty() && o->vocab.empty()) throw CLI::RequiredError("--vocab, or --student");
    chosen = [o] { return finish_training(train::pretrain(*o), *o); };
  });
}

}  // namespace lowbit_train
