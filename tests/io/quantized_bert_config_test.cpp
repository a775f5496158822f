// SPDX-License-Identifier: Apache-2.0
// Which policy the config of a TernaryBERT or BinaryBERT checkpoint describes, and what is refused.
#include "lowbit/io/quantized_bert_config.hpp"

#include <catch2/catch_test_macros.hpp>

#include "lowbit/policy/quantized_bert.hpp"

namespace {

nlohmann::json ternarybert() {
  return {{"hidden_size", 12},       {"num_attention_heads", 3}, {"num_hidden_layers", 1},
          {"intermediate_size", 20}, {"vocab_size", 30},         {"max_position_embeddings", 8},
          {"num_labels", 2},         {"quantize_act", true},     {"weight_bits", 2},
          {"input_bits", 8},         {"clip_val", 2.5},          {"hidden_act", "gelu"}};
}
nlohmann::json binarybert() {
  nlohmann::json config = ternarybert();
  config.erase("quantize_act");
  config.erase("clip_val");
  config["weight_bits"] = 1;
  config["input_bits"] = 4;
  config["weight_quant_method"] = "bwn";
  config["input_quant_method"] = "lsq";
  config["hidden_act"] = "relu";
  config["dyna_hidden_size"] = 6;
  return config;
}
nlohmann::json with(nlohmann::json config, const char* field, const nlohmann::json& value) {
  config[field] = value;
  return config;
}
/// The policy of a config, or the message.
std::string policy_of(const nlohmann::json& config, bool split = false) {
  const auto parsed = lowbit::parse_config(config, "c.json");
  if (!parsed) return std::string(parsed.status().message());
  const auto name = lowbit::detail::quantized_bert_policy(*parsed, split, "c.json");
  return name ? *name : std::string(name.status().message());
}

}  // namespace

TEST_CASE("a config names the policy of its checkpoint", "[io]") {
  CHECK(policy_of(ternarybert()) == lowbit::policy::ternarybert<8>::name);
  CHECK(policy_of(with(ternarybert(), "input_bits", 4)) == lowbit::policy::ternarybert<4>::name);
  CHECK(policy_of(binarybert()) == lowbit::policy::binarybert<4>::name);
  CHECK(policy_of(binarybert(), true) == lowbit::policy::binarybert_split<4>::name);
  nlohmann::json uniform =
      with(with(binarybert(), "input_bits", 8), "input_quant_method", "uniform");
  CHECK(policy_of(uniform, true) == "binarybert_split_w1a8");
  CHECK(policy_of(with(with(uniform, "weight_bits", 2), "weight_quant_method", "twn")) ==
        lowbit::policy::binarybert_ternary<8>::name);
  using step = lowbit::policy::dynamic_step;
  CHECK(policy_of(with(uniform, "input_bits", 4)) == lowbit::policy::binarybert<4, step>::name);
  CHECK(policy_of(with(uniform, "input_bits", 4)) == std::string("binarybert_w1a4_dynamic"));
}

TEST_CASE("variants that are not computed are refused by their field", "[io]") {
  CHECK(policy_of(with(ternarybert(), "input_bits", 6)) ==
        "c.json: input_bits is 6, expected 8, 4 or 2");
  CHECK(policy_of(with(ternarybert(), "hidden_act", "relu")) ==
        "c.json: hidden_act is \"relu\", expected \"gelu\" for a TernaryBERT model");
  CHECK(policy_of(with(binarybert(), "input_bits", 8)) ==
        "c.json: input_bits is 8, expected 4 or 2 with input_quant_method lsq");
  CHECK(policy_of(with(binarybert(), "weight_quant_method", "laq")) ==
        "c.json: weight_quant_method is \"laq\" with weight_bits 1, expected bwn with 1 or twn "
        "with 2");
  CHECK(policy_of(with(binarybert(), "input_quant_method", "dorefa")) ==
        "c.json: input_quant_method is \"dorefa\", expected uniform or lsq");
  CHECK(policy_of(with(binarybert(), "sym_quant_ffn_attn", true)) ==
        "c.json: sym_quant_ffn_attn is true, expected false");
  CHECK(policy_of(with(binarybert(), "input_layerwise", false)) ==
        "c.json: input_layerwise is false, expected true");
}

TEST_CASE("dyna_hidden_size is the width of attention", "[io]") {
  const auto narrow = lowbit::parse_config(binarybert(), "c.json").value();
  CHECK(narrow.shape.attention == 6);
  CHECK(narrow.shape.head_width() == 2);
  const auto whole = lowbit::parse_config(with(binarybert(), "dyna_hidden_size", 12), "c.json");
  CHECK(whole->shape.attention == 0);
  CHECK(whole->shape.inner() == 12);
  CHECK(policy_of(with(binarybert(), "dyna_hidden_size", 7)) ==
        "c.json: dyna_hidden_size 7 is not a multiple of num_attention_heads 3");
  CHECK(policy_of(with(binarybert(), "dyna_hidden_size", 0)) ==
        "c.json: dyna_hidden_size is 0, expected at least 1");
}
