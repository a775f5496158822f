// SPDX-License-Identifier: Apache-2.0
// Checkpoint folders with every head: which one is recognised, imported weights give the values of
// the same weights in memory, also after packing, and what does not fit is named.
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "../io/crafted.hpp"
#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "lowbit/io/model_folder.hpp"
#include "random_model.hpp"

namespace {

using namespace lowbit_test;
using lowbit::errc;
using lowbit::head_kind;
using lowbit::policy::fp32;
using nlohmann::json;
namespace fs = std::filesystem;

lowbit::model_shape shape_of(head_kind head) {
  lowbit::model_shape s = ragged_shape();
  s.head = head;
  s.labels = head == head_kind::span ? 2 : 3;
  return s;
}

json config_of(const lowbit::model_shape& s, const char* architecture) {
  json config = {{"num_hidden_layers", s.layers},  {"hidden_size", s.hidden},
                 {"num_attention_heads", s.heads}, {"intermediate_size", s.intermediate},
                 {"vocab_size", s.vocabulary},     {"max_position_embeddings", s.positions}};
  if (*architecture != '\0') config["architectures"] = json::array({architecture});
  return config;
}

/// Writes f32 tensors as a checkpoint; a bare BertModel has names without "bert.".
void write_checkpoint(const fs::path& folder, const tensor_store& tensors, const json& config,
                      bool bare = false) {
  fs::create_directories(folder);
  std::vector<lowbit::tensor_to_write> all;
  for (const lowbit::stored_tensor& t : tensors.weights()) {
    std::string name = t.name;
    if (bare && name.starts_with("bert.")) name.erase(0, 5);
    const std::vector<std::size_t> shape(t.shape, t.shape + t.rank);
    all.push_back({name, lowbit::dtype::f32, shape, {t.data, t.elements() * sizeof(float)}});
  }
  REQUIRE(lowbit::write_safetensors(folder / "model.safetensors", all, {}).ok());
  crafted::write(folder / "config.json", config.dump());
}

void add_copy(tensor_store& tensors, const std::string& name, const std::string& of) {
  const lowbit::stored_tensor t = tensors.descriptor(of);
  std::vector<float> values;
  for (std::size_t i = 0; i < t.elements(); ++i) values.push_back(t.at(i));
  tensors.add(name, std::vector<std::size_t>(t.shape, t.shape + t.rank), values);
}

template <class Model>
std::vector<float> run_weights(const lowbit::weight_set& weights,
                               const lowbit::model_shape& shape) {
  const guarded<std::byte> memory(Model::model_bytes(weights, shape));
  lowbit::arena space(memory.data(), memory.size());
  Model model;
  const lowbit::status s = model.load(space, weights, shape);
  INFO(s.message());
  REQUIRE(s.ok());
  random_source random(1900);
  const std::vector<sentence> sentences{random_sentence(shape, 6, random)};
  const std::size_t order[] = {0};
  const packed_batch batch(sentences, order);
  const std::uint32_t asked[] = {4};
  lowbit::token_input in = batch.input();
  in.asked = {asked, 1};
  lowbit::serial serial;
  return run_model(model, in, serial);
}

/// A checkpoint of this head, from its folder and packed, gives what its weights in memory give.
template <class Model>
void check_head(head_kind head, const char* architecture, bool bare = false) {
  const lowbit::model_shape shape = shape_of(head);
  const tensor_store tensors = random_model<fp32>(shape, 1910);
  const crafted::scratch_folder scratch;
  json config = config_of(shape, architecture);
  if (head == head_kind::token) config["id2label"] = {{"0", "O"}, {"1", "B-x"}, {"2", "I-x"}};
  write_checkpoint(scratch.path() / "model", tensors, config, bare);
  const std::vector<float> expected = run_weights<Model>(tensors.weights(), shape);
  const auto opened = lowbit::open_model(scratch.path() / "model");
  INFO(name_of(head) << " from \"" << architecture << "\" " << opened.status().message());
  REQUIRE(opened.ok());
  CHECK(opened->config.shape.head == head);
  CHECK(difference(run_weights<Model>(opened->weights(), opened->config.shape), expected) == "");

  REQUIRE(lowbit::save_packed(*opened, scratch.path() / "packed", scratch.path() / "model").ok());
  const auto packed = lowbit::open_model(scratch.path() / "packed");
  INFO(packed.status().message());
  REQUIRE(packed.ok());
  CHECK(packed->config.shape.head == head);
  CHECK(difference(run_weights<Model>(packed->weights(), packed->config.shape), expected) == "");
}

std::string refusal(const tensor_store& tensors, const json& config) {
  const crafted::scratch_folder scratch;
  write_checkpoint(scratch.path(), tensors, config);
  const auto opened = lowbit::open_model(scratch.path());
  std::string text(opened.status().message());
  const std::string place = scratch.path().native();
  for (std::size_t at = text.find(place); at != std::string::npos; at = text.find(place))
    text.replace(at, place.size(), "FOLDER");
  return text;
}

}  // namespace

TEST_CASE("a folder's head is what its architecture says, else what its tensors say", "[folder]") {
  need_arch<lowbit::native>();
  using namespace lowbit;
  for (const char* architecture : {"BertForTokenClassification", ""})
    check_head<token_classifier<fp32>>(head_kind::token, architecture);
  for (const char* architecture : {"BertForQuestionAnswering", ""})
    check_head<span_extractor<fp32>>(head_kind::span, architecture);
  for (const char* architecture : {"BertForMaskedLM", "BertForPreTraining", ""})
    check_head<masked_lm<fp32>>(head_kind::masked_lm, architecture);
  for (const char* architecture : {"BertModel", ""}) {
    check_head<mean_embedder<fp32>>(head_kind::mean_embedding, architecture, true);
    check_head<mean_embedder<fp32>>(head_kind::mean_embedding, architecture, false);
  }
  for (const char* architecture : {"BertForSequenceClassification", "", "SomethingElse"})
    check_head<classifier<fp32>>(head_kind::sequence, architecture);
}

TEST_CASE("what a checkpoint has beside its head is known to be unused", "[folder]") {
  const lowbit::model_shape shape = shape_of(head_kind::masked_lm);
  tensor_store tensors = random_model<fp32>(shape, 1920);
  add_copy(tensors, "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight");
  add_copy(tensors, "cls.predictions.decoder.bias", "cls.predictions.bias");
  tensors.add("bert.pooler.dense.weight", {45, 45}, std::vector<float>(45 * 45, 0.5F));
  tensors.add("bert.pooler.dense.bias", {45}, std::vector<float>(45, 0.5F));
  tensors.add("cls.seq_relationship.weight", {2, 45}, std::vector<float>(90, 0.5F));
  const crafted::scratch_folder scratch;
  write_checkpoint(scratch.path(), tensors, config_of(shape, "BertForPreTraining"));
  const auto opened = lowbit::open_model(scratch.path());
  INFO(opened.status().message());
  REQUIRE(opened.ok());
  CHECK(opened->config.shape.head == head_kind::masked_lm);
  CHECK(opened->ignored.size() == 3);

  SECTION("a decoder that is not the word embeddings is refused") {
    tensors.bytes("cls.predictions.decoder.weight")[5] ^= std::byte{1};
    CHECK(refusal(tensors, config_of(shape, "BertForMaskedLM")) ==
          "FOLDER/model.safetensors: tensor \"cls.predictions.decoder.weight\" differs from "
          "\"bert.embeddings.word_embeddings.weight\", expected a tied copy of it");
    json config = config_of(shape, "BertForMaskedLM");
    config["tie_word_embeddings"] = false;
    CHECK(refusal(random_model<fp32>(shape, 1920), config) ==
          "FOLDER: tie_word_embeddings is false, expected a decoder that is the word embeddings");
  }
  SECTION("nor may its bias differ") {
    tensors.bytes("cls.predictions.decoder.bias")[5] ^= std::byte{1};
    CHECK(refusal(tensors, config_of(shape, "BertForMaskedLM")).find("decoder.bias") !=
          std::string::npos);
  }
}

TEST_CASE("a head without its tensors, and tensors of another head, are named", "[folder]") {
  const auto config = [](head_kind head, const char* architecture) {
    return config_of(shape_of(head), architecture);
  };
  const tensor_store token = random_model<fp32>(shape_of(head_kind::token), 1930);
  CHECK(refusal(token, config(head_kind::span, "BertForQuestionAnswering"))
            .find("qa_outputs.weight") != std::string::npos);
  CHECK(refusal(token, config(head_kind::masked_lm, "BertForMaskedLM"))
            .find("cls.predictions.transform") != std::string::npos);
  CHECK(refusal(token, config(head_kind::mean_embedding, "BertModel"))
            .find("\"classifier.bias\" is not part of a BERT mean embedding model") !=
        std::string::npos);
  CHECK(refusal(token, config(head_kind::sequence, "BertForSequenceClassification"))
            .find("bert.pooler.dense") != std::string::npos);
  tensor_store headless = random_model<fp32>(shape_of(head_kind::token), 1940);
  headless.remove("classifier.weight");
  CHECK(refusal(headless, config(head_kind::token, "BertForTokenClassification")) ==
        "FOLDER: tensor classifier.weight is missing, expected a token classification model");
  json three = config(head_kind::span, "BertForQuestionAnswering");
  three["num_labels"] = 3;
  CHECK(refusal(random_model<fp32>(shape_of(head_kind::span), 1950), three) ==
        "FOLDER: num_labels is 3, expected 2 for question answering");
}
