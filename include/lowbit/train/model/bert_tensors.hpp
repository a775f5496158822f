// SPDX-License-Identifier: Apache-2.0
// The tensors of a BERT encoder with a head. Names are Hugging Face's, so checkpoints need no
// mapping.
#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/train/model/scheme.hpp"

namespace lowbit::train {

/// A tensor of an encoder layer: "bert.encoder.layer.3.output.dense.bias" is {3,
/// "output.dense.bias"}.
struct layer_tensor {
  std::size_t layer = 0;
  std::string rest;

  /// nullopt for a tensor outside the layers.
  static std::optional<layer_tensor> of(const std::string& name) {
    if (!name.starts_with(prefix)) return std::nullopt;
    const std::size_t dot = name.find('.', prefix.size());
    return layer_tensor{std::stoul(name.substr(prefix.size(), dot - prefix.size())),
                        name.substr(dot + 1)};
  }
  [[nodiscard]] std::string name() const {
    return std::string(prefix) + std::to_string(layer) + "." + rest;
  }

 private:
  static constexpr std::string_view prefix = lowbit::detail::layer_prefix;
};

struct affine_tensors {
  Tensor weight, bias;
};
struct linear_tensors {
  site at = site::classifier;
  std::vector<linear_part> parts;
};
struct layer_tensors {
  linear_tensors query, key, value, attention_output, intermediate, output;
  extra_tensors attention;
  affine_tensors attention_norm, output_norm;
};
struct tensor_role {
  bool trained = true;   ///< has a gradient; otherwise state stored in a checkpoint
  bool exported = true;  ///< stored in the model folder
};

struct bert_tensors {
  /// Weights ~ N(0, 0.02) as in BERT, biases 0, LayerNorm 1 and 0; uses libtorch's generator.
  bert_tensors(const model_shape& of, const training_scheme& scheme) : shape(of) {
    const auto d = size(shape.hidden), inner = size(shape.inner());
    for (std::size_t p = 0; p < scheme.parts(); ++p) {
      words.push_back(normal({size(shape.vocabulary), d}));
    }
    positions = normal({size(shape.positions), d});
    types = normal({size(shape.token_types), d});
    embedding_norm = unit_norm(d);
    for (std::size_t i = 0; i < shape.layers; ++i) {
      layer_tensors l;
      for (linear_tensors* one : {&l.query, &l.key, &l.value})
        *one = dense(scheme, site::projection, inner, d);
      if (scheme.shares_inputs()) {
        for (linear_tensors* one : {&l.key, &l.value}) {
          for (linear_part& part : one->parts) part.extras.clear();
        }
      }
      l.attention = scheme.attention_extras();
      l.attention_output = dense(scheme, site::attention_output, d, inner);
      l.attention_norm = unit_norm(d);
      l.intermediate = dense(scheme, site::feed_forward_input, size(shape.intermediate), d);
      l.output = dense(scheme, site::feed_forward_output, d, size(shape.intermediate));
      l.output_norm = unit_norm(d);
      layers.push_back(std::move(l));
    }
    if (shape.head == head_kind::sequence) pooler = dense(scheme, site::pooler, d, d);
    if (shape.head == head_kind::masked_lm) {
      transform = {normal({d, d}), at::zeros({d})};
      transform_norm = unit_norm(d);
      decoder_bias = at::zeros({size(shape.vocabulary)});
    } else if (shape.has_labels()) {
      classifier = {normal({size(shape.labels), d}), at::zeros({size(shape.labels)})};
    }
    for_each([](const std::string&, Tensor& t, tensor_role role) {
      if (role.trained) t.requires_grad_(true);
    });
  }

  /// visit(name, tensor, role) for every tensor of the model.
  template <class Visit>
  void for_each(const Visit& visit) {
    const auto add_affine = [&visit](const std::string& name, affine_tensors& a) {
      visit(name + ".weight", a.weight, {});
      visit(name + ".bias", a.bias, {});
    };
    const auto add_extras = [&visit](const std::string& name, extra_tensors& extras) {
      for (extra_tensor& e : extras) visit(name + "." + e.suffix, e.value, {e.trained, e.exported});
    };
    const auto half_name = [](const std::string& name, std::size_t parts, std::size_t p) {
      return parts == 1 ? name : name + "_" + std::to_string(p + 1);
    };
    const auto add = [&](const std::string& name, linear_tensors& l) {
      for (std::size_t p = 0; p < l.parts.size(); ++p) {
        const std::string part = half_name(name, l.parts.size(), p);
        visit(part + ".weight", l.parts[p].weight, {});
        visit(part + ".bias", l.parts[p].bias, {});
        add_extras(part, l.parts[p].extras);
      }
    };
    for (std::size_t p = 0; p < words.size(); ++p) {
      visit(half_name(part_text(model_part::word_embeddings), words.size(), p) + ".weight",
            words[p], {});
    }
    visit(part_text(model_part::position_embeddings, 0, ".weight"), positions, {});
    visit(part_text(model_part::token_type_embeddings, 0, ".weight"), types, {});
    add_affine(part_text(model_part::embedding_norm), embedding_norm);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto at = [i](model_part part) { return part_text(part, i); };
      layer_tensors& layer = layers[i];
      add(at(model_part::query), layer.query);
      add(at(model_part::key), layer.key);
      add(at(model_part::value), layer.value);
      add_extras(at(model_part::attention), layer.attention);
      add(at(model_part::attention_output), layer.attention_output);
      add_affine(at(model_part::attention_norm), layer.attention_norm);
      add(at(model_part::feed_forward_input), layer.intermediate);
      add(at(model_part::feed_forward_output), layer.output);
      add_affine(at(model_part::output_norm), layer.output_norm);
    }
    if (shape.head == head_kind::sequence) add(part_text(model_part::pooler), pooler);
    if (shape.head == head_kind::masked_lm) {
      add_affine(part_text(model_part::masked_lm_transform), transform);
      add_affine(part_text(model_part::masked_lm_norm), transform_norm);
      visit(part_text(model_part::masked_lm, 0, ".bias"), decoder_bias, {});
    } else if (shape.has_labels()) {
      add_affine(part_text(model_part::classifier), classifier);
    }
  }

  model_shape shape;
  std::vector<Tensor> words;  // one (V, H) table per part
  Tensor positions, types;    // (P, H), (token types, H)
  affine_tensors embedding_norm;
  std::vector<layer_tensors> layers;
  linear_tensors pooler;                     // sequence heads
  affine_tensors classifier;                 // heads with labels
  affine_tensors transform, transform_norm;  // masked language model
  Tensor decoder_bias;                       // (V), masked language model

 private:
  static std::int64_t size(std::size_t n) { return static_cast<std::int64_t>(n); }
  static Tensor normal(at::IntArrayRef sizes) { return at::randn(sizes).mul_(0.02); }
  static affine_tensors unit_norm(std::int64_t n) { return {at::ones({n}), at::zeros({n})}; }
  static linear_tensors dense(const training_scheme& scheme, site at, std::int64_t n,
                              std::int64_t k) {
    linear_tensors out{at, {}};
    for (std::size_t p = 0; p < scheme.parts(); ++p) {
      out.parts.push_back({normal({n, k}), at::zeros({n}), scheme.linear_extras(at, k)});
    }
    return out;
  }
};

}  // namespace lowbit::train
