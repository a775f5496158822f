// SPDX-License-Identifier: Apache-2.0
// Recipes of several trainings in a row from one command. Every stage is a model folder beside the
// last one, with its own checkpoint and results, so --resume goes on in the stage that was stopped:
// finished ones are read back.
#pragma once

#include <cstdio>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train {

/// The options of one stage of a run. Its folder is OUT with a suffix, empty for the last stage.
inline recipe_options stage_options(const recipe_options& whole, const std::string& suffix) {
  recipe_options stage = whole;
  stage.out = beside(whole.out, suffix);
  std::error_code ignored;
  stage.fit.resume = whole.fit.resume && std::filesystem::exists(checkpoint_of(stage.out), ignored);
  stage.replace = whole.replace || whole.fit.resume;
  stage.test = whole.test && suffix.empty();  // once
  return stage;
}

/// finished_before for a stage: its own fit.resume says only whether it has a checkpoint.
inline result<bool> stage_finished(const recipe_options& whole, const recipe_options& stage,
                                   const std::string& scheme, const tokenized_dataset& data,
                                   const nlohmann::json& facts) {
  if (!whole.fit.resume) return false;
  return finished_before(stage, scheme, data, facts);
}

/// Which of several trainings follows.
inline void announce(const recipe_options& stage, const std::string& what) {
  if (stage.group->leads()) std::fprintf(stderr, "%s: %s\n", stage.out.c_str(), what.c_str());
}

/// No folder of the run exists, or the run may touch them.
inline status check_outputs(const recipe_options& options,
                            const std::vector<std::string>& suffixes) {
  for (const std::string& suffix : suffixes) {
    recipe_options stage = options;
    stage.out = beside(options.out, suffix);
    LOWBIT_TRY(check_output(stage));
  }
  return {};
}

/// Whether a stage that returned without an error was stopped on purpose.
inline bool was_stopped(const recipe_options& stage) {
  std::error_code ignored;
  return stage.fit.stop_after > 0 && std::filesystem::exists(checkpoint_of(stage.out), ignored);
}

/// A clip or a step that a scheme learns: the tensors that have a rate of their own.
inline bool is_clip(std::string_view name) {
  return name.ends_with("input_clip_val") || name.find(".clip_") != std::string_view::npos;
}

/// All parameters; clips at their own rate.
inline std::vector<trained_parameter> with_clip_rate(bert& model, double clip_rate,
                                                     double learning_rate) {
  auto all = trained(model.parameters());
  for (trained_parameter& p : all) {
    if (is_clip(p.name)) p.rate = clip_rate / learning_rate;
  }
  return all;
}

/// Sets the steps that have seen no data, from the first batch of the run: the same on every
/// process, and independent of how a batch is cut.
inline void show_first_batch(bert& model, const tokenized_dataset& data, const fit_options& o,
                             const torch::Device& device) {
  torch::NoGradGuard no_gradients;
  std::mt19937_64 generator = seeded_generator(o.seed, 0);
  const auto plan = plan_batches(data.train, o.batch_size, &generator);
  if (plan.empty()) return;
  static_cast<void>(model.forward(make_batch(data.train, plan.front(), device), {}));
}

/// What the stages of a run share.
struct staged_run {
  const recipe_options& options;  ///< of the whole run
  const model_description& description;
  const tokenized_dataset& examples;
  std::int64_t unknown_token;
  double clip_rate;
};

/// The loss of a batch from what student and teacher computed of it.
using stage_loss = std::function<Tensor(const batch&, const step_info&, const trace& student,
                                        const trace& teacher)>;

/// Trains the student of a stage on what its teacher computes, or reads it back where an earlier
/// call has finished the stage.
///
/// Returns: whether the next stage follows; false: this one was stopped on purpose
inline result<bool> train_stage(const staged_run& run, const recipe_options& stage, bert& student,
                                bert& teacher, const nlohmann::json& facts, const stage_loss& loss,
                                loss_unit unit = loss_unit::label) {
  announce(stage, student.how().name());
  LOWBIT_TRY_ASSIGN(const auto done,
                    stage_finished(run.options, stage, student.how().name(), run.examples, facts));
  if (done) {
    LOWBIT_TRY(load_parameters(stage.out, student.exported()));
    return true;
  }
  show_first_batch(student, run.examples, stage.fit, default_device());
  const forward_options forward = training_forward(stage.fit);
  fit_job job;
  job.unit = unit;
  job.parameters = with_clip_rate(student, run.clip_rate, stage.fit.optimizer.learning_rate);
  job.loss = [&](const batch& in, const step_info& info) {
    const trace target = teach(teacher, in, {.type = forward.type});
    return loss(in, info, student.forward(in, forward), target);
  };
  LOWBIT_TRY(train_and_write(student, run.description, run.examples, run.unknown_token, stage,
                             facts, std::move(job)));
  return !was_stopped(stage);
}

}  // namespace lowbit::train
