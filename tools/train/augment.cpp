// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/augment.hpp"

#include <map>
#include <memory>

#include "lowbit/train/loop/interrupt.hpp"
#include "options.hpp"

namespace lowbit_train {

void add_augment(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::augment_options>();
  CLI::App* verb = app.add_subcommand("augment", "more training sentences, with other words");
  verb->add_option("--data", o->data, "CLINC150 .json, a .tsv, or a folder of train/dev/test")
      ->required();
  verb->add_option("--out", o->out, ".tsv: the training set; .json: with the other splits")
      ->required();
  verb->add_option("--mlm", o->mlm, "folder of a masked language model")->required();
  verb->add_option("--vectors", o->vectors,
                   "word and numbers a line (GloVe), for words of several pieces");
  verb->add_option("--synonyms", o->synonyms, "two words a line, for words without a vector");
  verb->add_option("--antonyms", o->antonyms, "two words a line that never replace each other");
  verb->add_option("-n,--copies", o->copies, "attempts for each sentence")->capture_default_str();
  verb->add_option("--p", o->probability, "that a word is replaced")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_option("--top", o->top, "candidates of a word")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->add_option("--seed", o->seed)->capture_default_str();
  add_choice(*verb, "--precision", o->type,
             {{"f32", train::precision::f32}, {"bf16", train::precision::bf16}},
             "operands of the matrix products");
  verb->add_flag("--replace", o->replace, "replace an existing --out");
  verb->add_option_function<int>(
          "-t,--threads", [](int threads) { at::set_num_threads(threads); }, "of libtorch")
      ->check(CLI::Range(1, 1024))
      ->default_val(1)
      ->force_callback();
  verb->add_flag("--resume", o->resume, "go on from OUT.checkpoint, with the same options");
  verb->add_option("--checkpoint-seconds", o->checkpoint_seconds, "between two checkpoints")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->callback([o, &chosen] {
    chosen = [o] {
      if (!leads()) return 0;
      train::catch_interrupts();
      o->stop_asked = train::interrupted;
      return finish(train::augment_dataset(*o), o->out);
    };
  });
}

}  // namespace lowbit_train
