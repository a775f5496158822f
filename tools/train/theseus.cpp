// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/theseus.hpp"

#include <map>
#include <memory>

#include "options.hpp"

namespace lowbit_train {

void add_theseus(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::theseus_options>();
  o->fit.epochs = 15;
  o->fit.optimizer.learning_rate = 2e-5;
  CLI::App* verb =
      app.add_subcommand("theseus", "compress by progressive module replacement (BERT-of-Theseus)");
  add_training_options(*verb, *o);
  verb->add_option("--teacher", o->teacher, "predecessor model folder")->required();
  verb->add_option("-L,--layers", o->layers, "successor layers (0: half of the predecessor's)")
      ->capture_default_str();
  verb->add_option_function<std::string>(
          "--schedule", [o](const std::string& name) { o->schedule.linear = name == "linear"; },
          "module replacement probability p: linear is min(1, p0 + k t); constant is p0, then 1")
      ->check(CLI::IsMember({"linear", "constant"}))
      ->default_val("linear");
  verb->add_option("--p0", o->schedule.p0, "initial replacement probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb->add_option("--k", o->schedule.k,
                   "increase of p per step (0: p reaches 1 after half of the steps)")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->add_option("--replacing-steps", o->schedule.steps,
                   "steps with constant p0 (0: half of the steps)")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  add_choice(
      *verb, "--init", o->start,
      {{"first", train::successor_start::first},
       {"spread", train::successor_start::spread},
       {"random", train::successor_start::random}},
      "initial weights of successor layer i: predecessor layer i (first), the last layer that "
      "it replaces (spread), or random");
  verb->callback([o, verb, &chosen] {
    if (o->schedule.linear) {
      refuse_idle(*verb, {"--replacing-steps"}, "only applies to --schedule constant");
    } else {
      refuse_idle(*verb, {"--k"}, "only applies to --schedule linear");
    }
    chosen = [o] { return finish_training(train::theseus(*o), *o); };
  });
}

}  // namespace lowbit_train
