// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io/config.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "crafted.hpp"
#include "expect_error.hpp"

using lowbit::activation_function;
using lowbit::errc;
using lowbit::model_config;
using lowbit::scheme;
using nlohmann::json;

namespace {

json bert() {
  return {{"num_hidden_layers", 2}, {"hidden_size", 128},           {"num_attention_heads", 2},
          {"hidden_act", "gelu"},   {"intermediate_size", 512},     {"vocab_size", 1000},
          {"model_type", "bert"},   {"max_position_embeddings", 64}};
}
json with(json base, const json& changes) {
  base.update(changes);
  return base;
}
json without(json base, const char* field) {
  base.erase(field);
  return base;
}
json bibert() {
  return with(bert(), {{"quantize_act", true},
                       {"weight_bits", 1},
                       {"input_bits", 1},
                       {"embedding_bits", 1},
                       {"clip_val", 2.5}});
}
json bit() {
  return with(bert(), {{"weight_bits", 1},
                       {"input_bits", 1},
                       {"weight_quant_method", "bwn"},
                       {"input_quant_method", "elastic"},
                       {"hidden_act", "relu"},
                       {"not_quantize_attention", false},
                       {"embed_layerwise", false},
                       {"weight_layerwise", true},
                       {"input_layerwise", true},
                       {"sym_quant_qkvo", true},
                       {"sym_quant_ffn_attn", false},
                       {"pruned_heads", json::object()}});
}
json packed(const json& changes) {
  json format{
      {"quant_method", "lowbit"}, {"format_version", 1}, {"policy", "bibert"}, {"zero", "torch"}};
  format.update(changes);
  return with(bibert(), {{"quantization_config", format}});
}

model_config parse(const json& config) {
  auto parsed = lowbit::parse_config(config, "config.json");
  INFO(parsed.status().message());
  REQUIRE(parsed.ok());
  return *std::move(parsed);
}
void refuse(const json& config, errc code, std::initializer_list<std::string_view> parts) {
  const auto parsed = lowbit::parse_config(config, "config.json");
  expect_error(parsed.status(), code, parts);
  expect_error(parsed.status(), code, {"config.json"});
}

}  // namespace

TEST_CASE("config of a plain BERT gives its shape, labels unknown", "[io][config]") {
  const auto config = parse(with(bert(), {{"layer_norm_eps", 1e-5}, {"type_vocab_size", 3}}));
  CHECK(config.recognised == scheme::fp32);
  CHECK(config.shape.hidden_act == activation_function::gelu);
  CHECK(config.shape.layers == 2);
  CHECK(config.shape.hidden == 128);
  CHECK(config.shape.heads == 2);
  CHECK(config.shape.intermediate == 512);
  CHECK(config.shape.vocabulary == 1000);
  CHECK(config.shape.positions == 64);
  CHECK(config.shape.token_types == 3);
  CHECK(config.shape.labels == 0);
  CHECK(config.shape.layer_norm_eps == 1e-5F);
  CHECK(config.shape.pooler_act == lowbit::pooler_activation::tanh);
  CHECK(config.labels.empty());
  CHECK_FALSE(config.packed.has_value());
  CHECK(config.raw["hidden_size"] == 128);
}

TEST_CASE("config defaults are those of BERT", "[io][config]") {
  const auto config = parse(without(without(bert(), "model_type"), "hidden_act"));
  CHECK(config.shape.token_types == 2);
  CHECK(config.shape.layer_norm_eps == 1e-12F);
  CHECK(config.shape.hidden_act == activation_function::gelu);
}

TEST_CASE("config recognises every scheme from its fields", "[io][config]") {
  CHECK(parse(bibert()).recognised == scheme::bibert);
  CHECK(parse(bit()).recognised == scheme::bit);
  CHECK(parse(with(bibert(), {{"weight_bits", 2}, {"input_bits", 8}})).recognised ==
        scheme::ternarybert);
  CHECK(parse(with(bit(), {{"input_quant_method", "lsq"}, {"input_bits", 4}})).recognised ==
        scheme::binarybert);
  const auto narrow = parse(with(bit(), {{"dyna_hidden_size", 48}}));
  CHECK(narrow.recognised == scheme::bit);
  CHECK(narrow.shape.inner() == 48);
  CHECK(parse(with(bit(), {{"weight_bits", 2}, {"weight_quant_method", "twn"}})).recognised ==
        scheme::binarybert);
  CHECK(parse(with(bert(), {{"attention_query", {{"mode", "ema"}}}})).recognised == scheme::q8bert);
  CHECK(parse(with(bert(), {{"model_type", "ibert"}, {"quant_mode", true}})).recognised ==
        scheme::ibert);
  CHECK(lowbit::scheme_name(scheme::ternarybert) == "ternarybert");
}

TEST_CASE("config takes the LayerNorm epsilon from where the scheme's code has it",
          "[io][config]") {
  const json eps{{"layer_norm_eps", 1e-5}};
  CHECK(parse(with(bert(), eps)).shape.layer_norm_eps == 1e-5F);
  CHECK(parse(with(bibert(), eps)).shape.layer_norm_eps == 1e-5F);
  CHECK(parse(with(bit(), eps)).shape.layer_norm_eps == 1e-12F);
  CHECK(parse(with(with(bit(), {{"input_quant_method", "lsq"}}), eps)).shape.layer_norm_eps ==
        1e-12F);
  CHECK(parse(with(with(bert(), {{"architectures", {"TinyBertForSequenceClassification"}}}), eps))
            .shape.layer_norm_eps == 1e-12F);
}

TEST_CASE("config knows TinyBERT's classifier by architecture, or by the fields of its program",
          "[io][config]") {
  const json fields{{"pre_trained", ""}, {"training", ""}};
  const json plain{{"architectures", {"BertForSequenceClassification"}}};
  const json tiny{{"architectures", {"TinyBertForSequenceClassification"}}};
  CHECK(parse(with(bert(), tiny)).shape.pooler_act == lowbit::pooler_activation::tanh_relu);
  CHECK(parse(with(bert(), fields)).shape.pooler_act == lowbit::pooler_activation::tanh_relu);
  CHECK(parse(with(with(bert(), fields), plain)).shape.pooler_act ==
        lowbit::pooler_activation::tanh);
  CHECK(parse(with(bibert(), fields)).shape.pooler_act == lowbit::pooler_activation::tanh);
}

TEST_CASE("config reads labels in the order of their ids", "[io][config]") {
  json labels = json::object();
  for (int i = 11; i >= 0; --i) labels[std::to_string(i)] = "label " + std::to_string(i);
  const auto config = parse(with(bert(), {{"id2label", labels}, {"num_labels", 12}}));
  CHECK(config.shape.labels == 12);
  REQUIRE(config.labels.size() == 12);
  CHECK(config.labels[2] == "label 2");
  CHECK(config.labels[10] == "label 10");
  CHECK(parse(with(bert(), {{"id2label", {{"0", 5}, {"1", "x"}}}})).labels[0] == "5");
  CHECK(parse(with(bert(), {{"num_labels", 3}})).shape.labels == 3);
}

TEST_CASE("config refuses labels that are not 0 to n-1 or not the announced number",
          "[io][config][negative]") {
  const auto labels = [](const json& value) { return with(bert(), {{"id2label", value}}); };
  refuse(labels({{"0", "a"}, {"2", "b"}}), errc::malformed, {"id2label", "\"2\"", "0 to 1"});
  refuse(labels({{"0", "a"}, {"01", "b"}}), errc::malformed, {"\"01\""});
  refuse(labels({{"-1", "a"}}), errc::malformed, {"\"-1\""});
  refuse(labels({{"x", "a"}}), errc::malformed, {"\"x\""});
  refuse(labels({{"", "a"}}), errc::malformed, {"id2label"});
  refuse(labels({{"99999999999999999999", "a"}}), errc::malformed, {"id2label"});
  refuse(labels({{"0", json::array()}}), errc::malformed, {"id2label.0", "an array"});
  refuse(labels({"a", "b"}), errc::malformed, {"id2label", "an array"});
  refuse(with(labels({{"0", "a"}}), {{"num_labels", 2}}), errc::malformed,
         {"num_labels is 2", "1 labels"});
  refuse(with(bert(), {{"num_labels", 0}}), errc::malformed, {"num_labels is 0"});
}

TEST_CASE("config refuses zero, negative, fractional, missing and huge extents by name",
          "[io][config][negative]") {
  for (const char* field : {"num_hidden_layers", "hidden_size", "num_attention_heads",
                            "intermediate_size", "vocab_size", "max_position_embeddings"}) {
    INFO(field);
    refuse(without(bert(), field), errc::not_found, {field, "missing"});
    refuse(with(bert(), {{field, 0}}), errc::malformed, {field, "is 0"});
    refuse(with(bert(), {{field, -1}}), errc::malformed, {field, "the integer -1"});
    refuse(with(bert(), {{field, 2.0}}), errc::malformed, {field, "the fraction 2.0"});
    refuse(with(bert(), {{field, "2"}}), errc::malformed, {field, "the string"});
    refuse(with(bert(), {{field, 1ULL << 62U}}), errc::malformed, {field});
  }
  refuse(with(bert(), {{"type_vocab_size", -2}}), errc::malformed, {"type_vocab_size"});
  refuse(with(bert(), {{"num_labels", 1.5}}), errc::malformed, {"num_labels"});
  refuse(with(bert(), {{"num_attention_heads", 3}}), errc::malformed,
         {"hidden_size 128", "num_attention_heads 3"});
  refuse(with(bert(), {{"layer_norm_eps", -1e-12}}), errc::malformed, {"layer_norm_eps"});
  refuse(with(bert(), {{"layer_norm_eps", "1e-12"}}), errc::malformed, {"layer_norm_eps"});
  refuse(json::array(), errc::malformed, {"an array", "expected an object"});
}

TEST_CASE("config refuses models that are not a BERT encoder by name", "[io][config][negative]") {
  refuse(with(bert(), {{"model_type", "deberta-v2"}}), errc::unsupported,
         {"model_type", "\"deberta-v2\"", "\"bert\"", "\"distilbert\"", "\"albert\""});
  refuse(with(bert(), {{"model_type", 3}}), errc::malformed, {"model_type"});
  refuse(with(bert(), {{"is_decoder", true}}), errc::unsupported, {"is_decoder"});
  refuse(with(bert(), {{"is_causal", true}}), errc::unsupported, {"is_causal is true"});
  CHECK(parse(with(bert(), {{"is_causal", false}})).shape.layers == 2);
  refuse(with(bert(), {{"add_cross_attention", true}}), errc::unsupported, {"add_cross_attention"});
  refuse(with(bert(), {{"position_embedding_type", "relative_key"}}), errc::unsupported,
         {"position_embedding_type", "relative_key"});
  refuse(with(bert(), {{"pruned_heads", {{"0", {1}}}}}), errc::unsupported, {"pruned_heads"});
  refuse(with(bert(), {{"pruned_heads", 1}}), errc::malformed, {"pruned_heads"});
}

TEST_CASE("config reads every name of an activation function and refuses the others",
          "[io][config]") {
  using enum activation_function;
  const auto named = [](const char* text) {
    INFO(text);
    return parse(with(bert(), {{"hidden_act", text}})).shape.hidden_act;
  };
  for (const char* text : {"gelu", "gelu_python"}) CHECK(named(text) == gelu);
  for (const char* text :
       {"gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"}) {
    CHECK(named(text) == gelu_tanh);
  }
  for (const char* text : {"silu", "swish"}) CHECK(named(text) == silu);
  CHECK(named("quick_gelu") == quick_gelu);
  CHECK(named("relu") == relu);
  for (const char* text : {"gelu_10", "mish", "relu2", "GELU", ""}) {
    refuse(with(bert(), {{"hidden_act", text}}), errc::unsupported,
           {"hidden_act is \"" + std::string(text) +
            "\", expected one of gelu, relu, gelu_new, "
            "silu, quick_gelu, gelu_python, gelu_pytorch_tanh, gelu_python_tanh, gelu_fast, "
            "gelu_accurate, swish"});
  }
}

TEST_CASE("config refuses bit widths that a scheme's code does not define",
          "[io][config][negative]") {
  refuse(with(bibert(), {{"input_bits", 8}}), errc::unsupported,
         {"input_bits is 8", "weight_bits 1"});
  refuse(with(bibert(), {{"weight_bits", 4}}), errc::unsupported, {"weight_bits is 4"});
  refuse(with(bibert(), {{"quantize_act", false}}), errc::unsupported, {"quantize_act"});
  refuse(without(bibert(), "quantize_act"), errc::unsupported, {"quantize_act"});
  refuse(without(bibert(), "weight_bits"), errc::not_found, {"weight_bits"});
  refuse(with(bibert(), {{"weight_bits", true}}), errc::malformed, {"weight_bits", "true"});
  refuse(with(bit(), {{"input_bits", 2}}), errc::unsupported, {"input_bits is 2", "elastic"});
  refuse(without(bit(), "input_quant_method"), errc::not_found, {"input_quant_method"});
}

TEST_CASE("config refuses BiT variants by the name of their field", "[io][config][negative]") {
  for (const char* field : {"not_quantize_attention", "embed_layerwise", "sym_quant_ffn_attn"}) {
    refuse(with(bit(), {{field, true}}), errc::unsupported, {field, "is true", "expected false"});
  }
  for (const char* field : {"weight_layerwise", "input_layerwise", "sym_quant_qkvo"}) {
    refuse(with(bit(), {{field, false}}), errc::unsupported, {field, "is false", "expected true"});
  }
  refuse(with(bit(), {{"hidden_act", "gelu"}}), errc::unsupported, {"hidden_act", "relu"});
  refuse(with(bit(), {{"weight_layerwise", 1}}), errc::malformed, {"weight_layerwise"});
}

TEST_CASE("config reads the packed format and refuses others", "[io][config]") {
  const auto config = parse(packed({{"zero", "plus-one"}}));
  REQUIRE(config.packed.has_value());
  CHECK(config.packed->version == 1);
  CHECK(config.packed->policy == "bibert");
  CHECK(config.packed->zero == "plus-one");
  refuse(packed({{"format_version", 2}}), errc::unsupported, {"format_version is 2", "expected 1"});
  refuse(packed({{"format_version", "1"}}), errc::malformed, {"format_version"});
  refuse(packed({{"quant_method", "gptq"}}), errc::unsupported, {"\"gptq\"", "\"lowbit\""});
  refuse(packed({{"policy", ""}}), errc::malformed, {"policy"});
  refuse(packed({{"policy", nullptr}}), errc::not_found, {"policy"});
  refuse(packed({{"zero", "minus-one"}}), errc::malformed, {"zero", "minus-one"});
  refuse(with(bert(), {{"quantization_config", "x"}}), errc::malformed, {"quantization_config"});
  refuse(packed({{"extra", 1}}), errc::unsupported, {"quantization_config", "\"extra\""});
  refuse(packed({{"zer0", "plus-one"}}), errc::unsupported, {"\"zer0\""});
  refuse(packed({{"modules_to_not_convert", nullptr}}), errc::unsupported, {"modules_to_not"});
}

TEST_CASE("config reads how a packed folder embeds", "[io][config]") {
  CHECK_FALSE(parse(packed(json::object())).embedding.has_value());
  const auto cls = parse(packed({{"pooling", "cls"}, {"max_tokens", 12}, {"lower_case", true}}));
  REQUIRE(cls.embedding.has_value());
  CHECK(cls.embedding->pooling == "cls");
  CHECK(cls.embedding->max_tokens == 12);
  CHECK(cls.embedding->lower_case);
  CHECK(cls.max_tokens() == 64);  // of its head, a classifier's, all positions
  refuse(packed({{"max_tokens", 12}}), errc::not_found, {"pooling", "max_tokens"});
  refuse(packed({{"pooling", "cls"}, {"max_tokens", 2}}), errc::malformed, {"max_tokens is 2"});
  refuse(packed({{"pooling", 1}}), errc::malformed, {"pooling"});
}

TEST_CASE("config says what the logits of a classifier mean", "[io][config]") {
  using lowbit::problem_type;
  const auto of = [](const char* name) { return with(bert(), {{"problem_type", name}}); };
  CHECK(parse(bert()).problem == problem_type::single_label);
  CHECK(parse(with(bert(), {{"problem_type", nullptr}})).problem == problem_type::single_label);
  CHECK(parse(of("single_label_classification")).problem == problem_type::single_label);
  CHECK(parse(of("multi_label_classification")).problem == problem_type::multi_label);
  CHECK(parse(of("regression")).problem == problem_type::regression);
  refuse(of("ranking"), errc::unsupported, {"problem_type", "\"ranking\"", "regression"});
  refuse(with(bert(), {{"problem_type", 1}}), errc::malformed, {"problem_type"});
}

TEST_CASE("scores are those of Hugging Face's pipeline", "[io][config]") {
  using lowbit::label_scores;
  using lowbit::problem_type;
  const float logits[] = {1.0F, -2.0F, 0.5F, 100.0F};
  const auto near = [](float found, double expected) {
    return std::abs(static_cast<double>(found) - expected) < 1e-6;
  };
  const auto one = [&](problem_type p, float logit) { return label_scores(p, &logit, 1).at(0); };
  CHECK(near(one(problem_type::single_label, 1.4353F), 0.8077258));
  CHECK(near(one(problem_type::single_label, -1.4353F), 0.1922742));
  CHECK(near(one(problem_type::multi_label, 1.8017F), 0.8583557));
  CHECK(one(problem_type::regression, 1.8017F) == 1.8017F);
  CHECK(one(problem_type::single_label, 200.0F) == 1.0F);
  CHECK(one(problem_type::single_label, -200.0F) >= 0.0F);
  const auto soft = label_scores(problem_type::single_label, logits, 3);
  CHECK(near(soft[0], 0.6037489));
  CHECK(near(soft[1], 0.0300589));
  CHECK(near(soft[2], 0.3661923));
  const auto each = label_scores(problem_type::multi_label, logits, 4);
  CHECK(near(each[0], 0.7310586));
  CHECK(near(each[1], 0.1192029));
  CHECK(near(each[3], 1.0));
  CHECK(label_scores(problem_type::regression, logits, 4) ==
        std::vector<float>(logits, logits + 4));
  CHECK(label_scores(problem_type::single_label, logits, 0).empty());
}

TEST_CASE("config is loaded from a model folder", "[io][config]") {
  const crafted::scratch_folder scratch;
  expect_error(lowbit::load_config(scratch.path()).status(), errc::not_found, {"config.json"});
  crafted::write(scratch.path() / "config.json", bit().dump());
  const auto config = lowbit::load_config(scratch.path());
  REQUIRE(config.ok());
  CHECK(config->recognised == scheme::bit);
  crafted::write(scratch.path() / "config.json", "{\"hidden_size\":1,\"hidden_size\":2}");
  expect_error(lowbit::load_config(scratch.path()).status(), errc::malformed, {"appears twice"});
}
