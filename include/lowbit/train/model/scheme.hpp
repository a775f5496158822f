// SPDX-License-Identifier: Apache-2.0
// What training computes at each site of an encoder; the counterpart of the runtime's policies. A
// scheme is an object, not a template argument: a step spends its time in libtorch's kernels,
// teachers and single layers can then use any scheme, and the trainer is compiled once. Parameters
// besides weights (clips, shifts, steps) belong to the modules; a scheme itself has none.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/io/model_layout.hpp"
#include "lowbit/train/model/matmul.hpp"
#include "lowbit/train/model/straight_through.hpp"

namespace lowbit::train {

using named_tensor = std::pair<std::string, Tensor>;

/// Options of a forward pass.
struct forward_options {
  bool training = false;
  double dropout = 0.0;  ///< embeddings, attention, attention output, feed-forward output
  double classifier_dropout = 0.0;
  precision type = precision::f32;
  /// Computes only what a sequence head needs of the last layer: keys and values of all tokens, the
  /// rest for [CLS] only. Exact; saves a third of the work for two layers. Not for distillation,
  /// which reads all tokens.
  bool logits_only = false;
};

/// A tensor of a module besides weight and bias.
struct extra_tensor {
  std::string suffix;  // after the module's name and a dot, as in the authors' code
  Tensor value;
  bool trained = true;   ///< has a gradient; otherwise state stored in a checkpoint
  bool exported = true;  ///< stored in the model folder
};
using extra_tensors = std::vector<extra_tensor>;

/// The extra with this suffix, which must exist.
inline Tensor& extra(extra_tensors& all, std::string_view suffix) {
  for (extra_tensor& e : all) {
    if (e.suffix == suffix) return e.value;
  }
  LOWBIT_EXPECTS(false);
  return all.front().value;
}
inline const Tensor& extra(const extra_tensors& all, std::string_view suffix) {
  return extra(const_cast<extra_tensors&>(all), suffix);
}

/// One matrix of a linear layer with its bias. A split layer has two parts.
struct linear_part {
  Tensor weight;  // (N, K)
  Tensor bias;    // (N)
  extra_tensors extras;
};

enum class projection : std::uint8_t { query, key, value };

/// The activation functions that training computes, each with its gradient.
struct trained_activation {
  activation_function function;
  Tensor (*apply)(const Tensor&);
};
inline constexpr trained_activation trained_activations[] = {
    {activation_function::gelu, [](const Tensor& x) { return at::gelu(x); }},
    {activation_function::relu, [](const Tensor& x) { return at::relu(x); }},
    {activation_function::gelu_tanh, [](const Tensor& x) { return at::gelu(x, "tanh"); }},
    {activation_function::silu, [](const Tensor& x) { return at::silu(x); }},
    {activation_function::quick_gelu, [](const Tensor& x) { return x * at::sigmoid(x * 1.702); }},
};
/// Null for a function that cannot be trained; load_training_config refuses its models.
[[nodiscard]] inline const trained_activation* find_trained(activation_function f) {
  for (const trained_activation& a : trained_activations) {
    if (a.function == f) return &a;
  }
  return nullptr;
}
[[nodiscard]] inline Tensor apply_activation(activation_function f, const Tensor& x) {
  const trained_activation* const found = find_trained(f);
  LOWBIT_EXPECTS(found != nullptr);
  return found->apply(x);
}

class training_scheme {
 public:
  training_scheme() = default;
  training_scheme(const training_scheme&) = delete;
  training_scheme& operator=(const training_scheme&) = delete;
  virtual ~training_scheme() = default;

  /// The name in results.json and messages.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Adds the config.json fields by which the runtime recognizes the scheme.
  virtual void describe(nlohmann::json& config) const { static_cast<void>(config); }
  /// Of activate() and of the masked-LM head.
  [[nodiscard]] virtual activation_function hidden_act() const { return activation_function::gelu; }
  /// Matrices per linear layer and word table: 1, or 2 (BinaryBERT after its split).
  [[nodiscard]] virtual std::size_t parts() const { return 1; }

  /// Extras of a linear layer with k inputs, and of a layer's attention. If q, k and v share their
  /// input, its extras belong to the query.
  [[nodiscard]] virtual extra_tensors linear_extras(site at, std::int64_t k) const {
    static_cast<void>(at), static_cast<void>(k);
    return {};
  }
  [[nodiscard]] virtual extra_tensors attention_extras() const { return {}; }

  /// Rows `ids` (n) of the word table as the layers see them: (n, H).
  [[nodiscard]] virtual Tensor embed(const Tensor& table, const Tensor& ids,
                                     const forward_options& o) const = 0;
  /// True if tokens interact only through attention. Otherwise forward_options::logits_only has no
  /// effect.
  [[nodiscard]] virtual bool by_token() const { return true; }
  /// True if input() does not depend on the layer, so that q, k and v can share it.
  [[nodiscard]] virtual bool shares_inputs() const { return true; }
  /// x (M, K) as a linear layer at `at` reads it.
  [[nodiscard]] virtual Tensor input(linear_part& part, site at, const Tensor& x,
                                     const forward_options& o) const = 0;
  /// x W^T + b for x returned by input(): (M, N).
  [[nodiscard]] virtual Tensor multiply(linear_part& part, site at, const Tensor& x,
                                        const forward_options& o) const = 0;
  /// q, k or v (B, A, T, d) as the attention reads it.
  [[nodiscard]] virtual Tensor head(extra_tensors& extras, projection which, const Tensor& x,
                                    const forward_options& o) const = 0;
  /// From masked scores (B, A, T, T) to the factors on the values.
  [[nodiscard]] virtual Tensor probabilities(extra_tensors& extras, const Tensor& scores,
                                             const forward_options& o) const = 0;
  /// Between the two feed-forward layers, before input().
  [[nodiscard]] virtual Tensor activate(const Tensor& x) const = 0;
};

using scheme_ptr = std::shared_ptr<const training_scheme>;

/// Full precision BERT.
class float_scheme : public training_scheme {
 public:
  explicit float_scheme(activation_function act = activation_function::gelu) : act_(act) {}
  [[nodiscard]] std::string name() const override { return "fp32"; }
  [[nodiscard]] activation_function hidden_act() const override { return act_; }
  [[nodiscard]] Tensor embed(const Tensor& table, const Tensor& ids,
                             const forward_options&) const override {
    return at::embedding(table, ids);
  }
  [[nodiscard]] Tensor input(linear_part&, site, const Tensor& x,
                             const forward_options&) const override {
    return x;
  }
  [[nodiscard]] Tensor multiply(linear_part& part, site, const Tensor& x,
                                const forward_options& o) const override {
    return linear_function::apply(x, part.weight, part.bias, o.type);
  }
  [[nodiscard]] Tensor head(extra_tensors&, projection, const Tensor& x,
                            const forward_options&) const override {
    return x;
  }
  [[nodiscard]] Tensor probabilities(extra_tensors&, const Tensor& scores,
                                     const forward_options& o) const override {
    return at::dropout(at::softmax(scores, -1), o.dropout, o.training);
  }
  [[nodiscard]] Tensor activate(const Tensor& x) const override {
    return apply_activation(act_, x);
  }

 private:
  activation_function act_;
};

}  // namespace lowbit::train
