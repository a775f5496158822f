// SPDX-License-Identifier: Apache-2.0
// Activations with a learned step: the elastic codes of BiT (one bit, and two or four in its
// intermediate stages) and the LSQ codes of BinaryBERT. One autograd function serves all. An
// uninitialized step has a special value, which the first batch replaces. That value never occurs
// in a checkpoint, unlike the 1 of the authors' code, which would reinitialize a step trained to
// exactly 1.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "lowbit/train/model/straight_through.hpp"

namespace lowbit::train {

/// The codes of one site.
struct step_codes {
  unsigned bits = 1;
  /// Otherwise unsigned; with more than one bit the minimum of the tensor is subtracted first.
  bool is_signed = true;

  /// One signed bit is {-1, +1}, with the gradient passed in between.
  [[nodiscard]] bool sign_only() const { return is_signed && bits == 1; }
  [[nodiscard]] double first() const {
    if (!is_signed) return 0.0;
    return sign_only() ? -1.0 : -std::ldexp(1.0, static_cast<int>(bits) - 1);
  }
  [[nodiscard]] double last() const {
    if (sign_only()) return 1.0;
    return std::ldexp(1.0, static_cast<int>(bits) - (is_signed ? 1 : 0)) - 1.0;
  }
  [[nodiscard]] bool from_least() const { return !is_signed && bits > 1; }
};

inline constexpr float unset_step = std::numeric_limits<float>::lowest();
inline constexpr float least_step = 1e-5F;

/// An uninitialized step, a scalar.
inline Tensor new_step() { return at::scalar_tensor(unset_step); }

/// x_hat = a * clamp(round(x / a), first, last), half to even; one signed bit: x_hat = a where x >=
/// 0, else -a (the runtime's bit; torch.sign would give 0 at 0).
/// LSQ (Esser et al. 2020, equations 3 and 5) and BiT, section 3.2 and appendix:
///   dx = dy where first <= x / a <= last, else 0
///   da = g * sum dy * {first where x / a < first, last where > last, round(x / a) - x / a inside}
///   da = g * sum dy * x_hat / a for one signed bit;   g = 1 / sqrt(count(x) * last)
struct learned_step_function : torch::autograd::Function<learned_step_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& step, const step_codes& how) {
    context->save_for_backward({x, step});
    context->saved_data["bits"] = static_cast<std::int64_t>(how.bits);
    context->saved_data["signed"] = how.is_signed;
    return codes(x, step, how).mul_(step);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &step = saved[1], &dy = gradients[0];
    const step_codes how{static_cast<unsigned>(context->saved_data["bits"].toInt()),
                         context->saved_data["signed"].toBool()};
    // hardtanh_backward is open at its limits: the next floats outside make it closed. Below 0 that
    // is the smallest normal float, because the program flushes denormals.
    const auto first = static_cast<float>(how.first()), last = static_cast<float>(how.last());
    const float below =
        first == 0.0F ? -std::numeric_limits<float>::min() : std::nextafter(first, -INFINITY);
    const Tensor ratio = x / step;
    const Tensor dx = at::hardtanh_backward(dy, ratio, below, std::nextafter(last, INFINITY));
    Tensor sum = (dy * codes(x, step, how)).sum();
    if (!how.sign_only()) sum = sum - (dx * ratio).sum();
    const double factor = 1.0 / std::sqrt(static_cast<double>(x.numel()) * how.last());
    return {dx, sum * factor, Tensor()};
  }

 private:
  static Tensor codes(const Tensor& x, const Tensor& step, const step_codes& how) {
    if (how.sign_only()) return x.ge(0).to(x.scalar_type()).mul_(2).sub_(1);
    return x.div(step).round_().clamp_(how.first(), how.last());
  }
};

/// x as quantized at this site. An uninitialized step is set from x: 2 mean|x| / sqrt(last) if
/// signed, else 4 mean|x| / sqrt(last) (as in BiT's and BinaryBERT's code). A step that training
/// has driven below 1e-5 is reset to 1e-5.
inline Tensor learned_step(const Tensor& x, Tensor& step, const step_codes& how) {
  const Tensor low = how.from_least() ? x.detach().min() : Tensor();
  const Tensor from = low.defined() ? x - low : x;
  if (const float now = step.detach().item<float>(); now < least_step) {
    torch::NoGradGuard no_gradients;
    const double spread = (how.is_signed ? 2.0 : 4.0) / std::sqrt(how.last());
    const double fresh = x.abs().mean(at::kDouble).item<double>() * spread;
    step.fill_(now == unset_step ? std::max(fresh, static_cast<double>(least_step))
                                 : static_cast<double>(least_step));
  }
  const Tensor coded = learned_step_function::apply(from, step, how);
  return low.defined() ? coded + low : coded;
}

}  // namespace lowbit::train
