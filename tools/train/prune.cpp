// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/prune.hpp"

#include <memory>

#include "objective.hpp"

namespace lowbit_train {

void add_prune(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::prune_options>();
  o->fit.dropout = o->fit.classifier_dropout = 0.1;
  CLI::App* verb =
      app.add_subcommand("prune", "remove weights, or heads and neurons, and train on");
  add_training_options(*verb, *o);
  add_student_option(*verb, *o, "folder of the full precision model to start from")->required();
  add_objective_options(*verb, *o, o->objective);
  add_packed_option(*verb, *o);
  verb->add_option("--sparsity", o->sparsity, "share of zeros in every matrix at the end")
      ->check(CLI::Range(0.01, 0.999));
  verb->add_option("--begin", o->begin, "share of the steps before the first zeros")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  verb->add_option("--end", o->end, "share of the steps after which zeros stay as they are")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  verb->add_option("--every", o->every, "steps between two updates of the zeros")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->add_option("--heads", o->heads, "heads to keep in each layer")
      ->check(lowbit_tool::positive());
  verb->add_option("--neurons", o->neurons, "feed-forward neurons to keep in each layer")
      ->check(lowbit_tool::positive());
  verb->add_option("--rounds", o->rounds, "remove heads and neurons in so many steps")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  verb->add_option("--batches", o->batches, "training batches that measure importance")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->callback([o, verb, &chosen] {
    if (o->sparsity > 0) {
      refuse_idle(*verb, {"--rounds", "--batches"}, "is for --heads and --neurons");
    } else {
      refuse_idle(*verb, {"--begin", "--end", "--every"}, "is for --sparsity");
    }
    chosen = [o] {
      const std::string policy = o->sparsity > 0 ? "sparse" : "fp32";
      return finish_training(train::prune(*o), *o, policy);
    };
  });
}

}  // namespace lowbit_train
