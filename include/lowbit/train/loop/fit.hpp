// SPDX-License-Identifier: Apache-2.0
// The training loop that every recipe shares: batches, loss, gradient, update, validation after
// each epoch, the best parameters kept, a checkpoint after each epoch and every few minutes. The
// recipe gives what is trained, the loss, and what changes from step to step. It knows no scheme.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/train/data/batching.hpp"
#include "lowbit/train/loop/checkpoint.hpp"
#include "lowbit/train/loop/optimizer.hpp"
#include "lowbit/train/loop/progress.hpp"
#include "lowbit/train/loop/together.hpp"
#include "lowbit/train/loop/workers.hpp"

namespace lowbit::train {

struct fit_options {
  std::int64_t epochs = 10;
  std::size_t batch_size = 32;
  std::size_t accumulate = 1;  ///< pieces that a batch is computed in, to save memory
  std::uint64_t seed = 42;
  double warmup = 0.1;         ///< share of all steps
  bool constant_rate = false;  ///< after the warm-up; else it falls to 0
  double dropout = 0.1;
  double classifier_dropout = 0.1;
  double token_dropout = 0.0;
  optimizer_options optimizer;
  precision type = precision::bf16;
  std::filesystem::path checkpoint;  ///< empty: none
  double checkpoint_seconds = 300;
  bool resume = false;
  /// Asked after each step: true ends the run with a checkpoint and an error that says so.
  std::function<bool()> stop_asked;
  std::int64_t stop_after = 0;  ///< stop after this many steps, as if killed; 0: run to the end
};

/// Every option that changes the numbers, as text: stored with a checkpoint.
inline std::string settings_text(const fit_options& o, const std::string& recipe) {
  return recipe + " epochs=" + std::to_string(o.epochs) + " batch=" + std::to_string(o.batch_size) +
         "/" + std::to_string(o.accumulate) + " seed=" + std::to_string(o.seed) +
         " lr=" + std::to_string(o.optimizer.learning_rate) +
         (o.constant_rate ? " constant" : " linear") +
         " decay=" + std::to_string(o.optimizer.weight_decay) +
         " clip=" + std::to_string(o.optimizer.clip) + " warmup=" + std::to_string(o.warmup) +
         " dropout=" + std::to_string(o.dropout) + "/" + std::to_string(o.classifier_dropout) +
         "/" + std::to_string(o.token_dropout) + (o.type == precision::bf16 ? " bf16" : " f32");
}

/// The GPU when this libtorch has one, else the CPU. Of several processes on a machine each takes
/// the GPU of its LOCAL_RANK, as torchrun numbers them.
inline torch::Device default_device() {
  if (!torch::cuda::is_available()) return torch::Device(torch::kCPU);
  const char* local = std::getenv("LOCAL_RANK");
  const auto gpus = std::max(1, static_cast<int>(torch::cuda::device_count()));
  const int index = local == nullptr ? 0 : std::abs(std::atoi(local)) % gpus;
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
}

/// Where a run stands, for what changes from step to step.
struct step_info {
  std::int64_t step = 0, total = 0;  ///< steps done, steps in all
  std::int64_t epoch = 0;            ///< finished epochs
  /// Named numbers whose mean the history shows; a recipe adds what it wants to be seen.
  std::map<std::string, double>* measures = nullptr;

  void measure(const std::string& name, double value) const {
    if (measures != nullptr) (*measures)[name] += value;
  }
};

/// One training run, as a recipe describes it. Functions may be empty but for `loss`.
struct fit_job {
  std::vector<trained_parameter> parameters;
  std::vector<named_tensor> buffers;  ///< what else a resumed or restored run needs
  /// What the pieces of a step saw at most, not below 0; the loss widens it. After the step's last
  /// piece it is the greatest of all processes; after_step() takes it and puts it back to 0.
  std::vector<Tensor> maxima;
  corruption corrupt;
  /// The scalar to minimise: a mean over the batch's sentences, or over its labels when they belong
  /// to tokens.
  std::function<Tensor(const batch&, const step_info&)> loss;
  std::function<void(const step_info&)> before_step, after_step;
  std::function<double()> validate;  ///< a score, greater is better
  /// Whether the model after `step` steps may be kept; empty: always. The last one must be.
  std::function<bool(std::int64_t step)> eligible;
  /// A best epoch was reached, the model holds its parameters.
  std::function<status(const run_state&)> improved;
  /// More about the best parameters than their score, for results.json; the model holds them.
  std::function<nlohmann::json()> report;
};

namespace detail {

/// What the mean of a batch's loss is taken over.
inline double units_of(const batch& in) {
  if (in.labels.dim() == 1) return static_cast<double>(in.labels.size(0));
  return in.labels.ne(ignored_label).sum().item<double>();
}

inline status not_finite(const char* what, const run_state& run, std::int64_t epoch) {
  return status::error(errc::invalid_argument, what, " is not finite at step ", run.step,
                       " (epoch ", epoch + 1,
                       "); the best model so far and the last checkpoint stay; try a lower "
                       "learning rate");
}

/// Adds a step to the open point of the history, and closes the point after `every` steps.
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

/// What one step found out, the same in every process.
struct step_outcome {
  double loss = 0.0;
  bool stop = false;  ///< a process was asked to stop
};

/// Gradients of one batch, cut in pieces over processes and `accumulate`; the loss is their mean.
/// The gradient is that of the whole batch's mean, whatever the number of pieces; so are the
/// measures, of this process' pieces.
inline result<step_outcome> accumulate_gradients(const fit_job& job,
                                                 const std::vector<example>& training,
                                                 const std::vector<std::size_t>& members,
                                                 const fit_options& options,
                                                 const torch::Device& device, const workers& group,
                                                 const step_info& info) {
  const std::size_t own = options.accumulate, all = own * group.size();
  const auto pieces = cut_batch(members, all);
  double loss_sum = 0.0, units_sum = 0.0;
  std::map<std::string, double> measured;
  for (std::size_t p = group.rank() * own; p < (group.rank() + 1) * own; ++p) {
    if (pieces[p].empty()) continue;
    const batch in = make_batch(training, pieces[p], job.corrupt, options.seed, info.step, device);
    const double units = units_of(in);
    if (units == 0) continue;
    std::map<std::string, double> measures;
    step_info piece = info;
    piece.measures = &measures;
    const Tensor value = job.loss(in, piece);
    loss_sum += value.item<double>() * units;
    units_sum += units;
    for (const auto& [name, measure] : measures) measured[name] += measure * units;
    // A loss that is not finite is found below; its gradient would only cost time. One that nothing
    // trained took part in has none.
    if (std::isfinite(loss_sum) && value.requires_grad()) {
      (all == 1 ? value : value * units).backward();
    }
  }
  for (const auto& [name, measure] : measured) info.measure(name, measure / units_sum);
  const bool stop = options.stop_asked && options.stop_asked();
  if (all == 1) return step_outcome{units_sum == 0 ? 0.0 : loss_sum / units_sum, stop};
  const Tensor totals =
      at::tensor(std::vector<double>{loss_sum, units_sum, stop ? 1.0 : 0.0}, at::kDouble);
  std::vector<Tensor> summed{totals};
  for (const trained_parameter& p : job.parameters) {
    if (!p.tensor.grad().defined()) p.tensor.mutable_grad() = at::zeros_like(p.tensor);
    summed.push_back(p.tensor.grad());
  }
  std::vector<Tensor> seen;  // of each maximum a row for every process: the others add zeros
  for (const Tensor& maximum : job.maxima) {
    seen.push_back(
        at::zeros({static_cast<std::int64_t>(group.size()), maximum.numel()}, maximum.options()));
    seen.back()[static_cast<std::int64_t>(group.rank())].copy_(maximum.flatten());
    summed.push_back(seen.back());
  }
  LOWBIT_TRY(group.sum(summed));
  for (std::size_t i = 0; i < seen.size(); ++i) {
    job.maxima[i].copy_(seen[i].amax(0).view(job.maxima[i].sizes()));
  }
  const double units = std::max(totals[1].item<double>(), 1.0);
  torch::NoGradGuard no_gradients;
  for (const trained_parameter& p : job.parameters) p.tensor.mutable_grad().div_(units);
  return step_outcome{totals[0].item<double>() / units, totals[2].item<double>() > 0};
}

/// What could not be written, and the way to go on where there is one.
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
/// Errors: invalid_argument naming the step when the loss or a gradient is not finite (the last
///         checkpoint stays), or when it was asked to stop; those of the checkpoint, of improved()
///         and of group.sum().
inline result<run_state> fit(const fit_job& job, const std::vector<example>& training,
                             const fit_options& options, const std::string& settings,
                             const torch::Device& device, const workers& group = {}) {
  bert_adam optimizer(job.parameters, options.optimizer);
  std::vector<named_tensor> current;
  for (const trained_parameter& p : job.parameters) current.emplace_back(p.name, p.tensor);
  current.insert(current.end(), job.buffers.begin(), job.buffers.end());
  std::vector<named_tensor> kept;  // the best of them so far
  for (const auto& [name, tensor] : current) {
    kept.emplace_back("best." + name, tensor.detach().clone());
  }
  std::vector<named_tensor> stored = current;
  for (const auto& part : {optimizer.state(), kept}) {
    stored.insert(stored.end(), part.begin(), part.end());
  }

  run_state run;
  if (options.resume && group.leads()) {
    auto restored = read_checkpoint(options.checkpoint, stored, settings);
    if (!restored) return restored.status();
    run = *std::move(restored);
  }
  LOWBIT_TRY(detail::share_start(group, stored, run));
  const double seconds_before = run.seconds;
  const auto batches =
      static_cast<std::int64_t>((training.size() + options.batch_size - 1) / options.batch_size);
  const std::int64_t total = batches * options.epochs;
  const std::int64_t point = std::max<std::int64_t>(1, total / 200);
  progress shown(run.step, total, group.leads());
  double saved = shown.elapsed();
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
      const auto outcome = detail::accumulate_gradients(
          job, training, plan[static_cast<std::size_t>(b)], options, device, group, info);
      if (!outcome) return outcome.status();
      const double loss = outcome->loss;
      stop = outcome->stop;
      if (!std::isfinite(loss)) return detail::not_finite("the loss", run, epoch);
      const double factor = options.constant_rate ? warmup_constant(run.step, total, options.warmup)
                                                  : warmup_linear(run.step, total, options.warmup);
      if (!std::isfinite(optimizer.step(options.optimizer.learning_rate * factor))) {
        return detail::not_finite("a gradient", run, epoch);
      }
      if (job.after_step) job.after_step(info);
      ++run.step;
      shown.step(run.step, loss, run.best);
      detail::record(run, loss, point);
      if (b + 1 < batches) {
        if (shown.elapsed() - saved > options.checkpoint_seconds) LOWBIT_TRY(save());
        if (stop || run.step == options.stop_after) {
          LOWBIT_TRY(save());
          if (stop) return detail::stopped(run, total, options.checkpoint);
          return run;
        }
      }
    }
    const auto agreed = detail::agreed(group, job.validate ? job.validate() : -1.0);
    if (!agreed) return agreed.status();
    const double score = *agreed;
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
    shown.epoch(epoch + 1, options.epochs, run.step,
                run.history.empty() ? 0.0 : run.history.back().loss, score, run.best);
    LOWBIT_TRY(save());  // before the folder: where only one fits on the disk, nothing is lost
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
