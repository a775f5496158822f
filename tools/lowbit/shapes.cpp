// SPDX-License-Identifier: Apache-2.0
// Named shapes, and shapes given as "L,H,A,I".
#include <charconv>

#include "session.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::model_shape;
using lowbit::result;
using lowbit::status;

namespace {

constexpr std::size_t bert_vocabulary = 30522;
constexpr std::size_t bert_positions = 512;
constexpr std::size_t default_labels = 2;

/// L layers, H hidden, A heads, I intermediate; the rest as in BERT.
constexpr model_shape bert(std::size_t l, std::size_t h, std::size_t a, std::size_t i) {
  return {l, h, a, i, bert_vocabulary, bert_positions, 2, default_labels};
}

/// Bort's hidden size is its number of units, 1024, and its feed-forward layers are narrower, 768
/// (alexa/bort, predefined net). RoBERTa's vocabulary; no token types, so a single row.
constexpr model_shape bort() {
  model_shape shape = bert(4, 1024, 8, 768);
  shape.vocabulary = 50265;
  shape.token_types = 1;
  shape.layer_norm_eps = 1e-5F;
  return shape;
}

/// DistilBERT: no token types.
constexpr model_shape distilbert() {
  model_shape shape = bert(6, 768, 12, 3072);
  shape.token_types = 0;
  shape.pooler_act = lowbit::pooler_activation::relu;
  return shape;
}

/// roberta-base without the two positions that no text uses.
constexpr model_shape roberta() {
  model_shape shape = bert(12, 768, 12, 3072);
  shape.vocabulary = 50265;
  shape.token_types = 1;
  shape.layer_norm_eps = 1e-5F;
  return shape;
}

constexpr model_shape electra() {
  model_shape shape = bert(12, 256, 4, 1024);
  shape.embedding = 128;
  shape.pooler_act = lowbit::pooler_activation::gelu;
  return shape;
}

constexpr model_shape albert() {
  model_shape shape = bert(12, 768, 12, 3072);
  shape.vocabulary = 30000;
  shape.embedding = 128;
  shape.shared_layers = true;
  return shape;
}

/// mpnet-base, as roberta-base without the two positions that no text uses.
constexpr model_shape mpnet() {
  model_shape shape = bert(12, 768, 12, 3072);
  shape.vocabulary = 30527;
  shape.token_types = 0;
  shape.layer_norm_eps = 1e-5F;
  shape.relative_bias = true;
  return shape;
}

/// ModernBERT-base.
constexpr model_shape modernbert() {
  model_shape shape = bert(22, 768, 12, 1152);
  shape.vocabulary = 50368;
  shape.positions = 8192;
  shape.token_types = 0;
  shape.layer_norm_eps = 1e-5F;
  shape.block = lowbit::block_kind::pre_norm;
  shape.global_every = 3;
  shape.window = 64;
  shape.global_theta = 160000.0F;
  shape.local_theta = 10000.0F;
  return shape;
}

struct entry {
  const char* name;
  model_shape shape;
};
constexpr entry entries[] = {
    {"bert-base", bert(12, 768, 12, 3072)},
    {"bert-large", bert(24, 1024, 16, 4096)},
    {"tinybert-4l", bert(4, 312, 12, 1200)},
    {"bort", bort()},
    {"distilbert", distilbert()},
    {"roberta-base", roberta()},
    {"electra-small", electra()},
    {"albert-base", albert()},
    {"mpnet-base", mpnet()},
    {"modernbert-base", modernbert()},
};

/// The names of all shapes.
std::string shape_names() {
  std::string names;
  for (const entry& e : entries) names += std::string(e.name) + ", ";
  return names;
}

status unreadable(const std::string& text) {
  return status::error(errc::invalid_argument, "--shape is \"", text, "\", expected ",
                       shape_names(),
                       "or four numbers L,H,A,I (layers, hidden size, heads, intermediate size)");
}

}  // namespace

result<model_shape> named_shape(const std::string& name) {
  for (const entry& e : entries) {
    if (name == e.name) return e.shape;
  }
  std::size_t values[4] = {};
  const char* at = name.data();
  const char* const end = at + name.size();
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0 && (at == end || *at++ != ',')) return unreadable(name);
    const auto [stop, error] = std::from_chars(at, end, values[i]);
    if (error != std::errc()) return unreadable(name);
    at = stop;
  }
  if (at != end) return unreadable(name);
  const model_shape shape = bert(values[0], values[1], values[2], values[3]);
  LOWBIT_TRY(shape.check().in("--shape " + name));
  return shape;
}

}  // namespace lowbit_tool
