// SPDX-License-Identifier: Apache-2.0
// A trial: trains a fresh model against the teacher for a few steps and reports the final loss. All
// trials with one batch size see the same batches in the same order, so their losses are
// comparable. Plain SGD with gradient clipping, which the guarantee of the search assumes; Adam on
// request.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lowbit/train/data/batching.hpp"
#include "lowbit/train/loop/fit_job.hpp"
#include "lowbit/train/loop/optimizer.hpp"
#include "lowbit/train/loss/soft_targets.hpp"

namespace lowbit::train {

/// One member of Theta.
struct trial_setting {
  double rate = 0.1;
  std::size_t batch = 32;

  friend bool operator==(const trial_setting&, const trial_setting&) = default;
};

struct trial_options {
  std::int64_t steps = 100;
  bool adam = false;  ///< instead of SGD
  std::uint64_t seed = 42;
  precision type = precision::bf16;
  soft_target_options objective;

  /// The error is the mean loss of this many final steps: a tenth of all.
  [[nodiscard]] std::int64_t last() const { return std::max<std::int64_t>(1, steps / 10); }
};

/// The distillation loss of a student with the teacher's head. Masked language model: 0.1 MLM + 0.5
/// T^2 KL per masked token. Classifier: soft cross entropy with the teacher.
inline Tensor teaching_loss(const trace& student, const Tensor& answers, head_kind head,
                            const soft_target_options& o) {
  if (head == head_kind::masked_lm) {
    return soft_target_loss(student.logits, answers, student.targets, o);
  }
  return soft_cross_entropy(student.logits, answers);
}

/// The batches of every trial with the teacher's logits, which are cached while there is room.
class taught_batches {
 public:
  struct item {
    batch in;
    Tensor answers;  // the teacher's logits
  };

  taught_batches(const std::vector<example>& data, corruption corrupt, bert& teacher,
                 const trial_options& options, const torch::Device& device)
      : data_(data),
        corrupt_(std::move(corrupt)),
        teacher_(teacher),
        options_(options),
        device_(device) {}

  /// The batch of step 0 .. in trials with batch size `size`.
  [[nodiscard]] item at(std::size_t size, std::int64_t step) {
    const auto key = std::pair{size, step};
    if (const auto known = kept_.find(key); known != kept_.end()) return known->second;
    const std::int64_t epoch = step / steps_of_epoch(data_.size(), size);
    if (plan_of_ != std::pair{size, epoch}) {
      auto generator = seeded_generator(options_.seed, static_cast<std::uint64_t>(epoch));
      plan_ = plan_batches(data_, size, &generator);
      plan_of_ = {size, epoch};
    }
    item one;
    one.in = make_batch(data_, plan_[static_cast<std::size_t>(step) % plan_.size()], corrupt_,
                        options_.seed, step, device_);
    torch::NoGradGuard no_gradients;
    one.answers = teacher_.forward(one.in, {.type = options_.type, .logits_only = true}).logits;
    if (bytes_ + one.answers.nbytes() <= room) {
      bytes_ += one.answers.nbytes();
      kept_.emplace(key, one);
    }
    return one;
  }

 private:
  static constexpr std::size_t room = std::size_t{1} << 30;

  const std::vector<example>& data_;
  corruption corrupt_;
  bert& teacher_;
  trial_options options_;
  torch::Device device_;
  std::map<std::pair<std::size_t, std::int64_t>, item> kept_;
  std::size_t bytes_ = 0;
  std::vector<std::vector<std::size_t>> plan_;
  std::pair<std::size_t, std::int64_t> plan_of_{0, -1};
};

/// p -= rate * g with the gradient norm clipped to 1. Does nothing if the norm is not finite.
inline double sgd_step(const std::vector<trained_parameter>& parameters, double rate) {
  torch::NoGradGuard no_gradients;
  double squares = 0.0;
  for (const trained_parameter& p : parameters) {
    if (p.tensor.grad().defined()) squares += std::pow(p.tensor.grad().norm().item<double>(), 2);
  }
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) return norm;
  const double shrink = norm > 1.0 ? 1.0 / norm : 1.0;
  for (const trained_parameter& p : parameters) {
    if (p.tensor.grad().defined()) p.tensor.sub_(p.tensor.grad(), rate * shrink);
  }
  return norm;
}

/// e(xi) of one setting: the mean distillation loss of the final steps of a fresh model. Infinity
/// if the trial diverged, nullopt if `go_on`, called after each step, returned false.
inline std::optional<double> trial_error(const model_shape& shape, const scheme_ptr& how,
                                         taught_batches& batches, const trial_setting& setting,
                                         const trial_options& options, const torch::Device& device,
                                         const std::function<bool()>& go_on) {
  constexpr double diverged = std::numeric_limits<double>::infinity();
  torch::manual_seed(options.seed);
  bert model(shape, how);
  model.to(device);
  const auto parameters = trained(model.parameters());
  bert_adam optimizer(options.adam ? parameters : std::vector<trained_parameter>{}, {});
  const forward_options forward{.training = true, .type = options.type, .logits_only = true};
  double sum = 0.0;
  for (std::int64_t step = 0; step < options.steps; ++step) {
    const taught_batches::item one = batches.at(setting.batch, step);
    for (const trained_parameter& p : parameters) p.tensor.mutable_grad() = Tensor();
    const Tensor loss =
        teaching_loss(model.forward(one.in, forward), one.answers, shape.head, options.objective);
    const double value = loss.item<double>();
    if (!std::isfinite(value)) return diverged;
    loss.backward();
    const double norm =
        options.adam ? optimizer.step(setting.rate) : sgd_step(parameters, setting.rate);
    if (!std::isfinite(norm)) return diverged;
    if (step >= options.steps - options.last()) sum += value;
    if (!go_on()) return std::nullopt;
  }
  return sum / static_cast<double>(options.last());
}

}  // namespace lowbit::train
