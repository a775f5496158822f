// SPDX-License-Identifier: Apache-2.0
// What the programs of this folder share: checks that name what failed, and a random model of one
// layer that runs in memory.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>

#include "../../support/weights.hpp"
#include "lowbit/boundary/batch.hpp"
#include "lowbit/boundary/shape.hpp"
#include "lowbit/core/executor.hpp"
#include "lowbit/tensor/arena.hpp"

namespace toy_test {

#define TOY_CHECK(condition)                                                    \
  do {                                                                          \
    if (!(condition)) {                                                         \
      std::printf("%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                             \
    }                                                                           \
  } while (false)

inline void need(const lowbit::status& s) {
  if (s.ok()) return;
  std::printf("%.*s\n", static_cast<int>(s.message().size()), s.message().data());
  std::exit(1);
}

/// Sizes that fit no vector, word or tile.
inline lowbit::model_shape shape() {
  lowbit::model_shape s;
  s.layers = 1;
  s.hidden = 45;
  s.heads = 3;
  s.intermediate = 83;
  s.vocabulary = 31;
  s.positions = 16;
  s.labels = 3;
  return s;
}

/// Every tensor as floats.
inline lowbit_test::tensor_store float_model() {
  const lowbit::model_shape s = shape();
  lowbit_test::random_source random(7);
  lowbit_test::tensor_store out;
  const auto matrix = [&](const std::string& name, std::size_t n, std::size_t k) {
    out.add(name + ".weight", {n, k}, random.floats(n * k, 0.0F, 0.3F));
  };
  const auto dense = [&](const std::string& name, std::size_t n, std::size_t k) {
    matrix(name, n, k);
    out.add(name + ".bias", {n}, random.floats(n, 0.0F, 0.3F));
  };
  const auto norm = [&](const std::string& name) {
    out.add(name + ".weight", {s.hidden}, random.floats(s.hidden, 1.0F, 0.2F));
    out.add(name + ".bias", {s.hidden}, random.floats(s.hidden, 0.0F, 0.2F));
  };
  const std::string base = "bert.embeddings.", layer = "bert.encoder.layer.0.";
  matrix(base + "word_embeddings", s.vocabulary, s.hidden);
  matrix(base + "position_embeddings", s.positions, s.hidden);
  matrix(base + "token_type_embeddings", s.token_types, s.hidden);
  norm(base + "LayerNorm");
  for (const char* part : {"query", "key", "value"})
    dense(layer + "attention.self." + part, s.hidden, s.hidden);
  dense(layer + "attention.output.dense", s.hidden, s.hidden);
  norm(layer + "attention.output.LayerNorm");
  dense(layer + "intermediate.dense", s.intermediate, s.hidden);
  dense(layer + "output.dense", s.hidden, s.intermediate);
  norm(layer + "output.LayerNorm");
  dense("bert.pooler.dense", s.hidden, s.hidden);
  dense("classifier", s.labels, s.hidden);
  return out;
}

class memory {
 public:
  explicit memory(std::size_t bytes)
      : data_(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64}))) {}
  memory(const memory&) = delete;
  memory& operator=(const memory&) = delete;
  ~memory() { ::operator delete (data_, std::align_val_t{64}); }
  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  std::byte* data_;
};

/// The logits of two sentences.
template <class Model>
std::vector<float> logits_of(const lowbit::weight_set& weights, const lowbit::model_shape& s) {
  const std::size_t bytes = Model::model_bytes(weights, s);
  const memory space(bytes);
  lowbit::arena arena(space.data(), bytes);
  Model model;
  need(model.load(arena, weights, s));
  const std::int32_t ids[] = {3, 30, 7, 0, 12, 5, 5, 21};
  const std::uint32_t offsets[] = {0, 5, 8};
  const lowbit::token_input in{ids, nullptr, nullptr, {offsets, 2}};
  const std::size_t needed = Model::workspace_bytes(s, Model::limits_of(in.batch, 1));
  const memory workspace(needed);
  std::vector<float> logits(2 * s.labels);
  lowbit::serial executor;
  need(model.run(in, workspace.data(), needed,
                 lowbit::matrix_view<float>{logits.data(), 2, s.labels, s.labels}, executor));
  for (const float y : logits) TOY_CHECK(std::isfinite(y));
  return logits;
}

}  // namespace toy_test
