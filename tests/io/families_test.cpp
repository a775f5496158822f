// SPDX-License-Identifier: Apache-2.0
// The list of model families: what each reads of config.json and of tensor names. Whole models are
// compared with Hugging Face's answers by `lowbit verify` (golden/families).
#include "lowbit/io/families.hpp"

#include <catch2/catch_test_macros.hpp>

#include "expect_error.hpp"
#include "lowbit/io/config.hpp"
#include "lowbit/io/family_names.hpp"

using lowbit::errc;
using lowbit::model_config;
using lowbit::model_part;
using lowbit::part_name;
using nlohmann::json;

namespace {

model_config parse_family(const json& config) {
  auto parsed = lowbit::parse_config(config, "config.json");
  INFO(parsed.status().message());
  REQUIRE(parsed.ok());
  return *std::move(parsed);
}
void refuse_family(const json& config, errc code, std::initializer_list<std::string_view> parts) {
  expect_error(lowbit::parse_config(config, "config.json").status(), code, parts);
}
const lowbit::model_family& family(const char* model_type) {
  return **lowbit::find_family({{"model_type", model_type}}, "config.json");
}
std::string canonical(const char* model_type, const char* name) {
  return lowbit::canonical_name(family(model_type), name);
}
std::string text(model_part part, std::size_t layer, const char* rest) {
  return std::string(part_name(part, layer)(rest).view());
}

}  // namespace

TEST_CASE("fields that config.json omits have the values of the family's config class",
          "[families]") {
  const auto distil = parse_family({{"model_type", "distilbert"}}).shape;
  CHECK((distil.layers == 6 && distil.hidden == 768 && distil.intermediate == 3072));
  CHECK((distil.token_types == 0 && distil.pooler_act == lowbit::pooler_activation::relu));
  const auto roberta = parse_family({{"model_type", "roberta"}}).shape;
  CHECK((roberta.vocabulary == 50265 && roberta.positions == 510 && roberta.token_types == 2));
  CHECK(parse_family({{"model_type", "camembert"}}).shape.vocabulary == 30522);
  const auto electra = parse_family({{"model_type", "electra"}}).shape;
  CHECK((electra.hidden == 256 && electra.heads == 4 && electra.embedding == 128));
  CHECK(electra.pooler_act == lowbit::pooler_activation::gelu);
  const auto albert = parse_family({{"model_type", "albert"}, {"hidden_act", "gelu"}}).shape;
  CHECK((albert.hidden == 4096 && albert.embedding == 128 && albert.shared_layers));
  CHECK((albert.stored_layers() == 1 && albert.layers == 12));
  const auto mpnet = parse_family({{"model_type", "mpnet"}}).shape;
  CHECK((mpnet.vocabulary == 30527 && mpnet.positions == 510 && mpnet.token_types == 0));
  CHECK(mpnet.relative_bias);
  refuse_family({{"model_type", "bert"}}, errc::not_found, {"num_hidden_layers"});
}

TEST_CASE("rotary positions and windows are read as transformers 4 and 5 write them",
          "[families]") {
  const auto with = [](const json& more) {
    json config = {{"model_type", "modernbert"}, {"num_hidden_layers", 5}};
    config.update(more);
    return config;
  };
  const auto usual = parse_family(with(json::object())).shape;
  CHECK((usual.pre_norm() && usual.token_types == 0 && usual.positions == 8192));
  CHECK((usual.global_every == 3 && usual.window == 64 && usual.layer_norm_eps == 1e-5F));
  CHECK((usual.global_theta == 160000.0F && usual.local_theta == 10000.0F));
  CHECK((!usual.is_local(3) && usual.is_local(4) && !usual.mean_classifier));
  const auto older = parse_family(with({{"global_rope_theta", 500.0},
                                        {"local_rope_theta", 50},
                                        {"global_attn_every_n_layers", 2},
                                        {"local_attention", 9},
                                        {"classifier_pooling", "mean"},
                                        {"norm_eps", 0.25}}))
                         .shape;
  CHECK((older.global_theta == 500.0F && older.local_theta == 50.0F && older.global_every == 2));
  CHECK((older.window == 4 && older.mean_classifier && older.layer_norm_eps == 0.25F));
  CHECK(parse_family(with({{"global_rope_theta", 500}, {"local_rope_theta", nullptr}}))
            .shape.local_theta == 500.0F);
  const json full = "full_attention", sliding = "sliding_attention";
  const auto newer = parse_family(with({{"rope_parameters",
                                         {{"full_attention", {{"rope_theta", 7.5}}},
                                          {"sliding_attention", {{"rope_type", "default"}}}}},
                                        {"global_rope_theta", 500.0},
                                        {"layer_types", {full, sliding, full, sliding, full}}}))
                         .shape;
  CHECK((newer.global_theta == 7.5F && newer.local_theta == 10000.0F && newer.global_every == 2));
  const auto every = [&](const json& types) {
    return parse_family(with({{"layer_types", types}})).shape.global_every;
  };
  CHECK(every({full, full, full, full, full}) == 1);
  CHECK(every({full, sliding, sliding, sliding, sliding}) == 5);
  CHECK(every({full, sliding, sliding, sliding, full}) == 4);
  const auto types = [&](const json& list) { return with({{"layer_types", list}}); };
  refuse_family(types({full, sliding, full, full, full}), errc::unsupported,
                {"layer_types[3] is the string \"full_attention\"", "\"sliding_attention\""});
  refuse_family(types({sliding, sliding, sliding, sliding, sliding}), errc::unsupported,
                {"layer_types[0]"});
  refuse_family(types({full, sliding, 3, sliding, sliding}), errc::unsupported,
                {"layer_types[2] is the int"});
  refuse_family(types({full, sliding}), errc::malformed, {"layer_types", "5 names"});
  refuse_family(with({{"global_attn_every_n_layers", 0}}), errc::malformed,
                {"global_attn_every_n_layers"});
  refuse_family(with({{"rope_scaling", {{"type", "linear"}}}}), errc::unsupported,
                {"rope_scaling is set"});
  const json yarn = {{"sliding_attention", {{"rope_type", "yarn"}}}};
  refuse_family(with({{"rope_parameters", yarn}}), errc::unsupported,
                {"rope_parameters.sliding_attention.rope_type is \"yarn\""});
  refuse_family(with({{"rope_parameters", 3}}), errc::malformed, {"rope_parameters"});
  refuse_family(with({{"global_rope_theta", 0.5}}), errc::malformed, {"rope_theta"});
  refuse_family(with({{"classifier_pooling", "max"}}), errc::unsupported,
                {"classifier_pooling is \"max\""});
  refuse_family(with({{"classifier_activation", "mish"}}), errc::unsupported,
                {"classifier_activation is \"mish\""});
  refuse_family(with({{"hidden_size", 36}}), errc::malformed, {"heads of 3"});
}

TEST_CASE("a family reads its own names of fields", "[families]") {
  const auto shape = parse_family({{"model_type", "distilbert"},
                                   {"dim", 40},
                                   {"n_heads", 4},
                                   {"n_layers", 3},
                                   {"hidden_dim", 50},
                                   {"activation", "relu"},
                                   {"hidden_size", 99},
                                   {"type_vocab_size", 7},
                                   {"layer_norm_eps", 0.5}})
                         .shape;
  CHECK((shape.hidden == 40 && shape.heads == 4 && shape.layers == 3 && shape.intermediate == 50));
  CHECK((shape.token_types == 0 && shape.layer_norm_eps == 1e-12F));
  CHECK(shape.hidden_act == lowbit::activation_function::relu);
  CHECK(shape.masked_lm_act == lowbit::activation_function::relu);
  const auto roberta = parse_family({{"model_type", "roberta"}, {"hidden_act", "relu"}}).shape;
  CHECK(roberta.masked_lm_act == lowbit::activation_function::gelu);
  refuse_family({{"model_type", "distilbert"}, {"activation", "mish"}}, errc::unsupported,
                {"activation is \"mish\""});
}

TEST_CASE("positions of a text start after that of padding", "[families]") {
  const json base = {{"model_type", "roberta"}, {"max_position_embeddings", 20}};
  const auto of = [&](const json& changes) {
    json config = base;
    config.update(changes);
    return config;
  };
  const auto usual = parse_family(base);
  CHECK((usual.first_position == 2 && usual.shape.positions == 18));
  const auto other = parse_family(of({{"pad_token_id", 0}}));
  CHECK((other.first_position == 1 && other.shape.positions == 19));
  CHECK(parse_family(of({{"pad_token_id", 18}})).shape.positions == 1);
  for (const std::uint64_t padding : {std::uint64_t{19}, std::uint64_t{20}, ~std::uint64_t{0}})
    refuse_family(of({{"pad_token_id", padding}}), errc::malformed,
                  {"max_position_embeddings is 20"});
  for (const int positions : {0, 1})
    refuse_family(of({{"max_position_embeddings", positions}}), errc::malformed, {"pad_token_id"});
}

TEST_CASE("what a family's layers and embeddings cannot be is refused", "[families]") {
  const json albert = {{"model_type", "albert"}, {"hidden_act", "gelu"}};
  const auto with = [](json config, const char* field, const json& value) {
    config[field] = value;
    return config;
  };
  refuse_family(with(albert, "num_hidden_groups", 2), errc::unsupported,
                {"num_hidden_groups is 2"});
  refuse_family(with(albert, "inner_group_num", 2), errc::unsupported, {"inner_group_num is 2"});
  refuse_family(with(albert, "embedding_size", 0), errc::malformed, {"embedding_size is 0"});
  refuse_family(with(albert, "embedding_size", 4097), errc::malformed, {"embedding_size is 4097"});
  CHECK(parse_family(with(albert, "embedding_size", 4096)).shape.embedding == 4096);
  const json mpnet = {{"model_type", "mpnet"}};
  refuse_family(with(mpnet, "relative_attention_num_buckets", 16), errc::unsupported,
                {"relative_attention_num_buckets is 16, expected 32"});
  refuse_family(with(mpnet, "pad_token_id", 0), errc::unsupported,
                {"pad_token_id is 0, expected 1"});
  const json electra = {{"model_type", "electra"}};
  CHECK(parse_family(with(electra, "embedding_size", 256)).shape.embedding == 0);
  refuse_family(with(electra, "type_vocab_size", 0), errc::malformed, {"type_vocab_size is 0"});
  refuse_family(
      {{"model_type", "electra"}, {"quantize_act", true}, {"weight_bits", 1}, {"input_bits", 1}},
      errc::unsupported, {"a bibert checkpoint with model_type \"electra\""});
}

TEST_CASE("without a model_type the class in architectures tells the family", "[families]") {
  const auto of = [](const char* architecture) {
    return (*lowbit::find_family({{"architectures", {architecture}}}, "config.json"))->model_type;
  };
  CHECK(of("XLMRobertaForTokenClassification") == "xlm-roberta");
  CHECK(of("RobertaForMaskedLM") == "roberta");
  CHECK(of("DistilBertModel") == "distilbert");
  CHECK(of("BertForMaskedLM") == "bert");
  CHECK(of("TinyBertForSequenceClassification") == "bert");
}

TEST_CASE("names of a family's tensors become canonical ones", "[families]") {
  using enum model_part;
  CHECK(canonical("distilbert", "distilbert.transformer.layer.11.attention.q_lin.weight") ==
        text(query, 11, ".weight"));
  CHECK(canonical("distilbert", "transformer.layer.0.ffn.lin2.bias") ==
        text(feed_forward_output, 0, ".bias"));
  CHECK(canonical("distilbert", "vocab_projector.weight") == text(masked_lm, 0, ".decoder.weight"));
  CHECK(canonical("distilbert", "distilbert.embeddings.LayerNorm.gamma") ==
        text(embedding_norm, 0, ".weight"));
  CHECK(canonical("roberta", "roberta.encoder.layer.3.attention.self.key.weight") ==
        text(key, 3, ".weight"));
  CHECK(canonical("roberta", "classifier.dense.weight") == text(pooler, 0, ".weight"));
  CHECK(canonical("roberta", "classifier.out_proj.bias") == text(classifier, 0, ".bias"));
  CHECK(canonical("roberta", "classifier.weight") == text(classifier, 0, ".weight"));
  CHECK(canonical("roberta", "roberta.pooler.dense.weight") == "roberta.pooler.dense.weight");
  CHECK(canonical("electra", "embeddings_project.bias") == text(embedding_map, 0, ".bias"));
  CHECK(canonical("mpnet", "encoder.layer.1.attention.attn.o.bias") ==
        text(attention_output, 1, ".bias"));
  CHECK(canonical("mpnet", "mpnet.encoder.layer.1.attention.LayerNorm.weight") ==
        text(attention_norm, 1, ".weight"));
  CHECK(canonical("mpnet", "encoder.relative_attention_bias.weight") ==
        text(relative_bias, 0, ".weight"));
  CHECK(canonical("modernbert", "model.layers.3.attn_norm.weight") ==
        text(input_norm, 3, ".weight"));
  CHECK(canonical("modernbert", "final_norm.bias") == text(final_norm, 0, ".bias"));
  CHECK(canonical("modernbert", "layers.0.mlp.Wo.weight") ==
        text(feed_forward_output, 0, ".weight"));
  CHECK(canonical("modernbert", "decoder.weight") == text(masked_lm, 0, ".decoder.weight"));
  CHECK(lowbit::name_in_files(family("modernbert"), text(key, 3, ".weight")) ==
        "model.layers.3.attn.Wqkv.weight");
  CHECK(canonical("albert", "albert.encoder.embedding_hidden_mapping_in.weight") ==
        text(embedding_map, 0, ".weight"));
  const std::string group = "albert.encoder.albert_layer_groups.0.albert_layers.0.";
  CHECK(canonical("albert", (group + "ffn.weight").c_str()) ==
        text(feed_forward_input, 0, ".weight"));
  CHECK(canonical("albert", (group + "ffn_output.weight").c_str()) ==
        text(feed_forward_output, 0, ".weight"));
  CHECK(canonical("albert", "albert.pooler.weight") == text(pooler, 0, ".weight"));
  CHECK(canonical("albert", "predictions.decoder.bias") == text(masked_lm, 0, ".decoder.bias"));
}

TEST_CASE("every part has one name in the files of a family", "[families]") {
  const auto last = static_cast<std::size_t>(model_part::masked_lm_norm);
  for (const lowbit::model_family& f : lowbit::model_families) {
    for (std::size_t p = 0; p <= last; ++p) {
      const std::string name = text(static_cast<model_part>(p), 2, ".bias");
      const std::string in_files = lowbit::name_in_files(f, name);
      CAPTURE(f.model_type, name, in_files);
      // A part of a larger tensor: only its rows are in the file.
      if (lowbit::detail::find_fused(f, lowbit::canonical_name(f, in_files))) continue;
      CHECK(lowbit::canonical_name(f, in_files) == name);
    }
  }
  CHECK(lowbit::name_in_files(family("distilbert"), "bert.encoder.layer.4.output.dense.weight") ==
        "distilbert.transformer.layer.4.ffn.lin2.weight");
}
