// SPDX-License-Identifier: Apache-2.0
// Quantization-aware training of a full precision model for a policy with formats by name. The
// output is a float folder of latent weights: encoded under the policy it is the validated model,
// read as full precision it is a different one. A q8bert model also stores its activation ranges
// and its config.json says so, so it is never read as another.
#pragma once

#include "lowbit/train/model/q8bert.hpp"
#include "lowbit/train/model/quantized.hpp"
#include "lowbit/train/recipe/supervision.hpp"

namespace lowbit::train {

struct qat_options : recipe_options {
  std::string policy = "int8";
  std::vector<format_override> formats;
  std::int64_t recluster = 100;            ///< steps between searches for scales and centroids
  double range_decay = usual_range_decay;  ///< q8bert: of the moving averages of ranges, 0 to 1
  soft_target_options objective{1.0, 1.0, 1.0};
};

namespace detail {

/// Rejects options that q8bert does not support.
inline status check_q8bert(const qat_options& options, activation_function act) {
  if (act != activation_function::gelu) {
    return status::error(errc::unsupported, options.student.native(),
                         ": policy q8bert needs hidden_act gelu, found ", name_of(act));
  }
  if (!options.formats.empty()) {
    return status::error(errc::invalid_argument,
                         "policy q8bert has its own formats, they cannot be overridden");
  }
  if (options.range_decay >= 0 && options.range_decay < 1) return {};
  return status::error(errc::invalid_argument, "range decay ", std::to_string(options.range_decay),
                       ", expected 0 or more, below 1");
}

}  // namespace detail

/// Each step quantizes the weights, computes the loss of the quantized network and its gradient
/// with respect to the quantized weights, and applies that to the latent weights
/// (straight-through). Training starts from the student's folder.
///
/// Errors: those of find_policy, load_model and quantized_scheme::bind; unsupported for q8bert with
/// another activation function than GELU
inline status qat(const qat_options& options) {
  LOWBIT_TRY(check_output(options));
  LOWBIT_TRY_ASSIGN(const auto policy, find_policy(options.policy));
  const torch::Device device = default_device();
  LOWBIT_TRY_ASSIGN(auto start, load_float_model(options.student, device));
  const model_description& description = start.description;
  LOWBIT_TRY_ASSIGN(auto objective,
                    supervision::load(options.teacher, description, options.objective, device));
  LOWBIT_TRY_ASSIGN(const auto examples, data_for(options, objective.readable(description),
                                                  start.tokenizer, options.student));

  torch::manual_seed(options.fit.seed);
  const activation_function act = start.model.how().hidden_act();
  const bool ranges = policy.name == policy::q8bert::name;
  if (ranges) LOWBIT_TRY(detail::check_q8bert(options, act));
  const auto by_name = std::make_shared<quantized_scheme>(policy, act);
  const scheme_ptr how =
      ranges ? scheme_ptr(std::make_shared<q8bert_scheme>(options.range_decay)) : by_name;
  bert student(description.shape, how);
  LOWBIT_TRY(load_parameters(options.student, student.parameters()));
  student.to(device);
  if (!ranges) LOWBIT_TRY(by_name->bind(student, options.formats));

  const forward_options forward = training_forward(options.fit, true);
  fit_job job;
  job.loss = [&](const batch& in, const step_info&) {
    return objective.loss(in, student.forward(in, forward), forward.type);
  };
  nlohmann::json facts = {
      {"recipe", "qat"}, {"policy", policy.name}, {"objective", objective.facts()}};
  if (ranges) {
    facts["range_decay"] = options.range_decay;
  } else {
    job.buffers = by_name->grids();
    job.before_step = [&](const step_info& info) {
      if (info.step != 0 && info.step % options.recluster == 0) by_name->refresh();
    };
    facts["recluster"] = options.recluster;
    facts["formats"] = nlohmann::json::object();
    for (const format_override& f : options.formats) facts["formats"][f.pattern] = f.format;
  }
  return train_and_write(student, description, examples, start.tokenizer.unk_id(), options, facts,
                         std::move(job));
}

}  // namespace lowbit::train
