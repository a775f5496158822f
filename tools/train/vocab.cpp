// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/vocabulary.hpp"

#include <memory>

#include "options.hpp"

namespace lowbit_train {

void add_vocab(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::vocabulary_recipe_options>();
  CLI::App* verb = app.add_subcommand("vocab", "train a WordPiece vocabulary on text");
  verb->add_option("--data", o->data, "text file, or data set (train split)")->required();
  verb->add_option("--out", o->out, "vocab.txt to write")->required();
  verb->add_option("--size", o->size, "vocabulary size, special tokens included")
      ->capture_default_str();
  verb->add_flag("--replace", o->replace, "replace an existing --out");
  verb->callback([o, &chosen] {
    chosen = [o] { return leads() ? finish(train::make_vocabulary(*o), o->out) : 0; };
  });
}

}  // namespace lowbit_train
