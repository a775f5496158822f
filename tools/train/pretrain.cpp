// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/pretrain.hpp"

#include <memory>

#include "options.hpp"

namespace lowbit_train {

void add_pretrain(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::pretrain_options>();
  o->fit.optimizer.learning_rate = 5e-4;
  o->shape.layers = 2, o->shape.hidden = 128, o->shape.heads = 2;
  o->shape.intermediate = 512, o->shape.positions = 64;
  CLI::App* verb =
      app.add_subcommand("pretrain", "train a masked language model on text without labels");
  add_training_options(*verb, *o);
  // Text files, too, and several: no labels are read.
  verb->remove_option(verb->get_option("--data"));
  verb->add_option_function<std::vector<std::string>>(
          "--data",
          [o](const std::vector<std::string>& paths) {
            o->data = paths.front();
            o->more_data.assign(paths.begin() + 1, paths.end());
          },
          "text of a sentence or paragraph a line, or data sets (their train split)")
      ->required();
  add_student_option(*verb, *o, "folder of a model to go on from, instead of random weights");
  verb->add_option("--vocab", o->vocab, "vocab.txt, tokenizer.json or their folder");
  verb->add_option("--held-out", o->held_out, "share of the lines that are validated on")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  verb->add_option("--asked", o->masking.share, "share of the tokens that are asked")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_flag("--whole-words", o->masking.whole_words, "ask all pieces of a word, or none");
  verb->add_option("-L,--layers", o->shape.layers)->capture_default_str();
  verb->add_option("-H,--hidden", o->shape.hidden)->capture_default_str();
  verb->add_option("-A,--heads", o->shape.heads)->capture_default_str();
  verb->add_option("-I,--intermediate", o->shape.intermediate)->capture_default_str();
  verb->add_option("-P,--positions", o->shape.positions)->capture_default_str();
  verb->callback([o, &chosen] {
    if (o->student.empty() && o->vocab.empty()) throw CLI::RequiredError("--vocab, or --student");
    chosen = [o] { return finish_training(train::pretrain(*o), *o); };
  });
}

}  // namespace lowbit_train
