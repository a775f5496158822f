// SPDX-License-Identifier: Apache-2.0
// A BERT encoder with a head, for training. One forward serves every scheme: the scheme defines the
// embedding, the linear layers and the attention probabilities. The forward also returns what
// distillation compares; its steps are public so that a recipe can mix layers of two models.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/train/model/bert_tensors.hpp"
#include "lowbit/train/model/head_matmul.hpp"
#include "lowbit/train/model/trace.hpp"

namespace lowbit::train {

class bert {
 public:
  /// Weights ~ N(0, 0.02) as in BERT, biases 0, LayerNorm 1 and 0; uses libtorch's generator.
  bert(const model_shape& shape, scheme_ptr how)
      : scheme_(std::move(how)), tensors_(shape, *scheme_) {}

  [[nodiscard]] const model_shape& shape() const { return tensors_.shape; }
  [[nodiscard]] const training_scheme& how() const { return *scheme_; }

  /// Every trained parameter with its Hugging Face name. The tensors are handles: writing to them
  /// writes to the model.
  [[nodiscard]] std::vector<named_tensor> parameters() {
    std::vector<named_tensor> all;
    tensors_.for_each([&all](const std::string& name, Tensor& t, tensor_role role) {
      if (role.trained) all.emplace_back(name, t);
    });
    return all;
  }
  /// Untrained state that a checkpoint stores besides the parameters.
  [[nodiscard]] std::vector<named_tensor> buffers() {
    std::vector<named_tensor> all;
    tensors_.for_each([&all](const std::string& name, Tensor& t, tensor_role role) {
      if (!role.trained) all.emplace_back(name, t);
    });
    return all;
  }
  /// The tensors stored in a model folder.
  [[nodiscard]] std::vector<named_tensor> exported() {
    std::vector<named_tensor> all;
    tensors_.for_each([&all](const std::string& name, Tensor& t, tensor_role role) {
      if (role.exported) all.emplace_back(name, t);
    });
    return all;
  }

  void to(const torch::Device& device) {
    tensors_.for_each([&device](const std::string&, Tensor& t, tensor_role role) {
      t = t.detach().to(device).requires_grad_(role.trained);
    });
  }

  [[nodiscard]] trace forward(const batch& in, const forward_options& options,
                              const std::vector<layer_gates>& gates = {}) {
    trace out;
    Tensor x = embed(in, options);
    out.hidden.push_back(x.view({in.sentences(), in.tokens(), -1}));
    const Tensor mask = added_mask(in);
    for (std::size_t i = 0; i < tensors_.layers.size(); ++i) {
      const bool first_only = options.logits_only && scheme_->by_token() &&
                              shape().head == head_kind::sequence &&
                              i + 1 == tensors_.layers.size();
      x = run_layer(i, x, in.sentences(), mask, first_only, options,
                    i < gates.size() ? gates[i] : layer_gates{}, out);
      out.hidden.push_back(x.view({in.sentences(), first_only ? 1 : in.tokens(), -1}));
    }
    finish(in, options, out);
    return out;
  }

  /// Embedding output, rows (B*T, H).
  [[nodiscard]] Tensor embed(const batch& in, const forward_options& options) {
    const Tensor ids = in.ids.reshape({-1});
    Tensor rows = scheme_->embed(tensors_.words[0], ids, options);
    for (std::size_t p = 1; p < tensors_.words.size(); ++p) {
      rows = rows + scheme_->embed(tensors_.words[p], ids, options);
    }
    const Tensor type = in.types.defined() ? at::embedding(tensors_.types, in.types)
                                           : tensors_.types.narrow(0, 0, 1).unsqueeze(0);
    const Tensor places = tensors_.positions.narrow(0, 0, in.tokens()).unsqueeze(0) + type;
    const Tensor sum = rows.view({in.sentences(), in.tokens(), -1}) + places;
    return at::dropout(normalize(sum, tensors_.embedding_norm), options.dropout, options.training)
        .view({in.sentences() * in.tokens(), -1});
  }

  /// (B, 1, 1, T), added to the scores; undefined when nothing is padded.
  [[nodiscard]] static Tensor added_mask(const batch& in) {
    if (!in.padded) return {};
    return ((1.0 - in.mask) * -10000.0).view({in.sentences(), 1, 1, in.tokens()});
  }

  /// One post-LN encoder layer on rows x (B*T, H); `first_only`: its output for token 0, (B, H).
  /// Appends to out.attention.
  [[nodiscard]] Tensor run_layer(std::size_t index, const Tensor& x, std::int64_t sentences,
                                 const Tensor& mask, bool first_only,
                                 const forward_options& options, const layer_gates& gates,
                                 trace& out) {
    layer_tensors& layer = tensors_.layers[index];
    const auto heads = size(shape().heads);
    const auto split = [&](const Tensor& rows) {  // (B*T, inner) -> (B, A, T, d)
      return rows.view({sentences, rows.size(0) / sentences, heads, -1})
          .transpose(1, 2)
          .contiguous();
    };
    const auto first = [&](const Tensor& rows) {
      return first_only ? rows.view({sentences, -1, rows.size(1)}).select(1, 0) : rows;
    };
    const Tensor residual = first(x);
    Tensor shared;  // encoded input, shared by q, k and v
    if (scheme_->shares_inputs()) {
      shared = scheme_->input(layer.query.parts[0], site::projection, x, options);
    }
    attention_trace a;
    a.query = split(shared.defined() ? multiply(layer.query, first(shared), options)
                                     : project(layer.query, residual, options));
    a.key = split(shared.defined() ? multiply(layer.key, shared, options)
                                   : project(layer.key, x, options));
    a.value = split(shared.defined() ? multiply(layer.value, shared, options)
                                     : project(layer.value, x, options));
    const auto read = [&](projection which, const Tensor& t) {
      return scheme_->head(layer.attention, which, t, options);
    };
    const double scale = 1.0 / std::sqrt(static_cast<double>(shape().head_width()));
    a.scores =
        head_scores(read(projection::query, a.query), read(projection::key, a.key)).mul(scale);
    if (mask.defined()) a.scores = a.scores + mask;
    a.probabilities = scheme_->probabilities(layer.attention, a.scores, options);
    Tensor context = head_context(a.probabilities, read(projection::value, a.value));
    if (gates.heads.defined()) context = context * gates.heads.view({1, heads, 1, 1});
    context = context.transpose(1, 2).reshape({residual.size(0), -1});
    out.attention.push_back(std::move(a));

    const Tensor attended = project(layer.attention_output, context, options);
    const Tensor middle = normalize(
        at::dropout(attended, options.dropout, options.training) + residual, layer.attention_norm);
    Tensor inner = scheme_->activate(project(layer.intermediate, middle, options));
    if (gates.neurons.defined()) inner = inner * gates.neurons;
    const Tensor output = project(layer.output, inner, options);
    return normalize(at::dropout(output, options.dropout, options.training) + middle,
                     layer.output_norm);
  }

  /// The head: logits and targets from out.hidden.back(). Computes nothing for a bare encoder
  /// (embedding heads).
  void finish(const batch& in, const forward_options& options, trace& out) {
    if (shape().head != head_kind::masked_lm && !shape().has_labels()) return;
    const Tensor& last = out.hidden.back();
    if (shape().head == head_kind::sequence) {
      Tensor pooled = project(tensors_.pooler, last.select(1, 0), options).tanh();
      if (shape().pooler_act == pooler_activation::tanh_relu) pooled = pooled.relu();
      const Tensor kept = at::dropout(pooled, options.classifier_dropout, options.training);
      out.logits = at::linear(kept, tensors_.classifier.weight, tensors_.classifier.bias);
      out.targets = in.labels;
      return;
    }
    const Tensor labels = in.labels.reshape({-1});
    const Tensor asked = labels.ne(ignored_label).nonzero().squeeze(1);
    out.targets = labels.index_select(0, asked);
    const Tensor rows = last.reshape({-1, last.size(2)}).index_select(0, asked);
    if (shape().head == head_kind::token) {
      const Tensor kept = at::dropout(rows, options.classifier_dropout, options.training);
      out.logits = at::linear(kept, tensors_.classifier.weight, tensors_.classifier.bias);
      return;
    }
    const Tensor transformed =
        apply_activation(scheme_->hidden_act(),
                         at::linear(rows, tensors_.transform.weight, tensors_.transform.bias));
    Tensor words = tensors_.words[0];
    for (std::size_t p = 1; p < tensors_.words.size(); ++p) words = words + tensors_.words[p];
    out.logits = linear_function::apply(normalize(transformed, tensors_.transform_norm), words,
                                        tensors_.decoder_bias, options.type);
  }

 private:
  static std::int64_t size(std::size_t n) { return static_cast<std::int64_t>(n); }

  [[nodiscard]] Tensor normalize(const Tensor& x, const affine_tensors& norm) const {
    return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, shape().layer_norm_eps);
  }
  /// The sum over the parts, which share the encoded input x.
  [[nodiscard]] Tensor multiply(linear_tensors& l, const Tensor& x,
                                const forward_options& o) const {
    Tensor sum = scheme_->multiply(l.parts[0], l.at, x, o);
    for (std::size_t p = 1; p < l.parts.size(); ++p) {
      sum = sum + scheme_->multiply(l.parts[p], l.at, x, o);
    }
    return sum;
  }
  [[nodiscard]] Tensor project(linear_tensors& l, const Tensor& x, const forward_options& o) const {
    Tensor sum;
    for (linear_part& part : l.parts) {
      const Tensor y = scheme_->multiply(part, l.at, scheme_->input(part, l.at, x, o), o);
      sum = sum.defined() ? sum + y : y;
    }
    return sum;
  }

  scheme_ptr scheme_;
  bert_tensors tensors_;
};

}  // namespace lowbit::train
