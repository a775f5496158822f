// SPDX-License-Identifier: Apache-2.0
// The training loop of every recipe: batches, loss, gradient, update, validation after each epoch,
// selection of the best parameters, a checkpoint after each epoch and every few minutes. The recipe
// supplies parameters, loss and step hooks. It knows no scheme.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/train/loop/gradients.hpp"
#include "lowbit/train/loop/progress.hpp"
#include "lowbit/train/loop/together.hpp"
#include "lowbit/train/loop/workers.hpp"

namespace lowbit::train {

namespace detail {

/// An error that says what is left of the run: the best epoch in the output folder, the checkpoint.
inline status not_finite(const char* what, const run_state& run, std::int64_t epoch,
                         const std::filesystem::path& checkpoint) {
  std::string left;
  if (run.best_epoch > 0)
    left += "; epoch " + std::to_string(run.best_epoch) + ", the best so far, stays";
  std::error_code ignored;
  if (!checkpoint.empty() && std::filesystem::exists(checkpoint, ignored)) {
    left += "; " + checkpoint.native() + " stays, but --resume would repeat the step";
  }
  return status::error(errc::invalid_argument, what, " is not finite at step ", run.step,
                       " (epoch ", epoch + 1, ")", left, "; start anew with a lower learning rate");
}

/// An update can overflow even if loss and gradient are finite.
inline bool all_finite(const std::vector<trained_parameter>& parameters) {
  return std::all_of(parameters.begin(), parameters.end(), [](const trained_parameter& p) {
    return at::isfinite(p.tensor.detach()).all().item<bool>();
  });
}

/// The mean loss of the last history point, or of the unfinished one.
inline double latest_loss(const run_state& run) {
  if (!run.history.empty()) return run.history.back().loss;
  return run.collected == 0 ? 0.0 : run.open.loss / static_cast<double>(run.collected);
}

/// Adds a step to the unfinished history point, and completes the point after `every` steps.
inline void record(run_state& run, double loss, std::int64_t every) {
  run.open.loss += loss;
  if (++run.collected < every) return;
  history_point& p = run.open;
  const auto n = static_cast<double>(run.collected);
  p.step = run.step;
  p.loss /= n;
  for (auto& [name, value] : p.measures) value /= n;
  run.history.push_back(std::exchange(run.open, {}));
  run.collected = 0;
}

/// A write error, with instructions to resume if possible.
inline status not_written(const status& error, const std::filesystem::path& checkpoint) {
  std::error_code ignored;
  if (checkpoint.empty() || !std::filesystem::exists(checkpoint, ignored)) return error;
  return status::error(error.code(), error.message(), "; ", checkpoint.native(),
                       " stays: go on from it with --resume");
}

inline status stopped(const run_state& run, std::int64_t total,
                      const std::filesystem::path& checkpoint) {
  return status::error(
      errc::invalid_argument, "stopped on request after step ", run.step, " of ", total,
      checkpoint.empty() ? "" : "; go on with the same command and --resume, from ",
      checkpoint.native());
}

}  // namespace detail

/// Trains on `training`; afterwards parameters and buffers are those of the epoch with the best
/// validation score (of the last epoch without validation).
///
/// Errors: invalid_argument naming the step when the loss, a gradient or a parameter is not finite
///         (the last checkpoint stays), or when stopped; those of the checkpoint, of improved() and
///         of group.sum().
inline result<run_state> fit(const fit_job& job, const std::vector<example>& training,
                             const fit_options& options, const std::string& settings,
                             const torch::Device& device, const workers& group = {}) {
  bert_adam optimizer(job.parameters, options.optimizer);
  std::vector<named_tensor> current;
  for (const trained_parameter& p : job.parameters) current.emplace_back(p.name, p.tensor);
  current.insert(current.end(), job.buffers.begin(), job.buffers.end());
  std::vector<named_tensor> kept;  // the best parameters so far
  for (const auto& [name, tensor] : current) {
    kept.emplace_back("best." + name, tensor.detach().clone());
  }
  std::vector<named_tensor> stored = current;
  for (const auto& part : {optimizer.state(), kept}) {
    stored.insert(stored.end(), part.begin(), part.end());
  }

  run_state run;
  if (options.resume && group.leads()) {
    LOWBIT_TRY_ASSIGN(run, read_checkpoint(options.checkpoint, stored, settings));
  }
  LOWBIT_TRY(detail::share_start(group, stored, run));
  const double seconds_before = run.seconds;
  const std::int64_t batches = steps_of_epoch(training.size(), options.batch_size);
  const std::int64_t total = batches * options.epochs;
  const std::int64_t point = std::max<std::int64_t>(1, total / 200);
  progress shown(run.step, total, group.leads());
  double saved = shown.elapsed();
  const auto check_finite = [&]() -> status {
    if (detail::all_finite(job.parameters)) return {};
    return detail::not_finite("a parameter", run, (run.step - 1) / batches, options.checkpoint);
  };
  const auto save = [&]() -> status {
    run.seconds = seconds_before + shown.elapsed();
    saved = shown.elapsed();
    if (options.checkpoint.empty() || !group.leads()) return {};
    const status written = write_checkpoint(options.checkpoint, stored, run, settings);
    return written.ok() ? written : detail::not_written(written, options.checkpoint);
  };

  bool stop = false;
  while (run.step < total) {
    const std::int64_t epoch = run.step / batches;
    std::mt19937_64 generator = seeded_generator(options.seed, static_cast<std::uint64_t>(epoch));
    const auto plan = plan_batches(training, options.batch_size, &generator);
    for (std::int64_t b = run.step % batches; b < batches; ++b) {
      const step_info info{run.step, total, epoch, &run.open.measures};
      detail::seed_step(group, options.seed, run.step, 0);
      if (job.before_step) job.before_step(info);
      optimizer.zero_gradients();
      detail::seed_step(group, options.seed, run.step, group.rank() + 1);
      LOWBIT_TRY_ASSIGN(const auto outcome, detail::accumulate_gradients(
                                                job, training, plan[static_cast<std::size_t>(b)],
                                                options, device, group, info));
      const double loss = outcome.loss;
      stop = outcome.stop;
      if (!std::isfinite(loss))
        return detail::not_finite("the loss", run, epoch, options.checkpoint);
      const double factor = options.constant_rate ? warmup_constant(run.step, total, options.warmup)
                                                  : warmup_linear(run.step, total, options.warmup);
      if (!std::isfinite(optimizer.step(options.optimizer.learning_rate * factor))) {
        return detail::not_finite("a gradient", run, epoch, options.checkpoint);
      }
      if (job.after_step) job.after_step(info);
      ++run.step;
      shown.step(run.step, loss, run.best);
      detail::record(run, loss, point);
      if (b + 1 < batches) {
        const bool leave = stop || run.step == options.stop_after;
        if (!leave && shown.elapsed() - saved <= options.checkpoint_seconds) continue;
        LOWBIT_TRY(check_finite());
        LOWBIT_TRY(save());
        if (stop) return detail::stopped(run, total, options.checkpoint);
        if (leave) return run;
      }
    }
    LOWBIT_TRY(check_finite());
    LOWBIT_TRY_ASSIGN(const auto agreed,
                      detail::agreed(group, job.validate ? job.validate() : -1.0));
    const double score = agreed;
    if (job.validate) run.scores.push_back({run.step, epoch + 1, score});
    run.seconds = seconds_before + shown.elapsed();
    const bool may_be_kept = !job.eligible || job.eligible(run.step);
    const bool better = may_be_kept && (!job.validate || score > run.best);
    if (better) {
      run.best = score;
      run.best_epoch = epoch + 1;
      torch::NoGradGuard no_gradients;
      for (std::size_t i = 0; i < kept.size(); ++i) kept[i].second.copy_(current[i].second);
    }
    shown.epoch(epoch + 1, options.epochs, run.step, detail::latest_loss(run), score, run.best);
    LOWBIT_TRY(save());  // before the folder: if the disk has room for only one, nothing is lost
    if (better && job.improved && group.leads()) {
      if (const status written = job.improved(run); !written.ok()) {
        return detail::not_written(written, options.checkpoint);
      }
    }
    if (run.step == options.stop_after) return run;
    if (stop && run.step < total) return detail::stopped(run, total, options.checkpoint);
  }
  torch::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < kept.size(); ++i) current[i].second.copy_(kept[i].second);
  return run;
}

}  // namespace lowbit::train
