// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/finetune.hpp"

#include <map>
#include <memory>

#include "options.hpp"

namespace lowbit_train {

void add_finetune(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::finetune_options>();
  o->fit.dropout = o->fit.classifier_dropout = 0.2;
  CLI::App* verb = app.add_subcommand("finetune", "train or fine-tune a full-precision encoder");
  add_training_options(*verb, *o);
  add_start_options(*verb, *o, o->shape, o->vocab);
  add_choice(*verb, "--task", o->asked,
             {{"sentences", train::labelling::sentences}, {"words", train::labelling::words}},
             "sentence classification, or token classification with BIO labels");
  verb->add_option("--label-smoothing", o->label_smoothing, "label smoothing factor")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  verb->callback([o, &chosen] {
    if (o->student.empty() && o->vocab.empty()) throw CLI::RequiredError("--vocab, or --student");
    chosen = [o] { return finish_training(train::finetune(*o), *o); };
  });
}

}  // namespace lowbit_train
