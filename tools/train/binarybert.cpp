// SPDX-License-Identifier: Apache-2.0
// The commands ternarybert and binarybert: one recipe, before and after weight splitting.
#include "lowbit/train/recipe/binarybert.hpp"

#include <memory>

#include "options.hpp"

namespace lowbit_train {

namespace {

CLI::App* add_verb(CLI::App& app, action& chosen, const char* name, const char* help,
                   const std::shared_ptr<train::binarybert_options>& o) {
  o->fit.dropout = o->fit.classifier_dropout = 0.0;
  CLI::App* verb = app.add_subcommand(name, help);
  add_training_options(*verb, *o);
  add_teacher_option(*verb, *o);
  add_packed_option(*verb, *o);
  verb->add_option("--input-bits", o->input_bits, "activation bits")
      ->check(CLI::IsMember({8, 4}))
      ->capture_default_str();
  verb->add_option("--width", o->width,
                   "width multiplier: fraction of the teacher's heads and neurons")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  verb->callback([o, verb, &chosen] {
    if (!o->ternarybert && o->weight_bits == 2) {
      refuse_idle(*verb, {"--split-lr"},
                  "does not apply with --weights 2, which stops before the split");
    }
    chosen = [o] { return finish_training(train::binarybert(*o), *o); };
  });
  return verb;
}

}  // namespace

void add_ternarybert(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::binarybert_options>();
  o->ternarybert = true;
  o->width = 1.0;
  add_verb(app, chosen, "ternarybert", "distill a teacher into a student with ternary weights", o);
}

void add_binarybert(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::binarybert_options>();
  CLI::App* verb = add_verb(app, chosen, "binarybert",
                            "distill a teacher into ternary weights, split them into pairs of "
                            "one-bit matrices and fine-tune",
                            o);
  verb->add_option("--weights", o->weight_bits, "weight bits; 2 stops before the split")
      ->check(CLI::IsMember({1, 2}))
      ->capture_default_str();
  verb->add_option("--layer-rate", o->layer_rate,
                   "learning rate factor for the layer-matching stages")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->add_option("--split-lr", o->split_rate, "learning rate after the split (0: same as --lr)")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->add_option("--clip-lr", o->clip_rate, "learning rate of clipping thresholds and step sizes")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
}

}  // namespace lowbit_train
