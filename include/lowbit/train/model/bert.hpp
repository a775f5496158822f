// SPDX-License-Identifier: Apache-2.0
// A BERT encoder with a head, for training. One forward for every scheme: the scheme says what an
// embedding, a linear layer and an attention probability are. Parameters carry their Hugging Face
// names, so a checkpoint needs no mapping. The forward also returns what distillation compares; its
// steps are public, so that a recipe can mix layers of two models.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/model/shape.hpp"
#include "lowbit/train/model/head_matmul.hpp"
#include "lowbit/train/model/scheme.hpp"

namespace lowbit::train {

/// A label that asks for no answer.
inline constexpr std::int64_t ignored_label = -100;

/// Sentences of similar length, padded to the longest.
struct batch {
  Tensor ids;     // (B, T) int64
  Tensor mask;    // (B, T) float, 1 for a token, 0 for padding
  Tensor labels;  // (B) int64 of sequence heads; else (B, T), ignored_label where nothing is asked
  Tensor types;   // (B, T) int64, or undefined: all 0
  bool padded = true;

  [[nodiscard]] std::int64_t sentences() const { return ids.size(0); }
  [[nodiscard]] std::int64_t tokens() const { return ids.size(1); }
};

/// What one layer's attention computed. Undefined where only [CLS] was computed.
struct attention_trace {
  Tensor query, key, value;  // (B, A, T, d) as the linear layers gave them, before any encoding
  Tensor scores;             // (B, A, T, T) masked
  Tensor probabilities;      // (B, A, T, T) what multiplied the values
};

/// What a forward computed: hidden[0] is the embedding output, hidden[l] the output of layer l.
struct trace {
  std::vector<Tensor> hidden;  // (B, T, H) each
  std::vector<attention_trace> attention;
  Tensor logits;   // (n, C): of each sentence, or of each token that has a label
  Tensor targets;  // (n) int64, the labels that belong to them
};

/// Factors on the heads and neurons of a layer, 1 to keep and 0 to cut; undefined: none.
struct layer_gates {
  Tensor heads;    // (A)
  Tensor neurons;  // (I)
};

class bert {
 public:
  /// Weights ~ N(0, 0.02) as in BERT, biases 0, LayerNorm 1 and 0; from the generator of libtorch.
  bert(const model_shape& shape, scheme_ptr how) : shape_(shape), scheme_(std::move(how)) {
    const auto d = size(shape.hidden), inner = size(shape.inner());
    for (std::size_t p = 0; p < scheme_->parts(); ++p) {
      words_.push_back(normal({size(shape.vocabulary), d}));
    }
    positions_ = normal({size(shape.positions), d});
    types_ = normal({size(shape.token_types), d});
    embedding_norm_ = unit_norm(d);
    for (std::size_t i = 0; i < shape.layers; ++i) {
      encoder_layer l;
      for (linear* one : {&l.query, &l.key, &l.value}) *one = dense(site::projection, inner, d);
      if (scheme_->shares_inputs()) {
        for (linear* one : {&l.key, &l.value}) {
          for (linear_part& part : one->parts) part.extras.clear();
        }
      }
      l.attention = scheme_->attention_extras(inner);
      l.attention_output = dense(site::attention_output, d, inner);
      l.attention_norm = unit_norm(d);
      l.intermediate = dense(site::feed_forward_input, size(shape.intermediate), d);
      l.output = dense(site::feed_forward_output, d, size(shape.intermediate));
      l.output_norm = unit_norm(d);
      layers_.push_back(std::move(l));
    }
    if (shape.head == head_kind::sequence) pooler_ = dense(site::pooler, d, d);
    if (shape.head == head_kind::masked_lm) {
      transform_ = {normal({d, d}), at::zeros({d})};
      transform_norm_ = unit_norm(d);
      decoder_bias_ = at::zeros({size(shape.vocabulary)});
    } else if (shape.has_labels()) {
      classifier_ = {normal({size(shape.labels), d}), at::zeros({size(shape.labels)})};
    }
    for (auto& [name, tensor] : parameters()) tensor.requires_grad_(true);
  }

  [[nodiscard]] const model_shape& shape() const { return shape_; }
  [[nodiscard]] const training_scheme& how() const { return *scheme_; }

  /// Every trained parameter with its Hugging Face name. The tensors are handles: writing to them
  /// writes to the model.
  [[nodiscard]] std::vector<named_tensor> parameters() {
    std::vector<named_tensor> all;
    for_each([&all](const std::string& name, Tensor& t, tensor_role role) {
      if (role.trained) all.emplace_back(name, t);
    });
    return all;
  }
  /// State that is not trained: what a checkpoint keeps beside the parameters.
  [[nodiscard]] std::vector<named_tensor> buffers() {
    std::vector<named_tensor> all;
    for_each([&all](const std::string& name, Tensor& t, tensor_role role) {
      if (!role.trained) all.emplace_back(name, t);
    });
    return all;
  }
  /// What stands in a model folder.
  [[nodiscard]] std::vector<named_tensor> exported() {
    std::vector<named_tensor> all;
    for_each([&all](const std::string& name, Tensor& t, tensor_role role) {
      if (role.exported) all.emplace_back(name, t);
    });
    return all;
  }

  void to(const torch::Device& device) {
    for_each([&device](const std::string&, Tensor& t, tensor_role role) {
      t = t.detach().to(device).requires_grad_(role.trained);
    });
  }

  [[nodiscard]] trace forward(const batch& in, const forward_options& options,
                              const std::vector<layer_gates>& gates = {}) {
    trace out;
    Tensor x = embed(in, options);
    out.hidden.push_back(x.view({in.sentences(), in.tokens(), -1}));
    const Tensor mask = added_mask(in);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const bool first_only = options.logits_only && scheme_->by_token() &&
                              shape_.head == head_kind::sequence && i + 1 == layers_.size();
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
    Tensor rows = scheme_->embed(words_[0], ids, options);
    for (std::size_t p = 1; p < words_.size(); ++p) {
      rows = rows + scheme_->embed(words_[p], ids, options);
    }
    const Tensor type =
        in.types.defined() ? at::embedding(types_, in.types) : types_.narrow(0, 0, 1).unsqueeze(0);
    const Tensor places = positions_.narrow(0, 0, in.tokens()).unsqueeze(0) + type;
    const Tensor sum = rows.view({in.sentences(), in.tokens(), -1}) + places;
    return at::dropout(normalize(sum, embedding_norm_), options.dropout, options.training)
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
    encoder_layer& layer = layers_[index];
    const auto heads = size(shape_.heads);
    const auto split = [&](const Tensor& rows) {  // (B*T, inner) -> (B, A, T, d)
      return rows.view({sentences, rows.size(0) / sentences, heads, -1})
          .transpose(1, 2)
          .contiguous();
    };
    const auto first = [&](const Tensor& rows) {
      return first_only ? rows.view({sentences, -1, rows.size(1)}).select(1, 0) : rows;
    };
    const Tensor residual = first(x);
    Tensor shared;  // the encoded input, where q, k and v have the same
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
    const double scale = 1.0 / std::sqrt(static_cast<double>(shape_.head_width()));
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

  /// The head: logits and targets from out.hidden.back(); nothing of a bare encoder (embedding
  /// heads).
  void finish(const batch& in, const forward_options& options, trace& out) {
    if (shape_.head != head_kind::masked_lm && !shape_.has_labels()) return;
    const Tensor& last = out.hidden.back();
    if (shape_.head == head_kind::sequence) {
      Tensor pooled = project(pooler_, last.select(1, 0), options).tanh();
      if (shape_.relu_before_classifier) pooled = pooled.relu();
      const Tensor kept = at::dropout(pooled, options.classifier_dropout, options.training);
      out.logits = at::linear(kept, classifier_.weight, classifier_.bias);
      out.targets = in.labels;
      return;
    }
    const Tensor labels = in.labels.reshape({-1});
    const Tensor asked = labels.ne(ignored_label).nonzero().squeeze(1);
    out.targets = labels.index_select(0, asked);
    const Tensor rows = last.reshape({-1, last.size(2)}).index_select(0, asked);
    if (shape_.head == head_kind::token) {
      const Tensor kept = at::dropout(rows, options.classifier_dropout, options.training);
      out.logits = at::linear(kept, classifier_.weight, classifier_.bias);
      return;
    }
    const Tensor transformed = at::gelu(at::linear(rows, transform_.weight, transform_.bias));
    Tensor words = words_[0];
    for (std::size_t p = 1; p < words_.size(); ++p) words = words + words_[p];
    out.logits = linear_function::apply(normalize(transformed, transform_norm_), words,
                                        decoder_bias_, options.type);
  }

 private:
  struct affine {
    Tensor weight, bias;
  };
  struct linear {
    site at = site::classifier;
    std::vector<linear_part> parts;
  };
  struct encoder_layer {
    linear query, key, value, attention_output, intermediate, output;
    extra_tensors attention;
    affine attention_norm, output_norm;
  };
  struct tensor_role {
    bool trained = true, exported = true;
  };

  static std::int64_t size(std::size_t n) { return static_cast<std::int64_t>(n); }
  static Tensor normal(at::IntArrayRef sizes) { return at::randn(sizes).mul_(0.02); }
  static affine unit_norm(std::int64_t n) { return {at::ones({n}), at::zeros({n})}; }
  [[nodiscard]] linear dense(site at, std::int64_t n, std::int64_t k) const {
    linear out{at, {}};
    for (std::size_t p = 0; p < scheme_->parts(); ++p) {
      out.parts.push_back({normal({n, k}), at::zeros({n}), scheme_->linear_extras(at, n, k)});
    }
    return out;
  }

  [[nodiscard]] Tensor normalize(const Tensor& x, const affine& norm) const {
    return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, shape_.layer_norm_eps);
  }
  /// Of encoded x: the sum over the parts, which then share their input.
  [[nodiscard]] Tensor multiply(linear& l, const Tensor& x, const forward_options& o) const {
    Tensor sum = scheme_->multiply(l.parts[0], l.at, x, o);
    for (std::size_t p = 1; p < l.parts.size(); ++p) {
      sum = sum + scheme_->multiply(l.parts[p], l.at, x, o);
    }
    return sum;
  }
  [[nodiscard]] Tensor project(linear& l, const Tensor& x, const forward_options& o) const {
    Tensor sum;
    for (linear_part& part : l.parts) {
      const Tensor y = scheme_->multiply(part, l.at, scheme_->input(part, l.at, x, o), o);
      sum = sum.defined() ? sum + y : y;
    }
    return sum;
  }

  /// visit(name, tensor, role) for every tensor of the model.
  template <class Visit>
  void for_each(const Visit& visit) {
    const auto add_affine = [&visit](const std::string& name, affine& a) {
      visit(name + ".weight", a.weight, {});
      visit(name + ".bias", a.bias, {});
    };
    const auto add_extras = [&visit](const std::string& name, extra_tensors& extras) {
      for (extra_tensor& e : extras) visit(name + "." + e.suffix, e.value, {e.trained, e.exported});
    };
    const auto part_name = [](const std::string& name, std::size_t parts, std::size_t p) {
      return parts == 1 ? name : name + "_" + std::to_string(p + 1);
    };
    const auto add = [&](const std::string& name, linear& l) {
      for (std::size_t p = 0; p < l.parts.size(); ++p) {
        const std::string part = part_name(name, l.parts.size(), p);
        visit(part + ".weight", l.parts[p].weight, {});
        visit(part + ".bias", l.parts[p].bias, {});
        add_extras(part, l.parts[p].extras);
      }
    };
    for (std::size_t p = 0; p < words_.size(); ++p) {
      visit(part_name("bert.embeddings.word_embeddings", words_.size(), p) + ".weight", words_[p],
            {});
    }
    visit("bert.embeddings.position_embeddings.weight", positions_, {});
    visit("bert.embeddings.token_type_embeddings.weight", types_, {});
    add_affine("bert.embeddings.LayerNorm", embedding_norm_);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const std::string at = "bert.encoder.layer." + std::to_string(i) + ".";
      encoder_layer& layer = layers_[i];
      add(at + "attention.self.query", layer.query);
      add(at + "attention.self.key", layer.key);
      add(at + "attention.self.value", layer.value);
      add_extras(at + "attention.self", layer.attention);
      add(at + "attention.output.dense", layer.attention_output);
      add_affine(at + "attention.output.LayerNorm", layer.attention_norm);
      add(at + "intermediate.dense", layer.intermediate);
      add(at + "output.dense", layer.output);
      add_affine(at + "output.LayerNorm", layer.output_norm);
    }
    if (shape_.head == head_kind::sequence) add("bert.pooler.dense", pooler_);
    if (shape_.head == head_kind::masked_lm) {
      add_affine("cls.predictions.transform.dense", transform_);
      add_affine("cls.predictions.transform.LayerNorm", transform_norm_);
      visit("cls.predictions.bias", decoder_bias_, {});
    } else if (shape_.has_labels()) {
      add_affine("classifier", classifier_);
    }
  }

  model_shape shape_;
  scheme_ptr scheme_;
  std::vector<Tensor> words_;
  Tensor positions_, types_;
  affine embedding_norm_;
  std::vector<encoder_layer> layers_;
  linear pooler_;
  affine classifier_, transform_, transform_norm_;
  Tensor decoder_bias_;
};

}  // namespace lowbit::train
