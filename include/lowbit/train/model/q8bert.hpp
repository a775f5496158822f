// SPDX-License-Identifier: Apache-2.0
// Q8BERT (Zafrir et al., 2019) as a training scheme: int8 weights and word table with one scale per
// tensor, int8 inputs of linear layers whose range is a moving average over training. The forward
// is the arithmetic of policy::q8bert: biases, layer norms, softmax, GELU, residuals and the other
// two embedding tables stay float, and products are not requantized. A range is updated once per
// step, from the largest magnitude over all pieces of the batch. Each piece is quantized with the
// range that would follow from it alone, which for a single piece is the paper's rule.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lowbit/train/model/bert.hpp"
#include "lowbit/train/model/scheme.hpp"
#include "lowbit/train/model/weight_grid.hpp"

namespace lowbit::train {

/// Per layer input: its range, stored in a model folder; the largest |x| since the last step.
inline constexpr std::string_view range_suffix = ".input.range";
inline constexpr std::string_view seen_suffix = ".input.seen";

/// Decay of the moving average per step. Source: NLP Architect's program of the paper
inline constexpr double usual_range_decay = 0.9999;

/// x quantized to int8 with step range / 127, as floats; what nn/encoded.hpp computes with a stored
/// scale.
///   x_hat = s * round half even(clamp(x, -127 s, 127 s) * (1 / s)),  s = range / 127
/// range (1); 0: no data seen, x_hat = 0.
inline Tensor int8_in_range(const Tensor& x, const Tensor& range) {
  torch::NoGradGuard no_gradients;
  const Tensor scale = range / 127.0, limit = scale * 127.0;
  const Tensor inverse = at::where(scale.gt(0), scale.reciprocal(), at::zeros_like(scale));
  // The runtime rounds the exact product once; a product of two floats is exact in double.
  const Tensor inside = at::minimum(at::maximum(x, -limit), limit);
  return (inside.to(at::kDouble) * inverse.to(at::kDouble)).round().to(at::kFloat) * scale;
}

/// A range after a step whose largest |x| is `seen` (1): decay * range + (1 - decay) * seen. The
/// first step sets it; a step of only zeros leaves it unchanged.
inline Tensor moved_range(const Tensor& range, const Tensor& seen, double decay) {
  const Tensor moved = at::where(range.gt(0), range + (seen - range) * (1.0 - decay), seen);
  return at::where(seen.eq(0), range, moved);
}

class q8bert_scheme : public float_scheme {
 public:
  explicit q8bert_scheme(double decay = usual_range_decay) : decay_(decay) {}

  [[nodiscard]] std::string name() const override { return "q8bert"; }
  void describe(nlohmann::json& config) const override { config["lowbit_scheme"] = "q8bert"; }
  [[nodiscard]] double decay() const { return decay_; }
  [[nodiscard]] extra_tensors linear_extras(site, std::int64_t) const override {
    return {{std::string(range_suffix.substr(1)), at::zeros({1}), false, true},
            {std::string(seen_suffix.substr(1)), at::zeros({1}), false, false}};
  }

  /// The quantized weights `some`, which are all rows of `all` or some of them.
  [[nodiscard]] static Tensor quantized(const Tensor& some, const Tensor& all) {
    torch::NoGradGuard no_gradients;
    return detail::project_steps(some, all.abs().amax() / 127.0, 127);
  }

  [[nodiscard]] Tensor embed(const Tensor& table, const Tensor& ids,
                             const forward_options&) const override {
    const Tensor rows = at::embedding(table, ids);
    return straight_through(rows, quantized(rows, table));
  }
  [[nodiscard]] Tensor input(linear_part& part, site, const Tensor& x,
                             const forward_options& o) const override {
    Tensor range = extra(part.extras, range_suffix.substr(1));
    if (o.training) {
      const Tensor largest = x.detach().abs().amax().view({1});
      Tensor& seen = extra(part.extras, seen_suffix.substr(1));
      seen.copy_(at::maximum(seen, largest));
      range = moved_range(range, largest, decay_);
    }
    return straight_through(x, int8_in_range(x, range));
  }
  [[nodiscard]] Tensor multiply(linear_part& part, site, const Tensor& x,
                                const forward_options& o) const override {
    const Tensor w = straight_through(part.weight, quantized(part.weight, part.weight));
    return linear_function::apply(x, w, part.bias, o.type);
  }

 private:
  double decay_;
};

/// The tensors of all sites with this suffix, as handles; the order is the same for every suffix.
inline std::vector<Tensor> site_tensors(bert& model, std::string_view suffix) {
  std::vector<Tensor> found;
  for (const auto& [name, tensor] : model.buffers()) {
    if (name.ends_with(suffix)) found.push_back(tensor);
  }
  return found;
}

/// Updates every range at the end of a step, and resets the recorded maxima.
inline void advance_ranges(bert& model, double decay) {
  torch::NoGradGuard no_gradients;
  const auto ranges = site_tensors(model, range_suffix), seen = site_tensors(model, seen_suffix);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    ranges[i].copy_(moved_range(ranges[i], seen[i], decay));
    seen[i].zero_();
  }
}

}  // namespace lowbit::train
