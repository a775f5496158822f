// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/finetune.hpp"

#include <map>
#include <memory>

#include "options.hpp"

namespace lowbit_train {

void add_finetune(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::finetune_options>();
  o->fit.dropout = o->fit.classifier_dropout = 0.2;
  o->shape.layers = 2, o->shape.hidden = 128, o->shape.heads = 2;
  o->shape.intermediate = 512, o->shape.positions = 64;
  CLI::App* verb = app.add_subcommand("finetune", "train a full precision encoder");
  add_training_options(*verb, *o);
  add_student_option(*verb, *o, "folder of a model to go on from, instead of random weights");
  verb->add_option("--task", o->asked, "labels of sentences, or BIO labels of words")
      ->transform(CLI::CheckedTransformer(std::map<std::string, train::labelling>{
          {"sentences", train::labelling::sentences}, {"words", train::labelling::words}}));
  verb->add_option("--vocab", o->vocab, "vocab.txt, tokenizer.json or their folder");
  verb->add_option("-L,--layers", o->shape.layers)->capture_default_str();
  verb->add_option("-H,--hidden", o->shape.hidden)->capture_default_str();
  verb->add_option("-A,--heads", o->shape.heads)->capture_default_str();
  verb->add_option("-I,--intermediate", o->shape.intermediate)->capture_default_str();
  verb->add_option("-P,--positions", o->shape.positions)->capture_default_str();
  verb->add_option("--label-smoothing", o->label_smoothing)->capture_default_str();
  verb->callback([o, &chosen] {
    if (o->student.empty() && o->vocab.empty()) throw CLI::RequiredError("--vocab, or --student");
    chosen = [o] { return finish_training(train::finetune(*o), *o); };
  });
}

}  // namespace lowbit_train
