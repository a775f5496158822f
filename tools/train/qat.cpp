// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/qat.hpp"

#include <memory>

#include "objective.hpp"

namespace lowbit_train {

void add_qat(CLI::App& app, action& chosen) {
  auto o = std::make_shared<train::qat_options>();
  o->fit.dropout = o->fit.classifier_dropout = 0.1;
  o->fit.type = train::precision::f32;  // bf16 operands would round int8 values
  CLI::App* verb =
      app.add_subcommand("qat", "quantization-aware training of a full-precision model");
  add_training_options(*verb, *o);
  add_student_option(*verb, *o, "folder of the full-precision model to start from")->required();
  add_objective_options(*verb, *o, o->objective);
  add_packed_option(*verb, *o);
  verb->add_option("-p,--policy", o->policy,
                   "int8, w4a8, w2a8, w1a8, codebook8, codebook16, codebook256, mixed, gobo3, "
                   "gobo4, bf16, f16 or q8bert")
      ->capture_default_str();
  verb->add_option_function<std::vector<std::string>>(
          "--format",
          [o](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              auto format = lowbit::format_override::parse(text);
              if (!format) throw CLI::ValidationError(std::string(format.status().message()));
              o->formats.push_back(*std::move(format));
            }
          },
          "REGEX=FORMAT: override the format of matrices with a matching name")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_option("--recluster", o->recluster, "steps between searches for scales or centroids")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->add_option("--range-decay", o->range_decay,
                   "q8bert: decay of the moving average of activation ranges")
      ->check(CLI::Range(0.0, 0.999999))
      ->capture_default_str();
  verb->callback([o, verb, &chosen] {
    if (o->policy != "q8bert") {
      refuse_idle(*verb, {"--range-decay"}, "only applies to --policy q8bert");
    } else {
      refuse_idle(*verb, {"--recluster"}, "does not apply to --policy q8bert");
    }
    chosen = [o] { return finish_training(train::qat(*o), *o, o->policy, o->formats); };
  });
}

}  // namespace lowbit_train
