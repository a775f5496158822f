// SPDX-License-Identifier: Apache-2.0
// Folders of a float checkpoint with trained ranges: what they become under policy q8bert, and what
// is refused.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include "crafted.hpp"
#include "expect_error.hpp"
#include "lowbit/io/import_static.hpp"
#include "lowbit/io/model_folder.hpp"

namespace {

namespace fs = std::filesystem;
using lowbit::errc;

const fs::path& plain_folder() {
  static const fs::path folder = fs::path(LOWBIT_TEST_DATA) / "bert_h128";
  return folder;
}

/// Inputs that have a range, and the number that it is here.
std::map<std::string, float> all_ranges(std::size_t layers) {
  std::map<std::string, float> all{{"bert.pooler.dense", 0.75F}};
  for (std::size_t l = 0; l < layers; ++l) {
    const std::string at = "bert.encoder.layer." + std::to_string(l) + ".";
    const float base = 1.0F + static_cast<float>(l);
    all[at + "attention.self.query"] = base;
    all[at + "attention.output.dense"] = base + 0.125F;
    all[at + "intermediate.dense"] = base + 0.25F;
    all[at + "output.dense"] = base + 0.375F;
  }
  return all;
}

/// The plain checkpoint as training writes it: a field of config.json, a tensor for each range.
struct trained_folder {
  crafted::scratch_folder folder;
  nlohmann::json config;
  std::map<std::string, std::vector<float>> ranges;

  trained_folder() {
    config = *lowbit::read_json(plain_folder() / "config.json");
    config["lowbit_scheme"] = "q8bert";
    const std::size_t layers = config.at("num_hidden_layers").get<std::size_t>();
    for (const auto& [name, value] : all_ranges(layers)) ranges[name + ".input.range"] = {value};
  }
  /// Opens the folder that these fields describe.
  [[nodiscard]] lowbit::result<lowbit::canonical_model> open(
      const lowbit::load_options& options = {}) const {
    const auto plain = lowbit::checkpoint_tensors::open(plain_folder());
    REQUIRE(plain.ok());
    std::vector<lowbit::tensor_to_write> tensors;
    for (const lowbit::tensor_view& t : plain->tensors())
      tensors.push_back({t.name, t.type, t.shape, t.data});
    for (const auto& [name, values] : ranges) {
      tensors.push_back(
          {name, lowbit::element_type::f32, {values.size()}, std::as_bytes(std::span(values))});
    }
    const auto written = lowbit::write_safetensors(folder.path() / "model.safetensors", tensors, {},
                                                   lowbit::existing::replace);
    INFO(written.message());
    REQUIRE(written.ok());
    crafted::write(folder.path() / "config.json", config.dump());
    return lowbit::open_model(folder.path(), options);
  }
};

bool same(const lowbit::stored_tensor& a, const lowbit::stored_tensor& b) {
  const std::size_t bytes = a.elements() * lowbit::size_of(a.type);
  return a.type == b.type && a.elements() == b.elements() &&
         std::memcmp(a.data, b.data, bytes) == 0;
}

}  // namespace

TEST_CASE("trained ranges give the model that calibration with them would give", "[io][q8bert]") {
  const trained_folder t;
  const auto model = t.open();  // without a policy: what config.json says
  INFO(model.status().message());
  REQUIRE(model.ok());
  CHECK(model->policy == "q8bert");
  CHECK(model->ignored == lowbit::open_model(plain_folder())->ignored);

  const auto floats = lowbit::open_model(plain_folder(), {"fp32", {}, {}});
  REQUIRE(floats.ok());
  const std::size_t layers = floats->config.shape.layers;
  lowbit::activation_ranges ranges(layers);
  const auto values = all_ranges(layers);
  ranges.hidden[layers] = values.at("bert.pooler.dense");
  for (std::size_t l = 0; l < layers; ++l) {
    const std::string at = "bert.encoder.layer." + std::to_string(l) + ".";
    const auto set = [&](lowbit::activation_site site, const char* name) {
      ranges.layers[l][static_cast<std::size_t>(site)] = values.at(at + name);
    };
    ranges.hidden[l] = values.at(at + "attention.self.query");
    set(lowbit::activation_site::context, "attention.output.dense");
    set(lowbit::activation_site::attended, "intermediate.dense");
    set(lowbit::activation_site::middle, "output.dense");
  }
  const auto expected = lowbit::import_static(*floats, ranges);
  REQUIRE(expected.ok());
  std::size_t scales = 0;
  for (const lowbit::stored_tensor& e : expected->tensors()) {
    INFO(e.name);
    const lowbit::stored_tensor* found = model->weights().find(e.name);
    REQUIRE(found != nullptr);
    CHECK(same(*found, e));
    if (std::string_view(e.name).ends_with(".input.scale")) ++scales;
  }
  CHECK(scales == 6 * layers + 1);  // q, k and v each have that of the query
  CHECK(model->weights().find("bert.encoder.layer.0.output.dense.weight") == nullptr);

  const fs::path packed = t.folder.path() / "packed";
  REQUIRE(lowbit::save_packed(*model, packed, t.folder.path()).ok());
  const auto again = lowbit::open_model(packed);
  INFO(again.status().message());
  REQUIRE(again.ok());
  CHECK(again->policy == "q8bert");
  CHECK(again->tensors().size() == model->tensors().size());
}

TEST_CASE("ranges that no code can be made of are one message with file and tensor",
          "[io][q8bert]") {
  const std::string name = "bert.encoder.layer.0.output.dense.input.range";
  const auto refused = [&name](const std::vector<float>& values, errc code, const char* text) {
    trained_folder t;
    t.ranges[name] = values;
    expect_error(t.open({"q8bert", {}, {}}).status(), code, {"model.safetensors", name, text});
  };
  refused({0.0F}, errc::malformed, "is 0.000000, expected a finite number above 0");
  refused({-1.0F}, errc::malformed, "expected a finite number above 0");
  refused({std::nanf("")}, errc::malformed, "NaN");
  refused({INFINITY}, errc::malformed, "infinite");
  refused({1.0F, 2.0F}, errc::shape_mismatch, "has shape [2], expected [1]");
  refused({}, errc::shape_mismatch, "expected [1]");
  trained_folder missing;
  missing.ranges.erase(name);
  expect_error(missing.open().status(), errc::not_found,
               {missing.folder.path().native(), name, "is missing"});
  trained_folder more;
  more.ranges["bert.encoder.layer.0.attention.self.key.input.range"] = {1.0F};
  expect_error(more.open().status(), errc::unsupported, {"self.key.input.range"});
}

TEST_CASE("a model that was trained as q8bert runs as nothing else", "[io][q8bert]") {
  const trained_folder t;
  for (const char* policy : {"fp32", "int8", "ibert", "bibert"}) {
    expect_error(t.open({policy, {}, {}}).status(), errc::invalid_argument,
                 {"this is a q8bert checkpoint", policy});
  }
  expect_error(t.open({"q8bert", {}, {{"query", "int4"}}}).status(), errc::invalid_argument,
               {"cannot be overridden"});
  trained_folder relu;
  relu.config["hidden_act"] = "relu";
  expect_error(relu.open().status(), errc::unsupported, {"hidden_act gelu, found relu"});
  trained_folder other;
  other.config["lowbit_scheme"] = "int8";
  expect_error(other.open().status(), errc::unsupported, {"lowbit_scheme", "\"int8\"", "q8bert"});
  trained_folder number;
  number.config["lowbit_scheme"] = 8;
  expect_error(number.open().status(), errc::malformed, {"lowbit_scheme", "string"});
  // One object per linear layer: another program's, whose tensors are others.
  trained_folder foreign;
  foreign.config.erase("lowbit_scheme");
  foreign.config["attention_query"] = {{"mode", "ema"}};
  expect_error(foreign.open().status(), errc::invalid_argument, {"needs ranges of activations"});
}

TEST_CASE("a TinyBERT that was trained as q8bert keeps the relu before its classifier",
          "[io][q8bert]") {
  trained_folder t;
  t.config["architectures"] = {"TinyBertForSequenceClassification"};
  const auto model = t.open();
  REQUIRE(model.ok());
  CHECK(model->config.shape.pooler_act == lowbit::pooler_activation::tanh_relu);
  CHECK(model->config.shape.layer_norm_eps == 1e-12F);
}

TEST_CASE("layers that share weights get the widest range of all of them", "[io][q8bert]") {
  const auto floats = lowbit::open_model(fs::path(LOWBIT_TEST_DATA) / "families/albert-sequence");
  INFO(floats.status().message());
  REQUIRE(floats.ok());
  lowbit::activation_ranges ranges(2);
  ranges.hidden = {2, 1, 5};
  ranges.layers[0].fill(3);
  ranges.layers[1].fill(4);
  const auto model = lowbit::import_static(*floats, ranges);
  INFO(model.status().message());
  REQUIRE(model.ok());
  const auto scale = [&](lowbit::model_part part) {
    const auto* found = model->weights().find(lowbit::part_name(part, 0)(".input.scale").view());
    REQUIRE(found != nullptr);
    return found->at(0);
  };
  CHECK(scale(lowbit::model_part::query) == 2.0F / 127.0F);
  CHECK(scale(lowbit::model_part::feed_forward_input) == 4.0F / 127.0F);
  CHECK(scale(lowbit::model_part::pooler) == 5.0F / 127.0F);
  CHECK(model->weights().find("bert.encoder.layer.1.output.dense.input.scale") == nullptr);
  ranges.layers[1].fill(std::numeric_limits<float>::quiet_NaN());
  expect_error(lowbit::import_static(*floats, ranges).status(), errc::invalid_argument, {"range"});
}
