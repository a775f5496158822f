// SPDX-License-Identifier: Apache-2.0
// Initializes a model from another one: the same tensors under another scheme, a shallower or
// narrower encoder, or two one-bit matrices for each ternary one. Works on tensors by name, so for
// every scheme. Tensors that only the new model has keep their initial values.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/train/model/bert.hpp"
#include "lowbit/train/model/structure.hpp"
#include "lowbit/train/model/weight_codes.hpp"

namespace lowbit::train {

using tensors_by_name = std::map<std::string, Tensor>;

/// All tensors that a model folder would hold; they are handles.
inline tensors_by_name exported_by_name(bert& model) {
  const auto all = model.exported();
  return {all.begin(), all.end()};
}

/// Copies the tensors that both models have, except those for which skip(name) is true.
/// Errors: shape_mismatch naming the tensor
inline status copy_shared(bert& from, bert& to,
                          const std::function<bool(const std::string&)>& skip = {}) {
  torch::NoGradGuard no_gradients;
  const tensors_by_name known = exported_by_name(from);
  for (const auto& [name, tensor] : to.exported()) {
    const auto found = known.find(name);
    if (found == known.end() || (skip && skip(name))) continue;
    if (found->second.sizes() != tensor.sizes()) {
      return status::error(errc::shape_mismatch, name, " has ", found->second.numel(),
                           " elements, expected ", tensor.numel());
    }
    tensor.copy_(found->second);
  }
  return {};
}

/// Copies embeddings, head, and layer sources[m] to layer m. Tensors of another shape, and all
/// layers if `sources` is empty, are left unchanged.
inline void copy_layers(bert& from, bert& to, const std::vector<std::size_t>& sources) {
  torch::NoGradGuard no_gradients;
  const tensors_by_name known = exported_by_name(from);
  for (const auto& [name, tensor] : to.exported()) {
    auto in_layer = layer_tensor::of(name);
    if (in_layer && sources.empty()) continue;
    if (in_layer) in_layer->layer = sources[in_layer->layer];
    const auto found = known.find(in_layer ? in_layer->name() : name);
    if (found != known.end() && found->second.sizes() == tensor.sizes()) {
      tensor.copy_(found->second);
    }
  }
}

/// The shape with the fraction `width` of the heads and neurons; the hidden size stays (DynaBERT's
/// width).
/// Errors: invalid_argument unless both are whole numbers above 0
inline result<model_shape> narrow_shape(const model_shape& wide, double width) {
  const auto part = [width](std::size_t n) { return static_cast<double>(n) * width; };
  for (const std::size_t n : {wide.heads, wide.intermediate}) {
    if (!(part(n) >= 1.0) || part(n) != std::floor(part(n)) || width > 1.0) {
      return status::error(errc::invalid_argument, "width ", std::to_string(width), " of ",
                           wide.heads, " heads and ", wide.intermediate,
                           " neurons, expected whole numbers of both");
    }
  }
  return narrowed(wide, static_cast<std::size_t>(part(wide.heads)),
                  static_cast<std::size_t>(part(wide.intermediate)));
}

/// The most important heads and neurons of each layer of a float model: those with the largest sum
/// of |w| over their rows (query, key, value; intermediate) and columns (attention output; output).
inline std::vector<kept_units> choose_units(bert& wide, const model_shape& narrow) {
  torch::NoGradGuard no_gradients;
  const tensors_by_name all = exported_by_name(wide);
  const auto heads = static_cast<std::int64_t>(wide.shape().heads);
  const auto values = [](const Tensor& t) {
    const Tensor plain = t.to(at::kCPU).contiguous();
    return std::vector<double>(plain.data_ptr<double>(), plain.data_ptr<double>() + plain.numel());
  };
  std::vector<kept_units> kept;
  for (std::size_t l = 0; l < wide.shape().layers; ++l) {
    const auto magnitude = [&](model_part part, std::int64_t over) {
      return all.at(part_text(part, l, ".weight")).abs().sum(over, false, at::kDouble);
    };
    const Tensor channels = magnitude(model_part::query, 1) + magnitude(model_part::key, 1) +
                            magnitude(model_part::value, 1) +
                            magnitude(model_part::attention_output, 0);
    const Tensor neurons = magnitude(model_part::feed_forward_input, 1) +
                           magnitude(model_part::feed_forward_output, 0);
    kept.push_back({most_important(values(channels.view({heads, -1}).sum(1)), narrow.heads),
                    most_important(values(neurons), narrow.intermediate)});
  }
  return kept;
}

/// Fills `narrow` (one part) with the kept rows and columns of `wide`, a float model.
/// Errors: those of copy_shared
inline status copy_narrowed(bert& wide, const std::vector<kept_units>& kept, bert& narrow) {
  bert small = shrink(wide, kept, std::make_shared<float_scheme>());
  return copy_shared(small, narrow);
}

/// Two matrices whose one-bit codes add up to the ternary code of a third.
struct weight_pair {
  Tensor first, second;  // (N, K)
};

/// Ternary weight splitting (BinaryBERT, section 3.2 and appendix A). For the n latent weights w
/// that share a ternary scale a (the matrix, or one row of a word table), S where the code is not 0
/// and Z the rest; in double:
///   v = (a n - sum|w|) / (2 |Z|)
///   on Z:  w1 = max(w, 0) + v,   w2 = min(w, 0) - v
///   on S:  w1 = m w,   w2 = (1 - m) w,   m = (sum_S|w| + sum_Z|w2| - sum_Z|w1|) / (2 sum_S|w|)
/// Then mean|w1| sign(w1) + mean|w2| sign(w2) is the ternary weight, and w1 + w2 = w. This holds if
/// |sum_Z w| < sum_S |w| (0 < m < 1), which only a very lopsided matrix violates.
inline weight_pair split_ternary(const Tensor& weight, scale_of scale) {
  const Tensor w = weight.detach().to(at::kDouble);
  const Tensor code = ternary_weights(weight, scale).to(at::kDouble);
  const auto sum = [scale](const Tensor& x) {
    return scale == scale_of::row ? x.sum(1, true) : x.sum();
  };
  const Tensor on = code.ne(0).to(at::kDouble), off = 1 - on;
  const auto n = static_cast<double>(scale == scale_of::row ? w.size(1) : w.numel());
  const Tensor support = sum(w.abs() * on), a = support / sum(on).clamp_min(1);
  const Tensor v = (a * n - sum(w.abs())) / (2 * sum(off).clamp_min(1));
  const Tensor first_off = w.clamp_min(0) + v, second_off = w.clamp_max(0) - v;
  const Tensor difference = sum(second_off.abs() * off) - sum(first_off.abs() * off);
  const Tensor m =
      at::where(support.gt(0), (support + difference) / (2 * support.clamp_min(1e-300)),
                at::full_like(support, 0.5));
  const Tensor first = at::where(on.gt(0), m * w, first_off);
  const Tensor second = at::where(on.gt(0), (1 - m) * w, second_off);
  return {first.to(weight.scalar_type()), second.to(weight.scalar_type())};
}

/// Fills `split` (two parts) from the ternary model of the same shape: split_ternary for matrices
/// and the word table, half of each bias, copies of other tensors to both parts.
inline status copy_split(bert& ternary, bert& split) {
  LOWBIT_TRY(copy_shared(ternary, split));
  torch::NoGradGuard no_gradients;
  const tensors_by_name from = exported_by_name(ternary), to = exported_by_name(split);
  for (const auto& [name, tensor] : to) {
    // NAME_1.SUFFIX is half of NAME.SUFFIX.
    const std::size_t mark = name.find("_1.");
    if (mark == std::string::npos) continue;
    const std::string module = name.substr(0, mark), suffix = name.substr(mark + 3);
    const Tensor &whole = from.at(module + "." + suffix), &other = to.at(module + "_2." + suffix);
    if (suffix == "weight") {
      const bool table = module.ends_with("word_embeddings");
      const weight_pair pair = split_ternary(whole, table ? scale_of::row : scale_of::tensor);
      tensor.copy_(pair.first), other.copy_(pair.second);
    } else {
      const double share = suffix == "bias" ? 0.5 : 1.0;
      tensor.copy_(whole * share), other.copy_(whole * share);
    }
  }
  return {};
}

}  // namespace lowbit::train
