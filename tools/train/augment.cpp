// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/augment.hpp"

#include <map>
#include <memory>

#include "lowbit/train/loop/interrupt.hpp"
#include "options.hpp"

namespace lowbit_train {

void add_augment(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::augment_options>();
  CLI::App* verb = app.add_subcommand("augment", "augment a training set by word replacement");
  verb->add_option("--data", o->data, "CLINC150 .json, .tsv, or folder with train/dev/test")
      ->required();
  verb->add_option("--out", o->out, "output file: .tsv (training set only) or .json (all splits)")
      ->required();
  verb->add_option("--mlm", o->mlm, "masked language model folder")->required();
  verb->add_option("--vectors", o->vectors,
                   "word vectors in GloVe format, for words of several word pieces");
  verb->add_option("--synonyms", o->synonyms,
                   "synonym pairs, two words per line, for words without a vector");
  verb->add_option("--antonyms", o->antonyms,
                   "antonym pairs, two words per line, never substituted for each other");
  verb->add_option("-n,--copies", o->copies, "augmentation attempts per sentence")
      ->capture_default_str();
  verb->add_option("--p", o->probability, "word replacement probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_option("--top", o->top, "replacement candidates per word")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->add_option("--seed", o->seed, "random seed")->capture_default_str();
  add_choice(*verb, "--precision", o->type,
             {{"f32", train::precision::f32}, {"bf16", train::precision::bf16}},
             "precision of matrix product operands");
  verb->add_flag("--replace", o->replace, "replace an existing --out");
  verb->add_option_function<int>(
          "-t,--threads", [](int threads) { at::set_num_threads(threads); }, "libtorch threads")
      ->check(CLI::Range(1, 1024))
      ->default_val(1)
      ->force_callback();
  verb->add_flag("--resume", o->resume, "resume from OUT.checkpoint, with the same options");
  verb->add_option("--checkpoint-seconds", o->checkpoint_seconds, "seconds between checkpoints")
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
