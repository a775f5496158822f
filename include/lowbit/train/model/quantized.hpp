// SPDX-License-Identifier: Apache-2.0
// Quantization-aware training for every policy that quantizes a float checkpoint
// (io/named_policy.hpp): latent float weights, quantized by the policy's codec in the forward;
// activations quantized as in the policy; straight-through gradients for both. Unlike other
// schemes, an object belongs to one model: bind() assigns formats to its matrices by name, and it
// stores the grids between two calls of a codec.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lowbit/io/encode_model.hpp"
#include "lowbit/train/model/bert.hpp"
#include "lowbit/train/model/scheme.hpp"
#include "lowbit/train/model/weight_grid.hpp"

namespace lowbit::train {

/// Rows of x (M, K) quantized to int8 with a scale per row, as floats; what nn/encoded.hpp
/// computes.
///   scale = max |x| / 127;  x_hat = scale * round half even(x * (127 / max |x|));  0 for zeros
/// The runtime rounds the exact product once; a product of two floats is exact in double.
inline Tensor int8_per_token(const Tensor& x) {
  torch::NoGradGuard no_gradients;
  const Tensor largest = x.abs().amax(-1, true);
  const Tensor inverse =
      at::where(largest.gt(0), at::full_like(largest, 127.0).div(largest), at::zeros_like(largest));
  const Tensor codes = (x.to(at::kDouble) * inverse.to(at::kDouble)).round().to(at::kFloat);
  return codes * (largest / 127.0);
}

class quantized_scheme : public float_scheme {
 public:
  explicit quantized_scheme(const named_policy& policy,
                            activation_function act = activation_function::gelu)
      : float_scheme(act), policy_(policy) {}

  /// Assigns a format and a first grid to every matrix of `model`, which must be on its final
  /// device. The matrices are those of io/encode_model.hpp: all linear layers except the
  /// classifier, and the word table.
  /// Errors: invalid_argument for a policy without formats by name and for an override that matches
  ///         nothing; unsupported for a format that the policy's activations cannot be multiplied
  ///         with or that cannot be trained; those of the codec. Messages name the matrix.
  status bind(bert& model, const std::vector<format_override>& overrides = {}) {
    const bool integers = policy_.integers;
    if (!policy_.encodes_floats()) {
      return status::error(errc::invalid_argument, "policy ", policy_.name,
                           " has its own recipe, it is not one of formats by name");
    }
    LOWBIT_TRY_ASSIGN(auto choice, format_choice::of_overrides(overrides));
    std::map<std::string, Tensor> parameters;
    for (const auto& [name, tensor] : model.parameters()) parameters.emplace(name, tensor);
    matrices_.clear();
    const std::string table = part_text(model_part::word_embeddings, 0, ".weight");
    LOWBIT_TRY(add(table, parameters.at(table), choice.of(table, policy_.table)));
    for (const linear_layout& layer : linear_layers(model.shape())) {
      if (layer.at == site::classifier) continue;
      const std::string name = layer.name + ".weight";
      const std::string format = choice.of(name, policy_.format);
      const auto exists = []<class Codec>(std::type_identity<Codec>) { return status{}; };
      LOWBIT_TRY((integers ? any_integer::with(format, exists) : any_float::with(format, exists))
                     .in(name));
      LOWBIT_TRY(add(name, parameters.at(name), format));
    }
    return choice.check_all_matched();
  }

  /// Lets the codecs choose new grids for the current weights.
  void refresh() {
    for (auto& [key, m] : matrices_) {
      if (m.grid.numel() == 0) continue;
      torch::NoGradGuard no_gradients;
      m.grid.copy_(encode_weights(m.latent, m.format).value().grid);
    }
  }
  /// The grids, for checkpoints; handles.
  [[nodiscard]] std::vector<named_tensor> grids() const {
    std::vector<named_tensor> all;
    for (const auto& [key, m] : matrices_) {
      if (m.grid.numel() != 0) all.emplace_back(m.name + ".grid", m.grid);
    }
    return all;
  }

  /// Quantized matrix (N, K): in a training step the projection onto the grid, otherwise the exact
  /// result of the codec. Cached per version of weights and grid.
  [[nodiscard]] Tensor quantized(const Tensor& latent, bool training) const {
    matrix& m = find(latent);
    const bool exact = !training;
    const std::int64_t weights = latent._version(), grid = m.grid._version();
    if (!m.value.defined() || m.weights_seen != weights || m.grid_seen != grid ||
        m.exact != exact) {
      m.value =
          exact ? encode_weights(latent, m.format).value().values : project(m.kind, latent, m.grid);
      m.weights_seen = weights, m.grid_seen = grid, m.exact = exact;
    }
    return m.value;
  }

  [[nodiscard]] std::string name() const override { return std::string(policy_.name); }
  /// A training step projects only the rows it reads.
  [[nodiscard]] Tensor embed(const Tensor& table, const Tensor& ids,
                             const forward_options& o) const override {
    if (!o.training) {
      return at::embedding(straight_through(table, quantized(table, false)), ids);
    }
    const matrix& m = find(table);
    const Tensor rows = at::embedding(table, ids);
    const Tensor grid = has_row_grid(m.kind) ? m.grid.index_select(0, ids) : m.grid;
    return straight_through(rows, project(m.kind, rows, grid));
  }
  [[nodiscard]] Tensor input(linear_part&, site, const Tensor& x,
                             const forward_options&) const override {
    if (!policy_.integers) return x;
    return straight_through(x, int8_per_token(x));
  }
  [[nodiscard]] Tensor multiply(linear_part& part, site, const Tensor& x,
                                const forward_options& o) const override {
    const Tensor w = straight_through(part.weight, quantized(part.weight, o.training));
    return linear_function::apply(x, w, part.bias, o.type);
  }

 private:
  struct matrix {
    std::string name, format;
    grid_kind kind = grid_kind::none;
    Tensor latent, grid;
    Tensor value;  // cached for the versions below
    std::int64_t weights_seen = 0, grid_seen = 0;
    bool exact = false;
  };

  status add(const std::string& name, const Tensor& latent, const std::string& format) {
    const auto kind = grid_of_format(format);
    if (!kind) return kind.status().in(name);
    const auto first = encode_weights(latent, format);
    if (!first) return first.status().in(name);
    matrices_[latent.unsafeGetTensorImpl()] = {name, format, *kind, latent, first->grid,
                                               {},   0,      0,     false};
    return {};
  }
  [[nodiscard]] matrix& find(const Tensor& latent) const {
    const auto it = matrices_.find(latent.unsafeGetTensorImpl());
    LOWBIT_EXPECTS(it != matrices_.end());  // to() must be called before bind()
    return it->second;
  }

  named_policy policy_;
  mutable std::map<const void*, matrix> matrices_;  // keyed by the latent tensor
};

}  // namespace lowbit::train
