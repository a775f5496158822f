// SPDX-License-Identifier: Apache-2.0
// BiBERT: a fully binary student of the teacher's shape, initialized from it and trained with
// direction-matching distillation. The same recipe trains the naive baseline.
#pragma once

#include "lowbit/train/loss/bibert_objective.hpp"
#include "lowbit/train/recipe/attention_entropy.hpp"
#include "lowbit/train/recipe/student.hpp"

namespace lowbit::train {

struct bibert_options : recipe_options {
  bool softmax_binarized = false;  ///< the naive baseline instead of Bi-Attention
  bibert_objective objective;
};

/// Errors: those of load_float_model for the teacher and of check_same_model for the student
inline status bibert(const bibert_options& options) {
  LOWBIT_TRY(check_output(options));
  const torch::Device device = default_device();
  LOWBIT_TRY_ASSIGN(auto teacher, load_float_model(options.teacher, device));
  model_description description = teacher.description;
  description.shape.pooler_act = pooler_activation::tanh;  // BiBERT has no such head
  LOWBIT_TRY_ASSIGN(const auto examples,
                    data_for(options, description, teacher.tokenizer, options.teacher));

  torch::manual_seed(options.fit.seed);
  scheme_ptr how = std::make_shared<bibert_scheme>();
  if (options.softmax_binarized) how = std::make_shared<softmax_binarized_scheme>();
  bert student(description.shape, how);
  const auto& start = options.student.empty() ? options.teacher : options.student;
  if (!options.student.empty()) {
    LOWBIT_TRY_ASSIGN(const auto student_folder, open_model_folder(start));
    LOWBIT_TRY(check_same_model(start, student_folder.model, description));
  }
  LOWBIT_TRY(load_parameters(start, student.exported()));
  student.to(device);

  const bibert_objective& o = options.objective;
  const bool logits_only = !o.direction_matching && o.hidden_weight <= 0;
  const forward_options forward = training_forward(options.fit, logits_only);
  fit_job job;
  job.loss = [&](const batch& in, const step_info& info) {
    const trace target =
        teach(teacher.model, in, {.type = forward.type, .logits_only = logits_only});
    const trace out = student.forward(in, forward);
    measure_attention(out, in, info);
    return bibert_loss(out, target, o);
  };
  const nlohmann::json facts = {{"recipe", "bibert"},
                                {"attention", how->name()},
                                {"dmd", o.direction_matching},
                                {"dmd_weight", o.dmd_weight},
                                {"hidden_weight", o.hidden_weight},
                                {"soft_weight", o.soft_weight},
                                {"hard_weight", o.hard_weight},
                                {"temperature", o.temperature},
                                {"start", options.student.empty() ? "teacher" : "student"}};
  return train_and_write(student, description, examples, teacher.tokenizer.unk_id(), options, facts,
                         std::move(job));
}

}  // namespace lowbit::train
