// SPDX-License-Identifier: Apache-2.0
#include "onnx_bert.hpp"

#include <algorithm>
#include <cmath>

#include "onnx_writer.hpp"

namespace lowbit_bench {
namespace {

using lowbit::status;

/// Weights (K, N), as ONNX multiplies them.
struct weights {
  std::size_t k = 0, n = 0;
  std::vector<float> values;
};

class bert_builder {
 public:
  bert_builder(const lowbit::canonical_model& model, onnx_format format, bool masked)
      : model_(model), int8_(format == onnx_format::int8), mask_(masked ? "mask" : "") {}

  lowbit::result<std::string> build() {
    const auto& s = model_.config.shape;
    embeddings();
    std::string hidden = "embedded";
    for (std::size_t l = 0; l < s.layers; ++l)
      hidden = layer("bert.encoder.layer." + std::to_string(l), hidden, l + 1 == s.layers);
    const onnx_extent batch{0, "B"};
    const onnx_extent length{0, "S"};
    graph_.input("ids", onnx_type::i32, {batch, length});
    if (!mask_.empty()) graph_.input("mask", onnx_type::i32, {batch, length});
    graph_.output("hidden", onnx_type::f32,
                  {batch, length, {static_cast<std::int64_t>(s.hidden), nullptr}});
    if (!failed_.ok()) return failed_;
    return graph_.model();
  }

 private:
  /// A canonical tensor of the model, which must be f32 with this many elements.
  std::span<const float> tensor(const std::string& name, std::size_t elements) {
    for (const lowbit::stored_tensor& t : model_.tensors()) {
      if (name != t.name) continue;
      if (t.type != lowbit::element_type::f32 || t.elements() != elements) break;
      return {reinterpret_cast<const float*>(t.data), elements};
    }
    failed_ = status::error(lowbit::errc::not_found, "tensor ", name, ": no f32 tensor of ",
                            elements, " elements");
    zeros_.resize(std::max(zeros_.size(), elements));
    return {zeros_.data(), elements};
  }

  std::string copy(const std::string& name, const std::vector<std::size_t>& shape) {
    std::size_t elements = 1;
    for (const std::size_t extent : shape) elements *= extent;
    graph_.floats(name, shape, tensor(name, elements));
    return name;
  }

  /// The weights of several layers side by side: (K, total N), from rows (N, K).
  weights transposed(const std::vector<std::string>& layers, std::size_t n, std::size_t k) {
    weights w{k, n * layers.size(), std::vector<float>(k * n * layers.size())};
    for (std::size_t at = 0; at < layers.size(); ++at) {
      const auto rows = tensor(layers[at] + ".weight", n * k);
      for (std::size_t o = 0; o < n; ++o) {
        for (std::size_t j = 0; j < k; ++j) w.values[j * w.n + at * n + o] = rows[o * k + j];
      }
    }
    return w;
  }

  /// Symmetric 8-bit weights with one scale: NAME, NAME.scale, NAME.zero.
  void quantized(const std::string& name, const weights& w) {
    float largest = 0;
    for (const float v : w.values) largest = std::max(largest, std::abs(v));
    const float scale = largest / 127.0F;
    std::vector<std::int8_t> codes;
    codes.reserve(w.values.size());
    for (const float v : w.values)
      codes.push_back(static_cast<std::int8_t>(std::lround(v / scale)));
    const std::int8_t zero = 0;
    graph_.constant(name, onnx_type::i8, {w.k, w.n}, std::as_bytes(std::span(codes)));
    graph_.floats(name + ".scale", {}, {&scale, 1});
    graph_.constant(name + ".zero", onnx_type::i8, {}, std::as_bytes(std::span(&zero, 1)));
  }

  /// Token type 0 is added to the position embeddings: one lookup less.
  void embeddings() {
    const auto& s = model_.config.shape;
    const std::string base = "bert.embeddings.";
    const auto positions = tensor(base + "position_embeddings.weight", s.positions * s.hidden);
    const auto types = tensor(base + "token_type_embeddings.weight", s.token_types * s.hidden);
    std::vector<float> sums(positions.begin(), positions.end());
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += types[i % s.hidden];
    graph_.floats("positions", {s.positions, s.hidden}, sums);
    graph_.node("EmbedLayerNormalization",
                {"ids", "", copy(base + "word_embeddings.weight", {s.vocabulary, s.hidden}),
                 "positions", "", copy(base + "LayerNorm.weight", {s.hidden}),
                 copy(base + "LayerNorm.bias", {s.hidden})},
                {"embedded", "lengths"}, {float_attribute("epsilon", s.layer_norm_eps)});
  }

  /// output = input W^T; the next operator adds the bias.
  std::string product(const std::string& name, const std::string& input, std::size_t n,
                      std::size_t k) {
    const weights w = transposed({name}, n, k);
    const std::string matrix = name + ".weight";
    if (int8_) {
      quantized(matrix, w);
      graph_.node("DynamicQuantizeMatMul", {input, matrix, matrix + ".scale", matrix + ".zero"},
                  {name});
    } else {
      graph_.floats(matrix, {k, n}, w.values);
      graph_.node("MatMul", {input, matrix}, {name}, {}, true);
    }
    return name;
  }

  std::string attention(const std::string& self, const std::string& input) {
    const std::size_t d = model_.config.shape.hidden;
    const std::vector<std::string> parts{self + ".query", self + ".key", self + ".value"};
    const weights w = transposed(parts, d, d);
    std::vector<float> bias;
    for (const std::string& part : parts) {
      const auto values = tensor(part + ".bias", d);
      bias.insert(bias.end(), values.begin(), values.end());
    }
    const std::string matrix = self + ".weight";
    graph_.floats(self + ".bias", {3 * d}, bias);
    const std::vector<onnx_attribute> attributes{
        integer_attribute("num_heads", model_.config.shape.heads)};
    if (!int8_) {
      graph_.floats(matrix, {d, 3 * d}, w.values);
      graph_.node("Attention", {input, matrix, self + ".bias", mask_}, {self}, attributes);
      return self;
    }
    quantized(matrix, w);
    const std::string codes = input + ".codes";
    graph_.node("DynamicQuantizeLinear", {input}, {codes, codes + ".scale", codes + ".zero"}, {},
                true);
    graph_.node("QAttention",
                {codes, matrix, self + ".bias", codes + ".scale", matrix + ".scale", mask_,
                 codes + ".zero", matrix + ".zero"},
                {self}, attributes);
    return self;
  }

  /// LayerNorm(input + skip + bias of `dense`)
  std::string add_and_norm(const std::string& dense, const std::string& norm,
                           const std::string& input, const std::string& skip,
                           const std::string& result) {
    const auto& s = model_.config.shape;
    graph_.node("SkipLayerNormalization",
                {input, skip, copy(norm + ".weight", {s.hidden}), copy(norm + ".bias", {s.hidden}),
                 copy(dense + ".bias", {s.hidden})},
                {result}, {float_attribute("epsilon", s.layer_norm_eps)});
    return result;
  }

  std::string layer(const std::string& base, const std::string& input, bool last) {
    const auto& s = model_.config.shape;
    const std::string context = attention(base + ".attention.self", input);
    const std::string dense = base + ".attention.output.dense";
    const std::string attended =
        add_and_norm(dense, base + ".attention.output.LayerNorm",
                     product(dense, context, s.hidden, s.hidden), input, base + ".attended");
    const std::string inner = base + ".intermediate.dense";
    product(inner, attended, s.intermediate, s.hidden);
    const std::string gelu = base + ".gelu";
    graph_.node("BiasGelu", {inner, copy(inner + ".bias", {s.intermediate})}, {gelu});
    const std::string outer = base + ".output.dense";
    return add_and_norm(outer, base + ".output.LayerNorm",
                        product(outer, gelu, s.hidden, s.intermediate), attended,
                        last ? "hidden" : base + ".hidden");
  }

  const lowbit::canonical_model& model_;
  bool int8_;
  std::string mask_;  // name of the input, or empty
  onnx_graph graph_;
  std::vector<float> zeros_;
  status failed_;
};

}  // namespace

lowbit::result<std::string> onnx_bert(const lowbit::canonical_model& model, onnx_format format,
                                      bool masked) {
  return bert_builder(model, format, masked).build();
}

}  // namespace lowbit_bench
