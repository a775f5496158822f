// SPDX-License-Identifier: Apache-2.0
// Quantization-aware training of a full precision model for a policy with formats by name. The
// output is a float folder of latent weights: encoding it under the policy gives the model that was
// validated, reading it as full precision gives another one.
#pragma once

#include "lowbit/train/model/quantized.hpp"
#include "lowbit/train/recipe/supervision.hpp"

namespace lowbit::train {

struct qat_options : recipe_options {
  std::string policy = "int8";
  std::vector<format_override> formats;
  std::int64_t recluster = 100;  ///< steps between two searches of scales and centroids
  soft_target_options objective{1.0, 1.0, 1.0};
};

/// Each step: quantize the weights; the loss of the quantized network; its gradient with respect to
/// the weights before quantization; update those. The student's folder is the start.
///
/// Errors: those of find_policy, load_model and quantized_scheme::bind
inline status qat(const qat_options& options) {
  LOWBIT_TRY(check_output(options));
  const auto policy = find_policy(options.policy);
  if (!policy) return policy.status();
  const torch::Device device = default_device();
  auto start = load_float_model(options.student, device);
  if (!start) return start.status();
  const model_description& description = start->description;
  const auto examples = data_for(options, description, start->tokenizer, options.student);
  if (!examples) return examples.status();
  auto objective = supervision::load(options.teacher, description, options.objective, device);
  if (!objective) return objective.status();

  torch::manual_seed(options.fit.seed);
  const bool relu = start->model.how().hidden_act() == std::string_view("relu");
  const auto how = std::make_shared<quantized_scheme>(*policy, relu);
  bert student(description.shape, how);
  LOWBIT_TRY(load_parameters(options.student, student.exported()));
  student.to(device);
  LOWBIT_TRY(how->bind(student, options.formats));

  const forward_options forward = training_forward(options.fit, true);
  fit_job job;
  job.buffers = how->grids();
  job.before_step = [&](const step_info& info) {
    if (info.step != 0 && info.step % options.recluster == 0) how->refresh();
  };
  job.loss = [&](const batch& in, const step_info&) {
    return objective->loss(in, student.forward(in, forward), forward.type);
  };
  nlohmann::json formats = nlohmann::json::object();
  for (const format_override& f : options.formats) formats[f.pattern] = f.format;
  const nlohmann::json facts = {{"recipe", "qat"},
                                {"policy", policy->name},
                                {"formats", formats},
                                {"recluster", options.recluster},
                                {"objective", objective->facts()}};
  return train_and_write(student, description, *examples, start->tokenizer.unk_id(), options, facts,
                         std::move(job));
}

}  // namespace lowbit::train
