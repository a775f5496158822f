// SPDX-License-Identifier: Apache-2.0
// Importance of the heads and neurons of a full precision encoder, and the smaller encoder without
// the less important ones. Every layer keeps the same number, so the result is an ordinary dense
// model that any policy runs.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/train/model/bert.hpp"

namespace lowbit::train {

/// Of one layer, heads (A) and neurons (I); higher is more important.
struct unit_importance {
  std::vector<double> heads, neurons;
};

/// First-order Taylor importance: with a gate of 1 on every head's context and every neuron's
/// output, I = sum over batches of |dL/dgate|, the first-order estimate of the change in loss when
/// the gate closes. Without dropout.
///
/// Source: Michel et al., NeurIPS 2019, equation 2, with batches in place of sentences
inline std::vector<unit_importance> importance(
    bert& model, const std::vector<batch>& batches,
    const std::function<Tensor(const batch&, const trace&)>& loss) {
  const model_shape& shape = model.shape();
  const auto heads = static_cast<std::int64_t>(shape.heads);
  const auto neurons = static_cast<std::int64_t>(shape.intermediate);
  std::vector<unit_importance> sums(
      shape.layers, {std::vector<double>(shape.heads), std::vector<double>(shape.intermediate)});
  for (const batch& in : batches) {
    std::vector<layer_gates> gates;
    std::vector<Tensor> inputs;
    for (std::size_t l = 0; l < shape.layers; ++l) {
      const auto gate = [&](std::int64_t n) {
        return at::ones({n}, in.mask.options()).requires_grad_(true);
      };
      gates.push_back({gate(heads), gate(neurons)});
      inputs.push_back(gates.back().heads);
      inputs.push_back(gates.back().neurons);
    }
    const Tensor value = loss(in, model.forward(in, {.logits_only = true}, gates));
    const auto gradients = torch::autograd::grad({value}, inputs);
    const auto add = [](std::vector<double>& to, const Tensor& gradient) {
      const Tensor g = gradient.abs().to(at::kCPU).to(at::kDouble).contiguous();
      for (std::size_t i = 0; i < to.size(); ++i) to[i] += g.data_ptr<double>()[i];
    };
    for (std::size_t l = 0; l < shape.layers; ++l) {
      add(sums[l].heads, gradients[2 * l]);
      add(sums[l].neurons, gradients[2 * l + 1]);
    }
  }
  return sums;
}

/// Indices of the units that one layer keeps, ascending.
struct kept_units {
  std::vector<std::int64_t> heads, neurons;
};

/// The `count` most important; ties go to the lower index. Ascending.
inline std::vector<std::int64_t> most_important(const std::vector<double>& importance,
                                                std::size_t count) {
  std::vector<std::int64_t> order(importance.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return importance[static_cast<std::size_t>(a)] > importance[static_cast<std::size_t>(b)];
  });
  order.resize(std::min(count, order.size()));
  std::sort(order.begin(), order.end());
  return order;
}

/// The gates equivalent to keeping these units: 1 for kept, else 0.
inline layer_gates gates_of(const kept_units& kept, const model_shape& shape) {
  const auto gate = [](const std::vector<std::int64_t>& units, std::size_t size) {
    return at::zeros({static_cast<std::int64_t>(size)}).index_fill_(0, at::tensor(units), 1.0);
  };
  return {gate(kept.heads, shape.heads), gate(kept.neurons, shape.intermediate)};
}

/// The shape with this many heads and neurons per layer; the head width stays.
inline model_shape narrowed(model_shape shape, std::size_t heads, std::size_t neurons) {
  const std::size_t attention = heads * shape.head_width();
  shape.heads = heads;
  shape.attention = attention == shape.hidden ? 0 : attention;
  shape.intermediate = neurons;
  return shape;
}

namespace detail {

/// The slice of an encoder layer's tensor that belongs to the kept units. `name`: after
/// "bert.encoder.layer.N.".
inline Tensor part_of(const std::string& name, const Tensor& whole, const Tensor& channels,
                      const Tensor& neurons) {
  const auto is = [&name](std::string_view module) { return name.starts_with(module); };
  if (is("attention.self.")) return whole.index_select(0, channels);
  if (name == "attention.output.dense.weight") return whole.index_select(1, channels);
  if (is("intermediate.dense.")) return whole.index_select(0, neurons);
  if (name == "output.dense.weight") return whole.index_select(1, neurons);
  return whole;
}

}  // namespace detail

/// A full precision model with the kept units only, equally many in every layer: computes the same
/// as `whole` with gates_of(kept).
inline bert shrink(bert& whole, const std::vector<kept_units>& kept, const scheme_ptr& how) {
  const model_shape& from = whole.shape();
  LOWBIT_EXPECTS(kept.size() == from.layers);
  bert small(narrowed(from, kept.front().heads.size(), kept.front().neurons.size()), how);
  const auto width = static_cast<std::int64_t>(from.head_width());
  torch::NoGradGuard no_gradients;
  const auto source = whole.parameters();
  small.to(source.front().second.device());
  const auto target = small.parameters();
  for (std::size_t i = 0; i < source.size(); ++i) {
    const auto& [name, tensor] = source[i];
    LOWBIT_EXPECTS(target[i].first == name);
    const auto in_layer = layer_tensor::of(name);
    if (!in_layer) {
      target[i].second.copy_(tensor);
      continue;
    }
    const kept_units& units = kept[in_layer->layer];
    const Tensor channels = (at::tensor(units.heads).unsqueeze(1) * width + at::arange(width))
                                .flatten()
                                .to(tensor.device());
    const Tensor neurons = at::tensor(units.neurons).to(tensor.device());
    target[i].second.copy_(detail::part_of(in_layer->rest, tensor, channels, neurons));
  }
  return small;
}

}  // namespace lowbit::train
