// SPDX-License-Identifier: Apache-2.0
// Small models of random canonical tensors for every policy, and batches of random sentences.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <span>

#include "../support/guarded.hpp"
#include "../support/weights.hpp"
#include "lowbit/codec/encode.hpp"
#include "lowbit/model/heads.hpp"

namespace lowbit_test {

/// Sizes that fit no vector, word or tile.
constexpr lowbit::model_shape ragged_shape() {
  lowbit::model_shape s;
  s.layers = 2;
  s.hidden = 45;
  s.heads = 3;
  s.intermediate = 83;
  s.vocabulary = 97;
  s.positions = 70;
  s.token_types = 2;
  s.labels = 3;
  return s;
}

template <class Policy>
class model_builder {
 public:
  model_builder(const lowbit::model_shape& shape, random_source& random)
      : shape_(shape), random_(random) {
    using formats = lowbit::site_formats<Policy>;
    const std::size_t d = shape.hidden;
    matrix<typename Policy::embedding>("bert.embeddings.word_embeddings", shape.vocabulary, d,
                                       0.5F);
    floats("bert.embeddings.position_embeddings.weight", {shape.positions, d}, 0.2F);
    floats("bert.embeddings.token_type_embeddings.weight", {shape.token_types, d}, 0.2F);
    norm("bert.embeddings.LayerNorm");
    for (std::size_t l = 0; l < shape.layers; ++l) {
      const std::string layer = "bert.encoder.layer." + std::to_string(l);
      for (const char* part : {"query", "key", "value"}) {
        dense<typename formats::projection>(layer + ".attention.self." + part, d, d);
      }
      dense<typename formats::attention_output>(layer + ".attention.output.dense", d, d);
      norm(layer + ".attention.output.LayerNorm");
      dense<typename formats::feed_forward_input>(layer + ".intermediate.dense", shape.intermediate,
                                                  d);
      dense<typename formats::feed_forward_output>(layer + ".output.dense", d, shape.intermediate);
      norm(layer + ".output.LayerNorm");
      if constexpr (std::is_same_v<typename Policy::attention, lowbit::elastic_attention>) {
        for (const char* part : {"query.output", "key.output", "value.output"}) {
          scalar(layer + ".attention.self." + part + ".scale", 1.0F, 0.3F);
        }
        scalar(layer + ".attention.self.probability.scale", 0.2F, 0.1F);
      }
    }
    using plain = lowbit::policy::fp32::linear;
    switch (shape.head) {
      case lowbit::head_kind::sequence:
        dense<typename formats::pooler>("bert.pooler.dense", d, d);
        dense<plain>("classifier", shape.labels, d);
        break;
      case lowbit::head_kind::token:
        dense<plain>("classifier", shape.labels, d);
        break;
      case lowbit::head_kind::span:
        dense<plain>("qa_outputs", 2, d);
        break;
      case lowbit::head_kind::masked_lm:
        dense<plain>("cls.predictions.transform.dense", d, d);
        norm("cls.predictions.transform.LayerNorm");
        floats("cls.predictions.bias", {shape.vocabulary}, 0.3F);
        break;
      case lowbit::head_kind::mean_embedding:
      case lowbit::head_kind::cls_embedding:
      case lowbit::head_kind::pooled_embedding:
        break;
    }
  }
  [[nodiscard]] tensor_store take() { return std::move(tensors_); }

 private:
  template <class Codec>
  void matrix(const std::string& name, std::size_t n, std::size_t k, float spread) {
    if constexpr (lowbit::is_sign<Codec>) {
      const std::size_t scales = Codec::scales(n);
      tensors_.add_random_codes(name + ".weight.codes", n, k, random_);
      tensors_.add(name + ".weight.scale", {scales},
                   random_.floats(scales, 0.5F * spread, 0.2F * spread));
    } else if constexpr (std::is_same_v<Codec, lowbit::f32>) {
      floats(name + ".weight", {n, k}, spread);
    } else {
      const std::vector<float> values = random_.floats(n * k, 0.0F, spread);
      auto encoded =
          lowbit::encode(Codec{}, lowbit::matrix_view<const float>{values.data(), n, k, k});
      REQUIRE(encoded.ok());
      for (auto& t : encoded->tensors)
        tensors_.add(name + ".weight" + t.suffix, t.shape, t.type, std::move(t.bytes));
    }
  }
  template <class Format>
  void dense(const std::string& name, std::size_t n, std::size_t k) {
    matrix<typename Format::weights>(name, n, k, 0.3F);
    floats(name + ".bias", {n}, 0.3F);
    using input = typename Format::input;
    if constexpr (std::is_same_v<input, lowbit::activation::elastic_sign> ||
                  std::is_same_v<input, lowbit::activation::elastic_bool>) {
      floats(name + ".input.shift", {k}, 0.3F);
      scalar(name + ".input.scale", 0.8F, 0.3F);
    }
  }
  void norm(const std::string& name) {
    tensors_.add(name + ".weight", {shape_.hidden}, random_.floats(shape_.hidden, 1.0F, 0.2F));
    floats(name + ".bias", {shape_.hidden}, 0.2F);
  }
  void floats(const std::string& name, const std::vector<std::size_t>& shape, float spread) {
    std::size_t count = 1;
    for (const std::size_t n : shape) count *= n;
    tensors_.add(name, shape, random_.floats(count, 0.0F, spread));
  }
  void scalar(const std::string& name, float center, float spread) {
    tensors_.add(name, {}, {random_.around(center, spread)});
  }

  lowbit::model_shape shape_;
  random_source& random_;
  tensor_store tensors_;
};

template <class Policy>
tensor_store random_model(const lowbit::model_shape& shape, std::uint64_t seed) {
  random_source random(seed);
  return model_builder<Policy>(shape, random).take();
}

/// A model in memory of exactly model_bytes(), ending at a guard page.
template <class Model>
struct loaded_bert {
  Model model;
  guarded<std::byte> memory;

  loaded_bert(const tensor_store& tensors, const lowbit::model_shape& shape)
      : memory(Model::model_bytes(tensors.weights(), shape), 0xFF) {
    lowbit::arena space(memory.data(), memory.size());
    const lowbit::status s = model.load(space, tensors.weights(), shape);
    INFO(s.message());
    REQUIRE(s.ok());
    REQUIRE(space.used() == memory.size());
  }
};
template <class Policy, class Arch>
using loaded_model = loaded_bert<lowbit::classifier<Policy, Arch>>;

struct sentence {
  std::vector<std::int32_t> ids, types;
};
inline sentence random_sentence(const lowbit::model_shape& shape, std::size_t length,
                                random_source& random) {
  sentence s;
  for (std::size_t t = 0; t < length; ++t) {
    s.ids.push_back(static_cast<std::int32_t>(random.below(shape.vocabulary)));
    s.types.push_back(static_cast<std::int32_t>(random.below(shape.token_types)));
  }
  return s;
}

/// Sentences back to back, as a run takes them.
struct packed_batch {
  std::vector<std::int32_t> ids, types;
  std::vector<std::uint32_t> offsets{0};

  packed_batch(std::span<const sentence> sentences, std::span<const std::size_t> order) {
    for (const std::size_t s : order) {
      ids.insert(ids.end(), sentences[s].ids.begin(), sentences[s].ids.end());
      types.insert(types.end(), sentences[s].types.begin(), sentences[s].types.end());
      offsets.push_back(static_cast<std::uint32_t>(ids.size()));
    }
  }
  [[nodiscard]] lowbit::token_input input() const {
    return {ids.data(), types.data(), nullptr, {offsets.data(), offsets.size() - 1}};
  }
};

/// What a run writes, in a workspace of exactly the needed bytes. Whatever stale bytes workspace
/// and output are full of, it is the same; an observer sees one run only.
template <class Model, class Executor, class Observer = lowbit::no_observer>
std::vector<float> run_model(const Model& model, const lowbit::token_input& in, Executor& executor,
                             Observer&& observer = {}) {
  constexpr bool observed = std::remove_reference_t<Observer>::enabled;
  const std::size_t bytes = Model::template workspace_bytes<observed>(
      model.shape(), Model::limits_of(in.batch, executor.workers()));
  const std::size_t rows = Model::head::output_rows(in);
  const std::size_t cols = Model::head::output_cols(model.shape());
  const auto run = [&](unsigned char stale) {
    const guarded<std::byte> memory(bytes, stale);
    const guarded<float> out(rows * cols, stale);
    const lowbit::status s =
        model.run(in, memory.data(), bytes,
                  lowbit::matrix_view<float>{out.data(), rows, cols, cols}, executor, observer);
    INFO(s.message());
    REQUIRE(s.ok());
    return std::vector<float>(out.begin(), out.end());
  };
  std::vector<float> out = run(0x55);
  if constexpr (!observed) {
    const std::vector<float> again = run(0xAA);
    REQUIRE(std::memcmp(out.data(), again.data(), out.size() * sizeof(float)) == 0);
  }
  return out;
}

}  // namespace lowbit_test
