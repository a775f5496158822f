// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/distill.hpp"

#include <map>
#include <memory>

#include "options.hpp"

namespace lowbit_train {
namespace {

using options = train::distill_options;
using train::distillation_objective;
using train::student_start;
using train::tinybert_stage;

void add_student_shape(CLI::App& verb, options& o) {
  lowbit::model_shape& shape = o.built.extents;
  for (const auto& [name, extent] :
       {std::pair{"-L,--layers", &shape.layers}, std::pair{"-H,--hidden", &shape.hidden},
        std::pair{"-A,--heads", &shape.heads},
        std::pair{"-I,--intermediate", &shape.intermediate}}) {
    verb.add_option(name, *extent, "student shape (default: the teacher's)");
  }
  add_choice(verb, "--init-from-teacher", o.built.start,
             {{"first", student_start::first_layers}, {"mapped", student_start::mapped_layers}},
             "teacher layers to initialize the student from");
  verb.add_flag("--tinybert-head", o.built.relu_before_classifier,
                "ReLU before the classifier, as in TinyBERT");
}

void add_tinybert_options(CLI::App& verb, const std::shared_ptr<options>& o) {
  add_choice(verb, "--stage", o->stage,
             {{"general", tinybert_stage::general}, {"task", tinybert_stage::task}},
             "tinybert stage; general needs only unlabelled text");
  verb.add_option("--layer-map", o->map,
                  "uniform, last, first, or one teacher layer per student layer: 1,4,7")
      ->capture_default_str();
  verb.add_option("--stage1-epochs", o->layer_epochs,
                  "epochs on the intermediate terms, before --epochs")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  verb.add_option("--stage1-lr", o->layer_rate, "constant learning rate of the first stage")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb.add_option_function<std::vector<std::string>>(
          "--without",
          [o](const std::vector<std::string>& terms) {
            const std::map<std::string, bool*> switches{{"attention", &o->terms.attention},
                                                        {"hidden", &o->terms.hidden},
                                                        {"embedding", &o->terms.embedding},
                                                        {"prediction", &o->terms.prediction}};
            for (const std::string& term : terms) *switches.at(term) = false;
          },
          "tinybert loss terms to drop; without prediction, the second stage trains on the labels")
      ->delimiter(',')
      ->check(CLI::IsMember({"attention", "hidden", "embedding", "prediction"}));
}

}  // namespace

void add_distill(CLI::App& app, action& chosen) {
  auto o = std::make_shared<options>();
  CLI::App* verb = app.add_subcommand("distill", "distill a teacher into a smaller student");
  add_training_options(*verb, *o);
  add_teacher_option(*verb, *o);
  add_student_option(*verb, *o, "folder with the student's shape and initial weights");
  add_packed_option(*verb, *o);
  add_student_shape(*verb, *o);
  add_choice(
      *verb, "--objective", o->objective,
      {{"logits", distillation_objective::logits}, {"tinybert", distillation_objective::tinybert}});
  verb->add_option("--soft-weight", o->logits.soft_weight, "logits: weight of the soft-target loss")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->add_option("--hard-weight", o->logits.hard_weight, "logits: weight of the label loss")
      ->check(lowbit_tool::not_negative())
      ->capture_default_str();
  verb->add_option("--temperature", o->logits.temperature, "logits: softmax temperature")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  add_tinybert_options(*verb, o);
  verb->callback([o, verb, &chosen] {
    if (!o->student.empty()) {
      refuse_idle(*verb, {"--layers", "--hidden", "--heads", "--intermediate"},
                  "is taken from the --student folder");
    }
    if (o->objective == distillation_objective::logits) {
      refuse_idle(*verb, {"--layer-map", "--stage1-epochs", "--stage1-lr", "--without", "--stage"},
                  "only applies to --objective tinybert");
    } else {
      refuse_idle(*verb, {"--soft-weight", "--hard-weight", "--temperature"},
                  "only applies to --objective logits");
    }
    chosen = [o] { return finish_training(train::distill(*o), *o); };
  });
}

}  // namespace lowbit_train
