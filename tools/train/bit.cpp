// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/bit.hpp"

#include <memory>

#include "options.hpp"

namespace lowbit_train {

void add_bit(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::bit_options>();
  o->fit.dropout = o->fit.classifier_dropout = 0.0;
  o->fit.optimizer.learning_rate = 2e-4;
  CLI::App* verb = app.add_subcommand(
      "bit", "distill a teacher into a BiT student in stages of decreasing bit width");
  add_training_options(*verb, *o);
  add_teacher_option(*verb, *o);
  add_student_option(*verb, *o,
                     "folder with the initial weights of the first stage (default: the teacher's)");
  add_packed_option(*verb, *o);
  verb->add_option_function<std::string>(
          "--schedule",
          [o](const std::string& text) {
            const auto schedule = train::parse_schedule(text);
            if (!schedule) {
              throw CLI::ValidationError("--schedule", std::string(schedule.status().message()));
            }
            o->schedule = *schedule;
          },
          "activation bits of the teacher (32: full precision) and of each stage")
      ->default_str("32,2,1");
  verb->add_option("--clip-lr", o->clip_rate, "learning rate of the step sizes")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->add_option("--soft-weight", o->soft_weight,
                   "weight of the soft cross-entropy (mean over batch and classes)")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->add_option("--hidden-weight", o->hidden_weight, "weight of the hidden-state terms")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->callback([o, &chosen] { chosen = [o] { return finish_training(train::bit(*o), *o); }; });
}

}  // namespace lowbit_train
