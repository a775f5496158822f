// SPDX-License-Identifier: Apache-2.0
// A training run as described by a recipe: options, parameters, loss, and step hooks.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/train/data/batching.hpp"
#include "lowbit/train/loop/checkpoint.hpp"
#include "lowbit/train/loop/optimizer.hpp"

namespace lowbit::train {

struct fit_options {
  std::int64_t epochs = 10;
  std::size_t batch_size = 32;
  std::size_t accumulate = 1;  ///< pieces that a batch is split into, to save memory
  std::uint64_t seed = 42;
  double warmup = 0.1;         ///< fraction of all steps
  bool constant_rate = false;  ///< after the warm-up; otherwise it decays to 0
  double dropout = 0.1;
  double classifier_dropout = 0.1;
  double token_dropout = 0.0;
  optimizer_options optimizer;
  precision type = precision::bf16;
  std::filesystem::path checkpoint;  ///< empty: none
  double checkpoint_seconds = 300;
  bool resume = false;
  /// Polled after each step: true ends the run with a checkpoint and an error.
  std::function<bool()> stop_asked;
  std::int64_t stop_after = 0;  ///< stop after this many steps, as if killed; 0: never
};

/// Includes a smaller last batch.
inline std::int64_t steps_of_epoch(std::size_t examples, std::size_t batch_size) {
  return static_cast<std::int64_t>((examples + batch_size - 1) / batch_size);
}

/// The shortest decimal that reads back as `value`.
inline std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// All options that affect the numbers, as text: stored with a checkpoint.
inline std::string settings_text(const fit_options& o, const std::string& recipe) {
  return recipe + " epochs=" + std::to_string(o.epochs) + " batch=" + std::to_string(o.batch_size) +
         "/" + std::to_string(o.accumulate) + " seed=" + std::to_string(o.seed) +
         " lr=" + number_text(o.optimizer.learning_rate) +
         (o.constant_rate ? " constant" : " linear") +
         " decay=" + number_text(o.optimizer.weight_decay) +
         " clip=" + number_text(o.optimizer.clip) + " warmup=" + number_text(o.warmup) +
         " dropout=" + number_text(o.dropout) + "/" + number_text(o.classifier_dropout) + "/" +
         number_text(o.token_dropout) + (o.type == precision::bf16 ? " bf16" : " f32");
}

/// The GPU if this libtorch supports one, else the CPU. With several processes on a machine, each
/// takes the GPU of its LOCAL_RANK, as set by torchrun.
inline torch::Device default_device() {
  if (!torch::cuda::is_available()) return torch::Device(torch::kCPU);
  const char* local = std::getenv("LOCAL_RANK");
  const auto gpus = std::max(1, static_cast<int>(torch::cuda::device_count()));
  const int index = local == nullptr ? 0 : std::abs(std::atoi(local)) % gpus;
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
}

/// The position of a step in the run.
struct step_info {
  std::int64_t step = 0, total = 0;  ///< steps done, steps in all
  std::int64_t epoch = 0;            ///< finished epochs
  /// Named values for the history, which records their means.
  std::map<std::string, double>* measures = nullptr;

  void measure(const std::string& name, double value) const {
    if (measures != nullptr) (*measures)[name] += value;
  }
};

/// The unit that a loss is averaged over, and so the weight of a piece of a batch. With token
/// labels, layer matching over all positions is still a mean over sentences.
enum class loss_unit { label, sentence };

/// One training run, as described by a recipe. All functions but `loss` may be empty.
struct fit_job {
  std::vector<trained_parameter> parameters;
  std::vector<named_tensor> buffers;  ///< further state of a resumed or restored run
  /// Maxima over the pieces of a step, never negative, updated by the loss. After the step's last
  /// piece they are maximized over all processes; after_step() reads them and resets them to 0.
  std::vector<Tensor> maxima;
  corruption corrupt;
  /// The scalar to minimize.
  std::function<Tensor(const batch&, const step_info&)> loss;
  loss_unit unit = loss_unit::label;
  std::function<void(const step_info&)> before_step, after_step;
  std::function<double()> validate;  ///< higher is better
  /// Whether the model after `step` steps may be kept; empty: always. True for the last step.
  std::function<bool(std::int64_t step)> eligible;
  /// Called after a best epoch, while the model holds its parameters.
  std::function<status(const run_state&)> improved;
  /// Additional facts about the best parameters for results.json; the model holds them.
  std::function<nlohmann::json()> report;
};

}  // namespace lowbit::train
