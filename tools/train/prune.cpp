// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/prune.hpp"

#include <memory>

#include "objective.hpp"

namespace lowbit_train {

void add_prune(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::prune_options>();
  o->fit.dropout = o->fit.classifier_dropout = 0.1;
  CLI::App* verb =
      app.add_subcommand("prune", "prune weights, or heads and neurons, and fine-tune");
  add_training_options(*verb, *o);
  add_student_option(*verb, *o, "folder of the full-precision model to start from")->required();
  add_objective_options(*verb, *o, o->objective);
  add_packed_option(*verb, *o);
  verb->add_option("--sparsity", o->sparsity, "final sparsity (fraction of zeros) of every matrix")
      ->check(CLI::Range(0.01, 0.999));
  verb->add_option("--begin", o->begin, "fraction of the steps before pruning begins")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  verb->add_option("--end", o->end, "fraction of the steps after which the pruning mask is frozen")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  verb->add_option("--every", o->every, "steps between updates of the pruning mask")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->add_option("--heads", o->heads, "attention heads to keep in each layer")
      ->check(lowbit_tool::positive());
  verb->add_option("--neurons", o->neurons, "feed-forward neurons to keep in each layer")
      ->check(lowbit_tool::positive());
  verb->add_option("--rounds", o->rounds, "number of rounds of removing heads and neurons")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  verb->add_option("--batches", o->batches, "training batches used to measure importance")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->callback([o, verb, &chosen] {
    if (o->sparsity > 0) {
      refuse_idle(*verb, {"--rounds", "--batches"}, "only applies to --heads and --neurons");
    } else {
      refuse_idle(*verb, {"--begin", "--end", "--every"}, "only applies to --sparsity");
    }
    chosen = [o] {
      const std::string policy = o->sparsity > 0 ? "sparse" : "fp32";
      return finish_training(train::prune(*o), *o, policy);
    };
  });
}

}  // namespace lowbit_train
