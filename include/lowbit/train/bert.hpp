// SPDX-License-Identifier: Apache-2.0
// A BERT sequence classifier for training. One forward for every scheme: the policy says what an
// embedding, a linear layer and an attention probability are. Parameters carry their Hugging Face
// names, so a checkpoint needs no mapping. The forward also returns what distillation compares.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/model/shape.hpp"
#include "lowbit/train/head_matmul.hpp"
#include "lowbit/train/policy.hpp"

namespace lowbit::train {

/// Sentences of similar length, padded to the longest.
struct batch {
  Tensor ids;     // (B, T) int64
  Tensor mask;    // (B, T) float, 1 for a token, 0 for padding
  Tensor labels;  // (B) int64
  bool padded = true;
};

/// Pre-sign projections of one layer.
struct attention_trace {
  Tensor query, key, value;  // (B, A, T, d)
};

/// What a forward computed: hidden[0] is the embedding output, hidden[l] the output of layer l.
struct trace {
  std::vector<Tensor> hidden;  // (B, T, H) each
  std::vector<attention_trace> attention;
  Tensor logits;  // (B, C)
};

struct forward_options {
  bool training = false;
  double dropout = 0.0;  ///< after the embeddings, on attention, after both outputs
  double classifier_dropout = 0.0;
  precision type = precision::f32;
  /// Computes only what the logits need of the last layer: keys and values of all tokens, the rest
  /// of [CLS] alone. Exact; a third less work for two layers. Distillation looks at every token.
  bool logits_only = false;
};

using named_tensor = std::pair<std::string, Tensor>;

template <class Policy>
class bert {
 public:
  /// Weights ~ N(0, 0.02) as in BERT, biases 0, LayerNorm 1 and 0; from the generator of libtorch.
  explicit bert(const model_shape& shape) : shape_(shape) {
    const auto d = static_cast<std::int64_t>(shape.hidden);
    const auto inner = static_cast<std::int64_t>(shape.intermediate);
    words_ = normal({static_cast<std::int64_t>(shape.vocabulary), d});
    positions_ = normal({static_cast<std::int64_t>(shape.positions), d});
    types_ = normal({static_cast<std::int64_t>(shape.token_types), d});
    embedding_norm_ = affine{at::ones({d}), at::zeros({d})};
    for (std::size_t i = 0; i < shape.layers; ++i) {
      layers_.push_back({dense(d, d), dense(d, d), dense(d, d), dense(d, d),
                         affine{at::ones({d}), at::zeros({d})}, dense(inner, d), dense(d, inner),
                         affine{at::ones({d}), at::zeros({d})}});
    }
    pooler_ = dense(d, d);
    classifier_ = dense(static_cast<std::int64_t>(shape.labels), d);
    for (auto& [name, tensor] : parameters()) tensor.requires_grad_(true);
  }

  [[nodiscard]] const model_shape& shape() const { return shape_; }

  /// Every parameter with its Hugging Face name. The tensors are handles: writing to them writes to
  /// the model.
  [[nodiscard]] std::vector<named_tensor> parameters() const {
    std::vector<named_tensor> all;
    const auto add = [&all](const std::string& name, const affine& a) {
      all.emplace_back(name + ".weight", a.weight);
      all.emplace_back(name + ".bias", a.bias);
    };
    all.emplace_back("bert.embeddings.word_embeddings.weight", words_);
    all.emplace_back("bert.embeddings.position_embeddings.weight", positions_);
    all.emplace_back("bert.embeddings.token_type_embeddings.weight", types_);
    add("bert.embeddings.LayerNorm", embedding_norm_);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const std::string at = "bert.encoder.layer." + std::to_string(i) + ".";
      const encoder_layer& layer = layers_[i];
      add(at + "attention.self.query", layer.query);
      add(at + "attention.self.key", layer.key);
      add(at + "attention.self.value", layer.value);
      add(at + "attention.output.dense", layer.attention_output);
      add(at + "attention.output.LayerNorm", layer.attention_norm);
      add(at + "intermediate.dense", layer.intermediate);
      add(at + "output.dense", layer.output);
      add(at + "output.LayerNorm", layer.output_norm);
    }
    add("bert.pooler.dense", pooler_);
    add("classifier", classifier_);
    return all;
  }

  void to(const torch::Device& device) {
    const auto move = [&device](Tensor& t) { t = t.detach().to(device).requires_grad_(true); };
    const auto move_affine = [&move](affine& a) { move(a.weight), move(a.bias); };
    move(words_), move(positions_), move(types_), move_affine(embedding_norm_);
    for (encoder_layer& l : layers_) {
      for (affine* a : {&l.query, &l.key, &l.value, &l.attention_output, &l.attention_norm,
                        &l.intermediate, &l.output, &l.output_norm}) {
        move_affine(*a);
      }
    }
    move_affine(pooler_), move_affine(classifier_);
  }

  [[nodiscard]] trace forward(const batch& in, const forward_options& options) const {
    trace out;
    const std::int64_t sentences = in.ids.size(0), tokens = in.ids.size(1);
    const auto rows = Policy::embed(words_, in.ids.reshape({-1}));
    // Position embeddings are added to every sentence; the token type is always 0.
    const Tensor places = positions_.narrow(0, 0, tokens).unsqueeze(0) + types_.narrow(0, 0, 1);
    Tensor x = normalize(rows.view({sentences, tokens, -1}) + places, embedding_norm_);
    x = at::dropout(x, options.dropout, options.training).view({sentences * tokens, -1});
    out.hidden.push_back(x.view({sentences, tokens, -1}));

    Tensor mask;  // (B, 1, 1, T), added to the scores
    if (in.padded) mask = ((1.0 - in.mask) * -10000.0).view({sentences, 1, 1, tokens});
    for (const encoder_layer& layer : layers_) {
      const bool first_only = options.logits_only && &layer == &layers_.back();
      x = run(layer, x, sentences, mask, first_only, options, out);
      out.hidden.push_back(x.view({sentences, first_only ? 1 : tokens, -1}));
    }
    const Tensor first = out.hidden.back().select(1, 0);
    const Tensor pooled = project(Policy::input(first), pooler_, options).tanh();
    const Tensor kept = at::dropout(pooled, options.classifier_dropout, options.training);
    out.logits = at::linear(kept, classifier_.weight, classifier_.bias);
    return out;
  }

 private:
  struct affine {
    Tensor weight, bias;
  };
  struct encoder_layer {
    affine query, key, value, attention_output, attention_norm, intermediate, output, output_norm;
  };

  static Tensor normal(at::IntArrayRef sizes) { return at::randn(sizes).mul_(0.02); }
  static affine dense(std::int64_t outputs, std::int64_t inputs) {
    return {normal({outputs, inputs}), at::zeros({outputs})};
  }

  [[nodiscard]] Tensor normalize(const Tensor& x, const affine& norm) const {
    return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, shape_.layer_norm_eps);
  }

  static Tensor project(const Tensor& x, const affine& a, const forward_options& options) {
    return Policy::linear(x, a.weight, a.bias, options.type);
  }

  /// One post-LN encoder layer on rows x (B*T, H); `first_only`: its output for token 0, (B, H).
  [[nodiscard]] Tensor run(const encoder_layer& layer, const Tensor& x, std::int64_t sentences,
                           const Tensor& mask, bool first_only, const forward_options& options,
                           trace& out) const {
    const auto heads = static_cast<std::int64_t>(shape_.heads);
    const auto split = [&](const Tensor& rows) {  // (B*T, H) -> (B, A, T, d)
      return rows.view({sentences, rows.size(0) / sentences, heads, -1})
          .transpose(1, 2)
          .contiguous();
    };
    const auto first = [&](const Tensor& rows) {
      return first_only ? rows.view({sentences, -1, rows.size(1)}).select(1, 0) : rows;
    };
    const Tensor in = Policy::input(x);  // shared by q, k and v
    const Tensor residual = first(x);
    const attention_trace projected{split(project(first(in), layer.query, options)),
                                    split(project(in, layer.key, options)),
                                    split(project(in, layer.value, options))};
    out.attention.push_back(projected);
    const double scale = 1.0 / std::sqrt(static_cast<double>(shape_.head_width()));
    Tensor scores =
        head_scores(Policy::head(projected.query), Policy::head(projected.key)).mul(scale);
    if (mask.defined()) scores = scores + mask;
    const Tensor probabilities = Policy::probabilities(scores, options.dropout, options.training);
    const Tensor context = head_context(probabilities, Policy::head(projected.value))
                               .transpose(1, 2)
                               .reshape({residual.size(0), -1});

    const Tensor attended = project(Policy::input(context), layer.attention_output, options);
    const Tensor a = normalize(at::dropout(attended, options.dropout, options.training) + residual,
                               layer.attention_norm);
    const Tensor inner = Policy::activation(project(Policy::input(a), layer.intermediate, options));
    const Tensor output = project(inner, layer.output, options);
    return normalize(at::dropout(output, options.dropout, options.training) + a, layer.output_norm);
  }

  model_shape shape_;
  Tensor words_, positions_, types_;
  affine embedding_norm_;
  std::vector<encoder_layer> layers_;
  affine pooler_, classifier_;
};

}  // namespace lowbit::train
