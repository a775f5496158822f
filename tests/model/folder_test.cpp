// SPDX-License-Identifier: Apache-2.0
// Checkpoint folders with every head: which one is recognised, imported weights give the values of
// the same weights in memory, also after packing, and what does not fit is named. Every hidden_act
// gives the logits of Hugging Face's BertForMaskedLM (tests/golden/hidden_act.py).
#include <catch2/catch_test_macros.hpp>

#include "../support/archs.hpp"
#include "checkpoint_folder.hpp"

namespace {

using namespace lowbit_test;

template <class Model>
std::vector<float> run_input(const lowbit::weight_set& weights, const lowbit::model_shape& shape,
                             const lowbit::token_input& in) {
  const guarded<std::byte> memory(Model::model_bytes(weights, shape));
  lowbit::arena space(memory.data(), memory.size());
  Model model;
  const lowbit::status s = model.load(space, weights, shape);
  INFO(s.message());
  REQUIRE(s.ok());
  lowbit::serial serial;
  return run_model(model, in, serial);
}
template <class Model>
std::vector<float> run_weights(const lowbit::weight_set& weights,
                               const lowbit::model_shape& shape) {
  random_source random(1900);
  const std::vector<sentence> sentences{random_sentence(shape, 6, random)};
  const std::size_t order[] = {0};
  const packed_batch batch(sentences, order);
  const std::uint32_t asked[] = {4};
  lowbit::token_input in = batch.input();
  in.masked = {asked, 1};
  return run_input<Model>(weights, shape, in);
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
  for (const char* architecture :
       {"BertForSequenceClassification", "", "QuantBertForSequenceClassification"})
    check_head<classifier<fp32>>(head_kind::sequence, architecture);
}

TEST_CASE("every hidden_act gives Hugging Face's masked-LM logits", "[folder]") {
  need_arch<lowbit::native>();
  const fs::path golden = LOWBIT_TEST_DATA;
  const auto recorded =
      lowbit::safetensors_file::open(golden / "hidden_act_logits.safetensors").value();
  sentence words;
  for (const float id : lowbit::read_f32(*recorded.find("input_ids")).value())
    words.ids.push_back(static_cast<std::int32_t>(id));
  words.types.assign(words.ids.size(), 0);
  std::vector<std::uint32_t> asked(words.ids.size());
  for (std::uint32_t t = 0; t < asked.size(); ++t) asked[t] = t;
  const std::vector<sentence> sentences{words};
  const std::size_t order[] = {0};
  const packed_batch batch(sentences, order);
  lowbit::token_input in = batch.input();
  in.masked = {asked.data(), asked.size()};

  std::size_t compared = 0;
  for (const lowbit::tensor_view& t : recorded.tensors()) {
    if (t.name == "input_ids") continue;
    INFO(t.name);
    const crafted::scratch_folder scratch;
    fs::copy(golden / "hidden_act.safetensors", scratch.path() / "model.safetensors");
    json config = lowbit::read_json(golden / "hidden_act.json").value();
    config["hidden_act"] = std::string(t.name);
    crafted::write(scratch.path() / "config.json", config.dump());
    const auto opened = lowbit::open_model(scratch.path());
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    const std::vector<float> expected = lowbit::read_f32(t).value();
    const std::vector<float> logits =
        run_input<lowbit::masked_lm<fp32>>(opened->weights(), opened->config.shape, in);
    REQUIRE(logits.size() == expected.size());
    double worst = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double apart =
          std::abs(static_cast<double>(logits[i]) - static_cast<double>(expected[i]));
      if (!(apart <= worst)) worst = std::isnan(apart) ? 1e30 : apart;
    }
    CHECK(worst <= 1e-4);  // logits of up to 9; the nearest other function is 0.0056 away
    ++compared;
  }
  CHECK(compared == 11);
}

TEST_CASE("what a checkpoint has beside its head is known to be unused", "[folder]") {
  const lowbit::model_shape shape = shape_of(head_kind::masked_lm);
  tensor_store tensors = random_model<fp32>(shape, 1920);
  add_copy(tensors, "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight");
  add_copy(tensors, "cls.predictions.decoder.bias", "cls.predictions.bias");
  tensors.add("bert.pooler.dense.weight", {45, 45}, std::vector<float>(45 * 45, 0.5F));
  tensors.add("bert.pooler.dense.bias", {45}, std::vector<float>(45, 0.5F));
  tensors.add("cls.seq_relationship.weight", {2, 45}, std::vector<float>(90, 0.5F));
  tensors.add("bert.embeddings.token_type_ids", {1, 5}, std::vector<float>(5, 0.0F));  // a buffer
  const crafted::scratch_folder scratch;
  write_checkpoint(scratch.path(), tensors, config_of(shape, "BertForPreTraining"));
  const auto opened = lowbit::open_model(scratch.path());
  INFO(opened.status().message());
  REQUIRE(opened.ok());
  CHECK(opened->config.shape.head == head_kind::masked_lm);
  CHECK(opened->ignored.size() == 4);

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
            .find("\"classifier.bias\" is not part of a bert mean embedding model") !=
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
