// SPDX-License-Identifier: Apache-2.0
// Folders that are not what they say, or say what is not computed: each is refused by name, and
// none runs as a part of a model or as another one.
#include <catch2/catch_test_macros.hpp>

#include "checkpoint_folder.hpp"

using namespace lowbit_test;

namespace {

/// A packed folder whose files a test changes; message() is what opening it says.
class packed_folder {
 public:
  explicit packed_folder(const char* policy) {
    const lowbit::model_shape shape = shape_of(head_kind::sequence);
    write_checkpoint(scratch_.path() / "model", random_model<fp32>(shape, 1921),
                     config_of(shape, "BertForSequenceClassification"));
    const auto source = lowbit::open_model(scratch_.path() / "model", {policy, {}});
    INFO(source.status().message());
    REQUIRE(source.ok());
    REQUIRE(lowbit::save_packed(*source, path(), scratch_.path() / "model").ok());
    config = json::parse(crafted::read(path() / "config.json"));
    REQUIRE(message() == "");
  }
  [[nodiscard]] fs::path path() const { return scratch_.path() / "packed"; }
  [[nodiscard]] std::string message(const std::string& more = "",
                                    const std::string& of = "") const {
    crafted::write(path() / "config.json", config.dump());
    if (more.empty()) return std::string(lowbit::open_model(path()).status().message());
    const fs::path other = scratch_.path() / "other";
    fs::create_directories(other);
    crafted::write(other / "config.json", config.dump());
    const auto files = lowbit::checkpoint_tensors::open(path()).value();
    std::vector<lowbit::tensor_to_write> all;
    for (const lowbit::tensor_view& t : files.tensors()) {
      all.push_back({t.name, t.type, t.shape, t.data});
      if (t.name == of) all.push_back({more, t.type, t.shape, t.data});
    }
    REQUIRE(
        lowbit::write_safetensors(other / "model.safetensors", all, {}, lowbit::existing::replace)
            .ok());
    return std::string(lowbit::open_model(other).status().message());
  }

  json config;

 private:
  crafted::scratch_folder scratch_;
};

}  // namespace

TEST_CASE("an architecture that is not computed is refused by name", "[folder]") {
  const tensor_store tensors = random_model<fp32>(shape_of(head_kind::sequence), 1915);
  for (const std::string name :
       {"BertForNextSentencePrediction", "BertLMHeadModel", "SomethingElse"}) {
    const auto config = config_of(shape_of(head_kind::sequence), name);
    const std::string message = refusal(tensors, config);
    CHECK(message.starts_with("FOLDER: architectures is \"" + name + "\", expected"));
    CHECK(message.ends_with("BertModel"));
  }
  json config = config_of(shape_of(head_kind::sequence), "");
  config["architectures"] = "BertModel";
  CHECK(refusal(tensors, config).find("\"architectures\" is the string") != std::string::npos);
  config["architectures"] = json::array({3});
  CHECK(refusal(tensors, config).find("the integer 3") != std::string::npos);
}

TEST_CASE("a number of labels makes no classifier of a model without one", "[folder]") {
  for (const head_kind head : {head_kind::masked_lm, head_kind::mean_embedding}) {
    const crafted::scratch_folder scratch;
    json config = config_of(shape_of(head), "");
    config["num_labels"] = 2;  // what pytorch-transformers 1.x wrote for every model
    write_checkpoint(scratch.path(), random_model<fp32>(shape_of(head), 1916), config);
    const auto opened = lowbit::open_model(scratch.path());
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    CHECK(opened->config.shape.head == head);
  }
}

TEST_CASE("two tensors of one parameter are refused, both named", "[folder]") {
  const lowbit::model_shape shape = shape_of(head_kind::sequence);
  const json config = config_of(shape, "BertForSequenceClassification");
  const std::pair<const char*, const char*> twice[] = {
      {"bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.weight"},
      {"bert.encoder.layer.1.output.LayerNorm.beta", "bert.encoder.layer.1.output.LayerNorm.bias"},
      {"embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.weight"},
      {"encoder.layer.0.output.dense.bias", "bert.encoder.layer.0.output.dense.bias"},
      {"pooler.dense.weight", "bert.pooler.dense.weight"},
      {"embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.weight"}};
  for (const auto& [second, first] : twice) {
    tensor_store tensors = random_model<fp32>(shape, 1917);
    add_copy(tensors, second, first);
    const std::string message = refusal(tensors, config);
    INFO(message);
    CHECK(message.find('"' + std::string(second) + '"') != std::string::npos);
    CHECK(message.find('"' + std::string(first) + '"') != std::string::npos);
    CHECK(message.ends_with("expected one"));
  }
}

namespace {

/// A classifier whose tensors have a prefix; `heads_too`: also those of the head.
tensor_store prefixed(const lowbit::model_shape& shape, const std::string& prefix, bool bare,
                      bool heads_too) {
  tensor_store tensors;
  const tensor_store source = random_model<fp32>(shape, 1918);
  for (const lowbit::stored_tensor& t : source.weights()) {
    std::string name = t.name;
    const bool in_encoder = name.starts_with("bert.");
    if (bare && in_encoder) name.erase(0, 5);
    std::vector<float> values;
    for (std::size_t i = 0; i < t.elements(); ++i) values.push_back(t.at(i));
    tensors.add((in_encoder || heads_too ? prefix : "") + name,
                std::vector<std::size_t>(t.shape, t.shape + t.rank), values);
  }
  return tensors;
}

}  // namespace

TEST_CASE("what wraps a whole model is taken off its names", "[folder]") {
  const lowbit::model_shape shape = shape_of(head_kind::sequence);
  const json config = config_of(shape, "BertForSequenceClassification");
  for (const std::string prefix :
       {"module.", "_orig_mod.", "0.auto_model.", "model.", "bert.", "module._orig_mod."}) {
    for (const bool bare : {false, true}) {
      for (const bool heads_too : {false, true}) {
        CAPTURE(prefix, bare, heads_too);
        if (bare && heads_too && prefix == "bert.") continue;  // bert.classifier of a BertModel?
        CHECK(refusal(prefixed(shape, prefix, bare, heads_too), config) == "");
      }
    }
  }
}

TEST_CASE("a wrapper beside unwrapped tensors of the encoder is refused", "[folder]") {
  const lowbit::model_shape shape = shape_of(head_kind::sequence);
  tensor_store tensors = prefixed(shape, "module.", false, true);
  add_copy(tensors, "bert.pooler.dense.bias", "module.bert.pooler.dense.bias");
  const std::string message = refusal(tensors, config_of(shape, "BertForSequenceClassification"));
  holds(message, "\"bert.pooler.dense.bias\"");
  holds(message, "\"module.bert.pooler.dense.bias\"");
  holds(message, "are both the parameter");
}

TEST_CASE("a foreign prefix of all names is named", "[folder]") {
  const lowbit::model_shape shape = shape_of(head_kind::sequence);
  for (const std::string prefix : {"net.", "my.module.", "roberta."}) {
    for (const bool bare : {false, true}) {
      const tensor_store tensors = prefixed(shape, prefix, bare, true);
      json config = config_of(shape, "BertForSequenceClassification");
      CHECK(refusal(tensors, config).find("begin with \"" + prefix + '"') != std::string::npos);
      config["num_labels"] = shape.labels;
      CHECK(refusal(tensors, config).find("begin with \"" + prefix + '"') != std::string::npos);
    }
  }
}

TEST_CASE("fewer layers in the config than in the file are an error, not a smaller model",
          "[folder]") {
  const lowbit::model_shape shape = shape_of(head_kind::sequence);
  const tensor_store tensors = random_model<fp32>(shape, 1919);
  json config = config_of(shape, "BertForSequenceClassification");
  config["num_hidden_layers"] = 1;
  CHECK(refusal(tensors, config).ends_with("belongs to layer 1, but num_hidden_layers is 1"));
}

TEST_CASE("a packed folder runs as a whole or not at all", "[folder]") {
  for (const char* policy : {"fp32", "bf16", "int8", "w4a8", "codebook16", "gobo3", "sparse"}) {
    INFO(policy);
    packed_folder folder(policy);
    folder.config["num_hidden_layers"] = 1;
    holds(folder.message(), "belongs to layer 1, but num_hidden_layers is 1");
    folder.config["num_hidden_layers"] = 2;
    const std::string bias = "bert.encoder.layer.0.output.dense.bias";
    holds(folder.message("bert.encoder.layer.2.output.dense.bias", bias), "belongs to layer 2");
    holds(folder.message("bert.encoder.layer.0.output.dense_1.bias", bias), "is not part of");
    holds(folder.message("bert.encoder.layer.0.output.dense.input.scale", bias), "is not part of");
    holds(folder.message("qa_outputs.bias", bias), "is not part of");
    holds(folder.message("bert.encoder.layer.0.output.dense.weight.zeros", bias), "is not part of");
    const std::string weight = "bert.encoder.layer.1.output.dense.weight";
    const std::string name(policy);
    if (name == "fp32") {
      holds(folder.message(weight + ".codes", weight), "are both the matrix");
      holds(folder.message(weight + ".scale", weight), "are both the matrix");
    } else if (name != "bf16" && name != "sparse") {
      holds(folder.message(weight, weight + ".codes"), "are both the matrix");
      holds(folder.message(weight + ".values", weight + ".codes"), "are both the matrix");
    }
    folder.config["architectures"] = {"BertModel"};
    holds(folder.message(), "is not part of a bert mean embedding model");
  }
}

TEST_CASE("every recorded model opens again when it is packed", "[folder]") {
  for (const auto& entry : fs::recursive_directory_iterator(LOWBIT_TEST_DATA)) {
    if (!fs::exists(entry.path() / "config.json")) continue;
    if (entry.path().filename() == "Dense") continue;  // a module behind a model
    INFO(entry.path().native());
    const crafted::scratch_folder scratch;
    const auto source = lowbit::open_model(entry.path());
    REQUIRE(source.ok());
    REQUIRE(lowbit::save_packed(*source, scratch.path() / "packed", entry.path()).ok());
    const auto packed = lowbit::open_model(scratch.path() / "packed");
    INFO(packed.status().message());
    CHECK(packed.ok());
  }
}

TEST_CASE("without architectures the tensors of every family say what a folder is", "[folder]") {
  std::size_t folders = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(LOWBIT_TEST_DATA) / "families")) {
    INFO(entry.path().native());
    const auto source = lowbit::open_model(entry.path());
    REQUIRE(source.ok());
    // All heads of ModernBERT but that for words have the same tensors.
    if (source->config.shape.pre_norm() && source->config.shape.has_labels()) continue;
    const crafted::scratch_folder scratch;
    fs::copy_file(entry.path() / "model.safetensors", scratch.path() / "model.safetensors");
    json config = json::parse(crafted::read(entry.path() / "config.json"));
    config.erase("architectures");
    crafted::write(scratch.path() / "config.json", config.dump());
    const auto opened = lowbit::open_model(scratch.path());
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    CHECK(opened->config.shape.head == source->config.shape.head);
    ++folders;
  }
  CHECK(folders == 29);
}

TEST_CASE("a model whose attention needs a softmax is refused by policies without one",
          "[folder]") {
  const std::string families = LOWBIT_TEST_DATA "/families/";
  const std::string mpnet = families + "mpnet-sequence";
  for (const char* policy : {"bibert", "ibert"}) {
    const auto rotary = lowbit::open_model(families + "modernbert-sequence", {policy, {}});
    CHECK(rotary.status().code() == lowbit::errc::unsupported);
    holds(std::string(rotary.status().message()),
          std::string("policy ") + policy + " has no layers with rotary positions and a gate");
    const auto refused = lowbit::open_model(mpnet, {policy, {}});
    INFO(refused.status().message());
    CHECK(refused.status().code() == lowbit::errc::unsupported);
    holds(std::string(refused.status().message()),
          std::string("mpnet-sequence: policy ") + policy +
              " has no bias of attention scores by distance");
  }
  // In memory, too, where no folder was opened under that policy.
  const auto source = lowbit::open_model(mpnet);
  REQUIRE(source.ok());
  lowbit::arena measure;
  lowbit::classifier<lowbit::policy::bibert> model;
  const auto loaded = model.load(measure, source->weights(), source->config.shape);
  CHECK(loaded.code() == lowbit::errc::unsupported);
  holds(std::string(loaded.message()), "policy bibert has no bias of attention scores by distance");
}

TEST_CASE("an encoder saved alone is one, whatever class it was pre-trained with", "[folder]") {
  const fs::path from = fs::path(LOWBIT_TEST_DATA) / "families/mpnet-embedding";
  const crafted::scratch_folder scratch;
  fs::copy(from, scratch.path() / "model");
  json config = json::parse(crafted::read(from / "config.json"));
  config["architectures"] = {"MPNetForMaskedLM"};
  crafted::write(scratch.path() / "model" / "config.json", config.dump());
  const auto opened = lowbit::open_model(scratch.path() / "model");
  INFO(opened.status().message());
  REQUIRE(opened.ok());
  CHECK(opened->config.shape.head == head_kind::mean_embedding);
  REQUIRE(lowbit::save_packed(*opened, scratch.path() / "packed", from).ok());
  const auto packed = lowbit::open_model(scratch.path() / "packed");
  INFO(packed.status().message());
  CHECK(packed.ok());
  // With the names of a model that has a head, the head is missing.
  const tensor_store tensors = random_model<fp32>(shape_of(head_kind::mean_embedding), 1922);
  CHECK(holds(refusal(tensors, config_of(shape_of(head_kind::masked_lm), "BertForMaskedLM")),
              "tensor cls.predictions.transform."));
}

TEST_CASE("without architectures the tensors of a packed folder say what it is", "[folder]") {
  const std::string golden = LOWBIT_TEST_DATA;
  const crafted::scratch_folder scratch;
  const auto packed = scratch.path() / "packed";
  const auto source = lowbit::open_model(golden + "/binarybert_split_w1a4");
  REQUIRE(source.ok());
  REQUIRE(lowbit::save_packed(*source, packed, golden + "/binarybert_split_w1a4").ok());
  json config = json::parse(crafted::read(packed / "config.json"));
  for (const char* field : {"architectures", "num_labels", "id2label", "label2id"})
    config.erase(field);
  crafted::write(packed / "config.json", config.dump());
  const auto opened = lowbit::open_model(packed);
  INFO(opened.status().message());
  REQUIRE(opened.ok());
  CHECK(opened->config.shape.head == head_kind::sequence);
  CHECK(opened->config.shape.labels == source->config.shape.labels);
}

TEST_CASE("a rule for sign(0) belongs to policy bibert", "[folder]") {
  packed_folder folder("int8");
  folder.config["quantization_config"]["zero"] = "plus-one";
  holds(folder.message(), "zero is \"plus-one\", a choice of policy bibert, not of int8");
}

TEST_CASE("a sentence-transformers folder embeds as its modules say", "[folder]") {
  const crafted::scratch_folder scratch;
  const fs::path at = scratch.path() / "model";
  const lowbit::model_shape shape = shape_of(head_kind::mean_embedding);
  write_checkpoint(at, random_model<fp32>(shape, 1922), config_of(shape, "BertModel"));
  fs::create_directories(at / "1_Pooling");
  const auto modules = [&](std::initializer_list<const char*> types) {
    json list = json::array();
    for (const char* type : types) {
      const bool pools = std::string(type) == "Pooling";
      list.push_back({{"idx", list.size()},
                      {"name", std::to_string(list.size())},
                      {"path", pools          ? "1_Pooling"
                               : list.empty() ? ""
                                              : "2_Other"},
                      {"type", std::string("sentence_transformers.models.") + type}});
    }
    crafted::write(at / "modules.json", list.dump());
  };
  const auto pooling = [&](const json& fields) {
    crafted::write(at / "1_Pooling" / "config.json", fields.dump());
  };
  const auto message = [&](const std::string& wanted = "") {
    return std::string(lowbit::open_model(at, {"", "", {}, wanted}).status().message());
  };
  const auto head = [&](const std::string& wanted = "") {
    return lowbit::open_model(at, {"", "", {}, wanted}).value().config.shape.head;
  };
  CHECK(head() == head_kind::mean_embedding);
  CHECK(head("cls") == head_kind::cls_embedding);
  modules({"Transformer", "Pooling", "Normalize"});
  holds(message(), "1_Pooling/config.json: no such file");
  pooling({{"word_embedding_dimension", shape.hidden}, {"pooling_mode_cls_token", true}});
  CHECK(head() == head_kind::cls_embedding);
  CHECK(head("folder") == head_kind::cls_embedding);
  CHECK(head("mean") == head_kind::mean_embedding);  // the caller's word
  pooling({{"pooling_mode", "cls"}});
  CHECK(head() == head_kind::cls_embedding);
  pooling({{"pooling_mode_mean_tokens", true}, {"pooling_mode_cls_token", false}});
  CHECK(head() == head_kind::mean_embedding);
  const auto bits = [&] { return lowbit::open_model(at).value().config.shape.pooling; };
  for (const auto& [field, mode] :
       {std::pair{"pooling_mode_max_tokens", lowbit::pooling_mode::max},
        std::pair{"pooling_mode_mean_sqrt_len_tokens", lowbit::pooling_mode::mean_sqrt_length},
        std::pair{"pooling_mode_weightedmean_tokens", lowbit::pooling_mode::weighted_mean},
        std::pair{"pooling_mode_lasttoken", lowbit::pooling_mode::last}}) {
    pooling({{field, true}});
    CHECK(head() == head_kind::pooled_embedding);
    CHECK(bits() == lowbit::bit_of(mode));
    CHECK(head("mean") == head_kind::mean_embedding);
  }
  pooling({{"pooling_mode_mean_tokens", true}, {"pooling_mode_cls_token", true}});
  CHECK(bits() == 5);
  pooling({{"pooling_mode", {"cls", "max"}}});
  CHECK(bits() == 3);
  pooling({{"pooling_mode", {"max", "cls"}}});
  holds(message(), "pooling is \"max+cls\", expected cls, max, mean");
  pooling({{"pooling_mode_other", true}});
  holds(message(), "pooling is \"other\"");
  holds(message("mean+mean"), "pooling is \"mean+mean\"");
  pooling({{"pooling_mode_mean_tokens", false}});
  holds(message(), "no pooling mode is true");
  pooling({{"pooling_mode_mean_tokens", true}, {"word_embedding_dimension", 7}});
  holds(message(), "word_embedding_dimension is 7, hidden_size 45");
  pooling({{"pooling_mode_cls_token", true}});
  for (const char* other : {"LSTM", "CNN", "WeightedLayerPooling"}) {
    modules({"Transformer", "Pooling", other});
    holds(message(), std::string("module 2 is \"sentence_transformers.models.") + other);
    holds(message("cls"), other);  // no pooling replaces it
  }
  modules({"Transformer", "Normalize"});
  CHECK(message().empty());  // a vector for each token
  holds(message("folder"), "(ColBERT: ");
  modules({"Transformer", "WeightedLayerPooling"});
  holds(message(), "WeightedLayerPooling\", expected MultiVectorMask, Dense or Normalize");
  modules({"Transformer"});
  holds(message(), "no Pooling module");
  // the older layout
  const auto move_files = [&](const fs::path& from, const fs::path& to) {
    fs::create_directories(to);
    for (const char* name : {"config.json", "model.safetensors"})
      fs::rename(from / name, to / name);
  };
  for (const char* type : {"Transformer", "BERT"}) {
    move_files(at, at / "0_Old");
    crafted::write(at / "modules.json", std::string(R"([{"path":"0_Old","type":"a.)") + type +
                                            R"("},{"path":"1_Pooling","type":"a.Pooling"}])");
    crafted::write(at / "0_Old" / "sentence_bert_config.json", R"({"max_seq_length": 8})");
    CHECK(message().empty());
    CHECK(head() == head_kind::cls_embedding);
    CHECK(lowbit::open_model(at).value().config.max_tokens() == 8);
    move_files(at / "0_Old", at);
  }
  for (const char* outside : {"..", "/etc", "a/b", "a\\\\b", "."}) {
    crafted::write(at / "modules.json",
                   std::string(R"([{"path":")") + outside + R"(","type":"a.Transformer"}])");
    holds(message(), "expected the plain name of a folder");
  }
  modules({"Transformer", "Pooling"});

  crafted::write(at / "sentence_bert_config.json",
                 R"({"max_seq_length": 9, "do_lower_case": true})");
  auto opened = lowbit::open_model(at).value();
  CHECK(opened.config.max_tokens() == 9);
  REQUIRE(lowbit::save_packed(opened, scratch.path() / "packed", at).ok());
  const auto packed = lowbit::open_model(scratch.path() / "packed").value();
  CHECK(packed.config.shape.head == head_kind::cls_embedding);
  CHECK(packed.config.max_tokens() == 9);
  CHECK(packed.config.embedding->lower_case);
  crafted::write(at / "sentence_bert_config.json", R"({"max_seq_length": null})");
  CHECK(lowbit::open_model(at).value().config.max_tokens() == shape.positions);
  crafted::write(at / "sentence_bert_config.json", R"({"max_seq_length": 1})");
  holds(message(), "max_seq_length is 1");
  fs::remove(at / "sentence_bert_config.json");
  crafted::write(at / "config_sentence_transformers.json", R"({"default_prompt_name": "query"})");
  holds(message(), "default_prompt_name is \"query\", which is not a name in prompts");
}
