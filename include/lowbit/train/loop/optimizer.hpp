// SPDX-License-Identifier: Apache-2.0
// The optimizer of BERT fine-tuning and its learning-rate schedule. Our own because libtorch's
// AdamW makes a dozen passes over memory per step; a binary student has so little arithmetic that
// these would take a third of its training time.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "lowbit/train/model/every_cpu.hpp"
#include "lowbit/train/model/scheme.hpp"

namespace lowbit::train {

/// The learning-rate factor at a 0-based step: linear from 0 to 1 over the first warmup*total
/// steps, then linear to 0 at `total`.
inline double warmup_linear(std::int64_t step, std::int64_t total, double warmup) {
  if (total <= 0) return 0.0;
  const double x = static_cast<double>(step) / static_cast<double>(total);
  if (x < warmup) return x / warmup;
  return std::max(0.0, (1.0 - x) / (1.0 - warmup));
}

/// A tensor updated by the optimizer.
struct trained_parameter {
  std::string name;
  Tensor tensor;
  double rate = 1.0;   ///< factor on the learning rate
  bool decays = true;  ///< subject to weight decay
};

/// No weight decay on biases, LayerNorm and a scheme's other parameters (clips, shifts).
inline std::vector<trained_parameter> trained(const std::vector<named_tensor>& all) {
  std::vector<trained_parameter> out;
  for (const auto& [name, tensor] : all) {
    const bool decays = name.ends_with(".weight") && name.find("LayerNorm") == std::string::npos;
    out.push_back({name, tensor, 1.0, decays});
  }
  return out;
}

/// The same warm-up, then constant 1.
inline double warmup_constant(std::int64_t step, std::int64_t total, double warmup) {
  if (total <= 0) return 0.0;
  const double x = static_cast<double>(step) / static_cast<double>(total);
  return x < warmup ? x / warmup : 1.0;
}

/// b1, b2 and eps of BERT's Adam.
inline constexpr double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-6;

struct optimizer_options {
  double learning_rate = 1e-4;
  double weight_decay = 0.01;  ///< decoupled; not on biases and LayerNorm
  double clip = 1.0;           ///< for the global gradient norm; 0: none
};

namespace detail {

struct adam_step {
  float rate, clip, keep;
};

/// The update of bert_adam in one pass over memory.
LOWBIT_EVERY_CPU inline void adam_update(const adam_step& s, const float* __restrict gradient,
                                         float* __restrict m, float* __restrict v,
                                         float* __restrict p, std::int64_t size) {
  constexpr auto beta1 = static_cast<float>(adam_beta1), beta2 = static_cast<float>(adam_beta2);
  for (std::int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] * s.clip;
    m[i] = beta1 * m[i] + (1.0F - beta1) * g;
    v[i] = beta2 * v[i] + (1.0F - beta2) * g * g;
    p[i] = p[i] * s.keep - s.rate * m[i] / (std::sqrt(v[i]) + static_cast<float>(adam_epsilon));
  }
}

}  // namespace detail

/// BertAdam: Adam without bias correction (the warm-up takes its place), with decoupled weight
/// decay.
///   m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  p -= lr * (m / (sqrt(v) + eps) + decay * p)
class bert_adam {
 public:
  bert_adam(const std::vector<trained_parameter>& parameters, const optimizer_options& options)
      : options_(options) {
    for (const trained_parameter& p : parameters) {
      slots_.push_back({p.name, p.tensor, at::zeros_like(p.tensor).detach(),
                        at::zeros_like(p.tensor).detach(), p.decays ? options.weight_decay : 0.0,
                        p.rate});
    }
  }

  void zero_gradients() {
    for (slot& s : slots_) s.parameter.mutable_grad() = Tensor();
  }

  /// One update with learning rate `rate`. Returns the norm of all gradients before clipping; if it
  /// is not finite, nothing changes.
  double step(double rate) {
    torch::NoGradGuard no_gradients;
    double squares = 0.0;
    for (const slot& s : slots_) {
      if (const Tensor g = s.parameter.grad(); g.defined()) {
        const double n = g.norm().item<double>();
        squares += n * n;
      }
    }
    const double norm = std::sqrt(squares);
    if (!std::isfinite(norm)) return norm;
    const double shrink =
        options_.clip > 0 && norm > options_.clip ? options_.clip / (norm + 1e-6) : 1.0;
    for (slot& s : slots_) {
      if (s.parameter.grad().defined()) update(s, rate * s.rate, shrink);
    }
    return norm;
  }

  /// The moments, named after their parameters, for checkpoints.
  [[nodiscard]] std::vector<named_tensor> state() const {
    std::vector<named_tensor> all;
    for (const slot& s : slots_) {
      all.emplace_back("optimizer.m." + s.name, s.m);
      all.emplace_back("optimizer.v." + s.name, s.v);
    }
    return all;
  }

 private:
  struct slot {
    std::string name;
    Tensor parameter, m, v;
    double decay, rate;
  };

  void update(slot& s, double rate, double shrink) const {
    const Tensor g = s.parameter.grad().contiguous();
    if (!s.parameter.is_cpu()) {
      s.m.mul_(adam_beta1).add_(g, (1.0 - adam_beta1) * shrink);
      s.v.mul_(adam_beta2).addcmul_(g, g, (1.0 - adam_beta2) * shrink * shrink);
      s.parameter.mul_(1.0 - rate * s.decay).addcdiv_(s.m, s.v.sqrt().add_(adam_epsilon), -rate);
      return;
    }
    const detail::adam_step step{static_cast<float>(rate), static_cast<float>(shrink),
                                 static_cast<float>(1.0 - rate * s.decay)};
    detail::adam_update(step, g.data_ptr<float>(), s.m.data_ptr<float>(), s.v.data_ptr<float>(),
                        s.parameter.data_ptr<float>(), s.parameter.numel());
    s.parameter.unsafeGetTensorImpl()->bump_version();  // as libtorch's in-place functions do
  }

  optimizer_options options_;
  std::vector<slot> slots_;
};

}  // namespace lowbit::train
