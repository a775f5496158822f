// SPDX-License-Identifier: Apache-2.0
// What `lowbit flops` counts is what loops count, and `lowbit compare --text` sees a known change
// of one layer where it is and nowhere else.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "../model/reference_forward.hpp"
#include "program.hpp"

namespace {

using namespace lowbit_test;
using nlohmann::json;

/// --shape 2,16,2,24 with the vocabulary, positions, token types and labels of BERT.
constexpr std::uint64_t layers = 2, hidden = 16, wide = 24, tokens = 5;
constexpr std::uint64_t vocabulary = 30522, positions = 512, types = 2, labels = 2;

struct products {
  std::uint64_t linear = 0, attention = 0;
};
/// Of the encoder, when `asking` tokens go through all of the last layer.
products encoder_products(std::uint64_t asking) {
  products p;
  for (std::uint64_t l = 0; l < layers; ++l) {
    for (std::uint64_t t = 0; t < tokens; ++t) {
      p.linear += 2 * hidden * hidden;  // key, value
      if (l + 1 == layers && t >= asking) continue;
      p.linear += 2 * hidden * hidden + 2 * hidden * wide;  // query, output; feed-forward
      for (std::uint64_t j = 0; j < tokens; ++j) p.attention += 2 * hidden;  // scores, context
    }
  }
  return p;
}
constexpr std::uint64_t pooler = hidden * hidden, classifier = labels * hidden;

/// Weights of the matrices that a policy encodes, and their rows; all others are floats.
struct stored {
  std::uint64_t weights = vocabulary * hidden, rows = vocabulary;
  std::uint64_t floats = (positions + types) * hidden + 2 * hidden;  // tables, a norm
  stored() {
    for (std::uint64_t l = 0; l < layers; ++l) {
      for (const auto& [n, k] : {std::pair{hidden, hidden},
                                 {hidden, hidden},
                                 {hidden, hidden},
                                 {hidden, hidden},
                                 {wide, hidden},
                                 {hidden, wide}}) {
        add(n, k);
      }
      floats += 4 * hidden;  // two norms
    }
    add(hidden, hidden);
    floats += labels * hidden + labels;
  }
  void add(std::uint64_t n, std::uint64_t k) {
    weights += n * k;
    rows += n;
    floats += n;  // biases
  }
};

json flops_of(const std::string& policy) {
  const json found = run_json("flops --shape 2,16,2,24 --tokens 5 -p " + policy);
  CHECK(found["policy"]["policy"] == policy);
  CHECK(found["policy"]["tokens"] == tokens);
  CHECK(found["fp32"] == run_json("flops --shape 2,16,2,24 --tokens 5 -p fp32")["policy"]);
  return found["policy"]["total"];
}

}  // namespace

TEST_CASE("flops counts the products and bytes of loops over a small shape", "[flops]") {
  const stored bytes;
  const json fp32 = flops_of("fp32"), int8 = flops_of("int8"), bibert = flops_of("bibert");
  CHECK(fp32["bytes"]["total"] == 4 * (bytes.weights + bytes.floats));
  CHECK(int8["bytes"]["total"] == bytes.weights + 4 * (bytes.rows + bytes.floats));
  CHECK(bibert["bytes"]["total"] == bytes.weights / 8 + 4 * (bytes.rows + bytes.floats));
  for (const auto& [what, asking] :
       {std::pair{"defined", tokens}, {"executed", std::uint64_t{1}}}) {
    CAPTURE(what);
    const products p = encoder_products(asking);
    CHECK(fp32[what]["f32_macs"] == p.linear + p.attention + pooler + classifier);
    CHECK(int8[what]["int8_macs"] == p.linear + pooler);
    CHECK(int8[what]["f32_macs"] == p.attention + classifier);
    CHECK(bibert[what]["bit_macs"] == p.linear + p.attention + pooler);
    CHECK(bibert[what]["f32_macs"] == classifier);
  }
}

TEST_CASE("flops of a folder counts its own shape, at all its positions", "[flops]") {
  const model_folder model(lowbit::head_kind::sequence, "BertForSequenceClassification", 3200);
  std::size_t bytes = 0;
  for (const lowbit::stored_tensor& t : model.tensors.weights()) bytes += 4 * t.elements();
  const json found = run_json("flops -m " + model.path())["policy"];
  CHECK(found["policy"] == "fp32");
  CHECK(found["tokens"] == model.shape.positions);
  CHECK(found["total"]["bytes"]["total"] == bytes);
}

TEST_CASE("compare --text finds a change of one layer there, and what it does to later ones",
          "[compare]") {
  const model_folder first(lowbit::head_kind::sequence, "BertForSequenceClassification", 3300);
  model_folder second(lowbit::head_kind::sequence, "BertForSequenceClassification", 3300);
  const crafted::scratch_folder files;
  const std::string text = (files.path() / "text").native();
  crafted::write(text, "new york is big\nso\n");
  const auto compare = [&] {
    const json found =
        run_json("compare " + first.path() + " " + second.path() + " --text " + text);
    REQUIRE(found["layers"].size() == 3);
    CHECK(found["layers"][0]["layer"] == "embeddings");
    CHECK(found["layers"][2]["layer"] == "1");
    return found["layers"];
  };
  const auto check_same = [](const json& error) {
    CHECK(error["largest"] == 0.0);
    CHECK(std::abs(error["cosine"].get<double>() - 1.0) < 1e-12);
    CHECK(error["snr_db"].is_null());  // infinite
  };
  for (const json& layer : compare()) {
    CAPTURE(layer);
    check_same(layer["alone"]);
    check_same(layer["accumulated"]);
  }

  // Half a unit more in channel 3 of all that layer 0 gives.
  auto& bias = second.tensors.bytes("bert.encoder.layer.0.output.LayerNorm.bias");
  float value = 0;
  std::memcpy(&value, bias.data() + 3 * sizeof value, sizeof value);
  value += 0.5F;
  std::memcpy(bias.data() + 3 * sizeof value, &value, sizeof value);
  std::vector<lowbit::tensor_to_write> tensors;
  for (const lowbit::stored_tensor& t : second.tensors.weights())
    tensors.push_back(
        {t.name, lowbit::element_type::f32, {t.shape, t.shape + t.rank}, {t.data, t.bytes()}});
  REQUIRE(lowbit::write_safetensors(second.path() + "/model.safetensors", tensors, {},
                                    lowbit::existing::replace)
              .ok());
  lowbit::model_shape layer_0 = first.shape;
  layer_0.layers = 1;
  reference_forward reference(first.tensors.weights(), layer_0);
  double dot = 0, before = 0, after = 0, difference = 0;
  for (const char* line : {"new york is big", "so"}) {
    const lowbit::encoding e = tokenizer().encode(line, 70).value();
    for (const reals& row : reference.fp32_hidden(e.ids, e.type_ids)) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        const double changed = row[i] + (i == 3 ? 0.5 : 0.0);
        dot += row[i] * changed;
        before += row[i] * row[i];
        after += changed * changed;
        difference += (changed - row[i]) * (changed - row[i]);
      }
    }
  }
  const json found = compare();
  check_same(found[0]["alone"]);
  check_same(found[0]["accumulated"]);
  for (const char* how : {"alone", "accumulated"}) {
    CAPTURE(how);
    const json& error = found[1][how];
    CHECK(std::abs(error["largest"].get<double>() - 0.5) < 1e-5);
    CHECK(std::abs(error["cosine"].get<double>() - dot / std::sqrt(before * after)) < 1e-5);
    CHECK(std::abs(error["snr_db"].get<double>() - 10 * std::log10(before / difference)) < 1e-3);
  }
  check_same(found[2]["alone"]);
  CHECK(found[2]["accumulated"]["largest"] > 0.01);
  CHECK(found[2]["accumulated"]["cosine"] < 0.9999);
  check_refusal("compare " + first.path() + " --text " + text, "two models, found 1");
}
