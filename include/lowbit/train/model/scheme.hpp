// SPDX-License-Identifier: Apache-2.0
// What a training module computes at each site of an encoder: the training twin of the runtime's
// policies. A scheme is an object, not a template argument: a step spends its time in libtorch's
// kernels, and a teacher may then be of any scheme, a layer of another one than its neighbour, and
// the trainer is compiled once. What a scheme learns besides weights (clips, shifts, steps) belongs
// to the modules; a scheme itself holds no parameter.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/io/model_layout.hpp"
#include "lowbit/train/model/matmul.hpp"
#include "lowbit/train/model/straight_through.hpp"

namespace lowbit::train {

using named_tensor = std::pair<std::string, Tensor>;

/// What a forward is told.
struct forward_options {
  bool training = false;
  double dropout = 0.0;  ///< after the embeddings, on attention, after both outputs
  double classifier_dropout = 0.0;
  precision type = precision::f32;
  /// Computes only what a sequence head needs of the last layer: keys and values of all tokens, the
  /// rest of [CLS] alone. Exact; a third less work for two layers. Distillation looks at all
  /// tokens.
  bool logits_only = false;
};

/// A tensor that a module has besides weight and bias.
struct extra_tensor {
  std::string suffix;  // after the module's name and a dot, as the scheme's own code names it
  Tensor value;
  bool trained = true;   ///< has a gradient; else part of the state that a checkpoint keeps
  bool exported = true;  ///< stands in the model folder
};
using extra_tensors = std::vector<extra_tensor>;

/// The extra of that suffix, which the scheme itself has made.
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

/// One matrix of a linear layer with its bias. A split layer has two.
struct linear_part {
  Tensor weight;  // (N, K)
  Tensor bias;    // (N)
  extra_tensors extras;
};

/// Which of the three projections of attention.
enum class projection : std::uint8_t { query, key, value };

class training_scheme {
 public:
  training_scheme() = default;
  training_scheme(const training_scheme&) = delete;
  training_scheme& operator=(const training_scheme&) = delete;
  virtual ~training_scheme() = default;

  /// As results.json and messages name it.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Adds to a Hugging Face config.json the fields by which the runtime knows the scheme.
  virtual void describe(nlohmann::json& config) const { static_cast<void>(config); }
  /// "gelu" or "relu".
  [[nodiscard]] virtual const char* hidden_act() const { return "gelu"; }
  /// Matrices of a linear layer and word tables: 1, or 2 (BinaryBERT after its split).
  [[nodiscard]] virtual std::size_t parts() const { return 1; }

  /// Extras of a linear layer at `at` with k inputs, and of one layer's attention. Where q, k and v
  /// share their input, the query has those of all three.
  [[nodiscard]] virtual extra_tensors linear_extras(site at, std::int64_t k) const {
    static_cast<void>(at), static_cast<void>(k);
    return {};
  }
  [[nodiscard]] virtual extra_tensors attention_extras() const { return {}; }

  /// Rows `ids` (n) of the word table as the layers see them: (n, H).
  [[nodiscard]] virtual Tensor embed(const Tensor& table, const Tensor& ids,
                                     const forward_options& o) const = 0;
  /// Whether what a token becomes does not depend on other tokens but through attention. Else
  /// forward_options::logits_only has no effect.
  [[nodiscard]] virtual bool by_token() const { return true; }
  /// Whether input() does not depend on the layer, so that q, k and v can share it.
  [[nodiscard]] virtual bool shares_inputs() const { return true; }
  /// x (M, K) as a linear layer at `at` reads it.
  [[nodiscard]] virtual Tensor input(linear_part& part, site at, const Tensor& x,
                                     const forward_options& o) const = 0;
  /// x W^T + b for x that input() made: (M, N).
  [[nodiscard]] virtual Tensor multiply(linear_part& part, site at, const Tensor& x,
                                        const forward_options& o) const = 0;
  /// q, k or v (B, A, T, d) as the attention reads it.
  [[nodiscard]] virtual Tensor head(extra_tensors& extras, projection which, const Tensor& x,
                                    const forward_options& o) const = 0;
  /// Masked scores (B, A, T, T) to what multiplies the values.
  [[nodiscard]] virtual Tensor probabilities(extra_tensors& extras, const Tensor& scores,
                                             const forward_options& o) const = 0;
  /// Between the two feed-forward linears, before input().
  [[nodiscard]] virtual Tensor activate(const Tensor& x) const = 0;
};

using scheme_ptr = std::shared_ptr<const training_scheme>;

/// Full precision BERT.
class float_scheme : public training_scheme {
 public:
  explicit float_scheme(bool relu = false) : relu_(relu) {}
  [[nodiscard]] std::string name() const override { return "fp32"; }
  [[nodiscard]] const char* hidden_act() const override { return relu_ ? "relu" : "gelu"; }
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
    return relu_ ? at::relu(x) : at::gelu(x);
  }

 private:
  bool relu_;
};

}  // namespace lowbit::train
