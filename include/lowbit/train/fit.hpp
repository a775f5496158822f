// SPDX-License-Identifier: Apache-2.0
// The training loop that every recipe shares: batches, loss, gradient, update, validation after
// each epoch, the best parameters kept, a checkpoint after each epoch. The recipe gives the loss.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/train/batching.hpp"
#include "lowbit/train/bert.hpp"
#include "lowbit/train/checkpoint.hpp"
#include "lowbit/train/optimizer.hpp"
#include "lowbit/train/progress.hpp"

namespace lowbit::train {

struct fit_options {
  std::int64_t epochs = 10;
  std::size_t batch_size = 32;
  std::uint64_t seed = 42;
  double warmup = 0.1;  ///< share of all steps
  double dropout = 0.1;
  double classifier_dropout = 0.1;
  token_dropout words;
  optimizer_options optimizer;
  precision type = precision::bf16;
  bool logits_only = false;          ///< see forward_options
  std::filesystem::path checkpoint;  ///< empty: none
  bool resume = false;
  std::int64_t stop_after = 0;  ///< stop after this many epochs, as if killed; 0: run to the end
};

/// Every option that changes the numbers, as text: stored with a checkpoint.
inline std::string settings_text(const fit_options& o, const std::string& recipe) {
  return recipe + " epochs=" + std::to_string(o.epochs) + " batch=" + std::to_string(o.batch_size) +
         " seed=" + std::to_string(o.seed) + " lr=" + std::to_string(o.optimizer.learning_rate) +
         " decay=" + std::to_string(o.optimizer.weight_decay) +
         " clip=" + std::to_string(o.optimizer.clip) + " warmup=" + std::to_string(o.warmup) +
         " dropout=" + std::to_string(o.dropout) + "/" + std::to_string(o.classifier_dropout) +
         "/" + std::to_string(o.words.probability) + (o.type == precision::bf16 ? " bf16" : " f32");
}

/// The GPU when this libtorch has one, else the CPU.
inline torch::Device default_device() {
  return torch::cuda::is_available() ? torch::Device(torch::kCUDA) : torch::Device(torch::kCPU);
}

/// Share of examples whose largest logit is the label; exact float32, no dropout.
template <class Policy>
double accuracy(const bert<Policy>& model, const std::vector<example>& data,
                const torch::Device& device) {
  if (data.empty()) return -1.0;
  torch::NoGradGuard no_gradients;
  std::int64_t right = 0;
  for (const auto& members : plan_batches(data, 128, nullptr)) {
    const batch in = make_batch(data, members, {}, nullptr, device);
    const Tensor logits = model.forward(in, {.logits_only = true}).logits;
    right += logits.argmax(1).eq(in.labels).sum().template item<std::int64_t>();
  }
  return static_cast<double>(right) / static_cast<double>(data.size());
}

/// Trains `model` on `training`; afterwards it holds the parameters of the epoch with the best
/// validation accuracy (of the last epoch without a validation split).
///
/// loss(trace, batch): the scalar to minimise. improved(run): called when a best epoch is reached,
/// while the model holds its parameters; may be empty.
/// Errors: invalid_argument naming the step when the loss or a gradient is not finite (the
///         checkpoint of the last whole epoch stays); those of the checkpoint and of improved().
template <class Policy, class Loss>
result<run_state> fit(bert<Policy>& model, const std::vector<example>& training,
                      const std::vector<example>& validation, const fit_options& options,
                      const std::string& settings, const torch::Device& device, const Loss& loss,
                      const std::function<status(const run_state&)>& improved) {
  const std::vector<named_tensor> parameters = model.parameters();
  bert_adam optimizer(parameters, options.optimizer);
  std::vector<named_tensor> kept;  // the best parameters so far
  for (const auto& [name, tensor] : parameters) {
    kept.emplace_back("best." + name, tensor.detach().clone());
  }
  std::vector<named_tensor> stored = parameters;
  for (const auto& part : {optimizer.state(), kept}) {
    stored.insert(stored.end(), part.begin(), part.end());
  }

  run_state run;
  if (options.resume) {
    auto restored = read_checkpoint(options.checkpoint, stored, settings);
    if (!restored) return restored.status();
    run = *std::move(restored);
  }
  const double seconds_before = run.seconds;
  const auto batches =
      static_cast<std::int64_t>((training.size() + options.batch_size - 1) / options.batch_size);
  const std::int64_t total = batches * options.epochs;
  progress shown(run.step, total);
  const forward_options forward{true, options.dropout, options.classifier_dropout, options.type,
                                options.logits_only};

  while (run.epoch < options.epochs) {
    std::mt19937_64 generator = epoch_generator(options.seed, run.epoch);
    double loss_sum = 0.0;
    std::int64_t right = 0, seen = 0, steps = 0;
    for (const auto& members : plan_batches(training, options.batch_size, &generator)) {
      const batch in = make_batch(training, members, options.words, &generator, device);
      const trace out = model.forward(in, forward);
      const Tensor value = loss(out, in);
      const auto number = value.template item<double>();
      if (!std::isfinite(number)) {
        return status::error(errc::invalid_argument, "the loss is not finite at step ", run.step,
                             " (epoch ", run.epoch + 1, "); try a lower learning rate");
      }
      optimizer.zero_gradients();
      value.backward();
      const double rate =
          options.optimizer.learning_rate * warmup_linear(run.step, total, options.warmup);
      if (!std::isfinite(optimizer.step(rate))) {
        return status::error(errc::invalid_argument, "a gradient is not finite at step ", run.step,
                             " (epoch ", run.epoch + 1, "); try a lower learning rate");
      }
      loss_sum += number;
      right += out.logits.argmax(1).eq(in.labels).sum().template item<std::int64_t>();
      seen += in.labels.size(0);
      ++steps, ++run.step;
      shown.step(run.step, loss_sum / static_cast<double>(steps),
                 static_cast<double>(right) / static_cast<double>(seen));
    }
    ++run.epoch;
    run.history.push_back({loss_sum / static_cast<double>(steps),
                           static_cast<double>(right) / static_cast<double>(seen),
                           accuracy(model, validation, device)});
    run.seconds = seconds_before + shown.elapsed();
    const epoch_record& last = run.history.back();
    if (validation.empty() || last.validation > run.best) {
      run.best = last.validation;
      run.best_epoch = run.epoch;
      torch::NoGradGuard no_gradients;
      for (std::size_t i = 0; i < kept.size(); ++i) kept[i].second.copy_(parameters[i].second);
      if (improved) LOWBIT_TRY(improved(run));
    }
    shown.epoch(run.epoch, options.epochs, run.step, last.loss, last.train_accuracy,
                last.validation, run.best);
    if (!options.checkpoint.empty()) {
      LOWBIT_TRY(write_checkpoint(options.checkpoint, stored, run, settings));
    }
    if (options.stop_after > 0 && run.epoch == options.stop_after) return run;
  }
  torch::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < kept.size(); ++i) parameters[i].second.copy_(kept[i].second);
  return run;
}

}  // namespace lowbit::train
