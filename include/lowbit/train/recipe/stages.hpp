// SPDX-License-Identifier: Apache-2.0
// Recipes that run several trainings in a row. Each stage is a model folder next to the final one,
// with its own checkpoint and results: --resume reads finished stages back and resumes the one that
// was stopped.
#pragma once

#include <cstdio>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lowbit/train/recipe/recipe.hpp"

namespace lowbit::train {

/// The options of one stage. Its folder is OUT with a suffix, which is empty for the last stage.
inline recipe_options stage_options(const recipe_options& whole, const std::string& suffix) {
  recipe_options stage = whole;
  stage.out = beside(whole.out, suffix);
  std::error_code ignored;
  stage.fit.resume = whole.fit.resume && std::filesystem::exists(checkpoint_of(stage.out), ignored);
  stage.replace = whole.replace || whole.fit.resume;
  stage.test = whole.test && suffix.empty();  // only once
  return stage;
}

/// finished_before for a stage. Its own fit.resume only says whether it has a checkpoint.
inline result<bool> stage_finished(const recipe_options& whole, const recipe_options& stage,
                                   const std::string& scheme, const tokenized_dataset& data,
                                   const nlohmann::json& facts) {
  if (!whole.fit.resume) return false;
  return finished_before(stage, scheme, data, facts);
}

/// Prints which stage starts.
inline void announce(const recipe_options& stage, const std::string& what) {
  if (stage.group->leads()) std::fprintf(stderr, "%s: %s\n", stage.out.c_str(), what.c_str());
}

/// Checks that no output folder exists or that the run may replace it.
inline status check_outputs(const recipe_options& options,
                            const std::vector<std::string>& suffixes) {
  for (const std::string& suffix : suffixes) {
    recipe_options stage = options;
    stage.out = beside(options.out, suffix);
    LOWBIT_TRY(check_output(stage));
  }
  return {};
}

/// True if a stage that returned without an error was stopped by stop_after.
inline bool was_stopped(const recipe_options& stage) {
  std::error_code ignored;
  return stage.fit.stop_after > 0 && std::filesystem::exists(checkpoint_of(stage.out), ignored);
}

/// Learned clips and steps, which have their own learning rate.
inline bool is_clip(std::string_view name) {
  return name.ends_with("input_clip_val") || name.find(".clip_") != std::string_view::npos;
}

/// All parameters, with the separate learning rate for clips.
inline std::vector<trained_parameter> with_clip_rate(bert& model, double clip_rate,
                                                     double learning_rate) {
  auto all = trained(model.parameters());
  for (trained_parameter& p : all) {
    if (is_clip(p.name)) p.rate = clip_rate / learning_rate;
  }
  return all;
}

/// Initializes unset steps from the first batch of the run, so they are the same in every process
/// and independent of how a batch is cut.
inline void show_first_batch(bert& model, const tokenized_dataset& data, const fit_options& o,
                             const torch::Device& device) {
  torch::NoGradGuard no_gradients;
  std::mt19937_64 generator = seeded_generator(o.seed, 0);
  const auto plan = plan_batches(data.train, o.batch_size, &generator);
  if (plan.empty()) return;
  static_cast<void>(model.forward(make_batch(data.train, plan.front(), device), {}));
}

/// Shared by the stages of a run.
struct staged_run {
  const recipe_options& options;  ///< of the whole run
  const model_description& description;
  const tokenized_dataset& examples;
  std::int64_t unknown_token;
  double clip_rate;
};

/// The loss of a batch, given the outputs of student and teacher.
using stage_loss = std::function<Tensor(const batch&, const step_info&, const trace& student,
                                        const trace& teacher)>;

/// Distills a stage's student from its teacher, or reads it back if an earlier call finished the
/// stage.
///
/// Returns: true to continue with the next stage; false if this one was stopped by stop_after
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
