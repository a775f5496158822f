// SPDX-License-Identifier: Apache-2.0
// First weights of a model from those of another one: the same tensors under another scheme, a
// narrower encoder, or two one-bit matrices for each ternary one. All work on tensors by name, so
// they hold for every scheme. What only the new model has keeps its first value.
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
#include "lowbit/train/model/weight_codes.hpp"

namespace lowbit::train {

using tensors_by_name = std::map<std::string, Tensor>;

/// Everything that a model folder would hold. The tensors are handles.
inline tensors_by_name exported_by_name(bert& model) {
  const auto all = model.exported();
  return {all.begin(), all.end()};
}

/// Copies the tensors that both models have. `skip(name)`: not this one.
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

/// What a narrower model keeps of each layer, in their old order.
struct kept_units {
  std::vector<Tensor> heads;    // int64 (A of the narrow model), for each layer
  std::vector<Tensor> neurons;  // int64 (I of the narrow model), for each layer
};

/// The shape with `width` of the heads and neurons; the hidden size stays (DynaBERT's width).
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
  model_shape narrow = wide;
  narrow.heads = static_cast<std::size_t>(part(wide.heads));
  narrow.intermediate = static_cast<std::size_t>(part(wide.intermediate));
  const std::size_t inner = narrow.heads * wide.head_width();
  narrow.attention = inner == wide.hidden ? 0 : inner;
  return narrow;
}

namespace detail {

inline std::string layer_prefix(std::size_t l) {
  return "bert.encoder.layer." + std::to_string(l) + ".";
}

/// The `count` greatest of `importance`, in order of their index.
inline Tensor most_important(const Tensor& importance, std::size_t count) {
  const auto order = at::argsort(importance, /*stable=*/true, 0, /*descending=*/true);
  return std::get<0>(order.narrow(0, 0, static_cast<std::int64_t>(count)).sort());
}

/// Indices of the channels of these heads.
inline Tensor channels_of(const Tensor& heads, std::size_t head_width) {
  const auto d = static_cast<std::int64_t>(head_width);
  return (heads.unsqueeze(1) * d + at::arange(d, heads.options()).unsqueeze(0)).reshape({-1});
}

}  // namespace detail

/// The most important heads and neurons of a float model: those of the greatest sum of |w| over
/// their rows (query, key, value; intermediate) and columns (attention output; output).
inline kept_units choose_units(bert& wide, const model_shape& narrow) {
  torch::NoGradGuard no_gradients;
  const tensors_by_name all = exported_by_name(wide);
  const auto heads = static_cast<std::int64_t>(wide.shape().heads);
  kept_units kept;
  for (std::size_t l = 0; l < wide.shape().layers; ++l) {
    const std::string at = detail::layer_prefix(l);
    const auto magnitude = [&](const std::string& name, std::int64_t over) {
      return all.at(at + name + ".weight").abs().sum(over, false, at::kDouble);
    };
    const Tensor channels =
        magnitude("attention.self.query", 1) + magnitude("attention.self.key", 1) +
        magnitude("attention.self.value", 1) + magnitude("attention.output.dense", 0);
    kept.heads.push_back(detail::most_important(channels.view({heads, -1}).sum(1), narrow.heads));
    kept.neurons.push_back(detail::most_important(
        magnitude("intermediate.dense", 1) + magnitude("output.dense", 0), narrow.intermediate));
  }
  return kept;
}

/// Fills `narrow` (one part) with the kept rows and columns of `wide`.
/// Errors: those of copy_shared
inline status copy_narrowed(bert& wide, const kept_units& kept, bert& narrow) {
  const auto cut = [](const std::string& name) {
    return name.starts_with("bert.encoder.") && name.find("LayerNorm") == std::string::npos;
  };
  LOWBIT_TRY(copy_shared(wide, narrow, cut));
  torch::NoGradGuard no_gradients;
  const tensors_by_name from = exported_by_name(wide), to = exported_by_name(narrow);
  for (std::size_t l = 0; l < wide.shape().layers; ++l) {
    const std::string at = detail::layer_prefix(l);
    const auto rows = [&](const std::string& name, const Tensor& indices) {
      to.at(at + name + ".weight").copy_(from.at(at + name + ".weight").index_select(0, indices));
      to.at(at + name + ".bias").copy_(from.at(at + name + ".bias").index_select(0, indices));
    };
    const auto columns = [&](const std::string& name, const Tensor& indices) {
      to.at(at + name + ".weight").copy_(from.at(at + name + ".weight").index_select(1, indices));
      to.at(at + name + ".bias").copy_(from.at(at + name + ".bias"));
    };
    const Tensor channels = detail::channels_of(kept.heads[l], wide.shape().head_width());
    for (const char* name : {"query", "key", "value"}) {
      rows(std::string("attention.self.") + name, channels);
    }
    columns("attention.output.dense", channels);
    rows("intermediate.dense", kept.neurons[l]);
    columns("output.dense", kept.neurons[l]);
  }
  return {};
}

/// Two matrices whose one-bit codes add up to the ternary code of a third one.
struct weight_pair {
  Tensor first, second;  // (N, K)
};

/// Ternary weight splitting (BinaryBERT, section 3.2 and appendix A). w (N, K) latent weights of a
/// scale (a row for a word table), n = their number, a their ternary scale, S where the code is not
/// 0, Z the rest; in double:
///   v = (a n - sum|w|) / (2 |Z|)
///   on Z:  w1 = max(w, 0) + v,   w2 = min(w, 0) - v
///   on S:  w1 = m w,   w2 = (1 - m) w,   m = (sum_S|w| + sum_Z|w2| - sum_Z|w1|) / (2 sum_S|w|)
/// Then mean|w1| sign(w1) + mean|w2| sign(w2) is the ternary weight, and w1 + w2 = w. Holds while
/// |sum_Z w| < sum_S |w| (m between 0 and 1), which only a very lopsided matrix does not meet.
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

/// Fills `split` (two parts) from the ternary model of the same shape: matrices and word table by
/// split_ternary, half of each bias, what else a part has copied to both.
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
