// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/bibert.hpp"

#include <memory>

#include "options.hpp"

namespace lowbit_train {

void add_bibert(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::bibert_options>();
  o->fit.dropout = o->fit.classifier_dropout = 0.0;
  train::bibert_objective& objective = o->objective;
  CLI::App* verb = app.add_subcommand("bibert", "distill a teacher into a fully binary student");
  add_training_options(*verb, *o);
  add_teacher_option(*verb, *o);
  add_student_option(*verb, *o, "folder with the initial student weights (default: the teacher's)");
  add_packed_option(*verb, *o);
  verb->add_option_function<std::string>(
          "--attention",
          [o](const std::string& name) { o->softmax_binarized = name == "softmax-binarized"; },
          "attention type; softmax-binarized is the naive baseline")
      ->check(CLI::IsMember({"bi", "softmax-binarized"}))
      ->default_val("bi");
  verb->add_flag_callback(
      "--no-dmd", [o] { o->objective.direction_matching = false; },
      "disable direction-matching distillation");
  verb->add_option("--dmd-weight", objective.dmd_weight, "weight of the q, k, v matching terms")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->add_option("--hidden-weight", objective.hidden_weight,
                   "weight of the hidden-state matching terms")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->add_option("--soft-weight", objective.soft_weight,
                   "weight of the soft cross-entropy (mean over batch and classes)")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->add_option("--hard-weight", objective.hard_weight, "weight of the label loss")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->add_option("--temperature", objective.temperature, "softmax temperature")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->callback([o, verb, &chosen] {
    if (!o->objective.direction_matching) {
      refuse_idle(*verb, {"--dmd-weight"}, "does not apply with --no-dmd");
    }
    chosen = [o] { return finish_training(train::bibert(*o), *o); };
  });
}

}  // namespace lowbit_train
