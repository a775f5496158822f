// SPDX-License-Identifier: Apache-2.0
// The class that an application includes: sentences and pairs against the same model fed by hand,
// ragged batches of a policy that pads, and a packed folder that answers the same.
#include "lowbit/pipeline/text_classifier.hpp"

#include <cmath>
#include <filesystem>

#include "../model/integer_model.hpp"
#include "../support/compare.hpp"
#include "lowbit/io/quantized_bert_config.hpp"
#include "lowbit/model/classifier.hpp"
#include "program.hpp"

#ifndef LOWBIT_TEST_DATA
#error "define LOWBIT_TEST_DATA as the path of tests/golden"
#endif

using namespace lowbit_test;
namespace fs = std::filesystem;

namespace {

using float_model = lowbit::classifier<lowbit::policy::fp32, lowbit::native>;
using ternary_policy = lowbit::policy::ternarybert<8>;

/// The recorded TernaryBERT with a vocabulary: [PAD] to [MASK], then a word for each id.
void write_ternary(const fs::path& at) {
  fs::copy(fs::path(LOWBIT_TEST_DATA) / "ternarybert_w2a8_h96", at);
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int i = 5; i < 34; ++i) vocabulary += "w" + std::to_string(i) + "\n";
  crafted::write(at / "vocab.txt", vocabulary);
}

}  // namespace

TEST_CASE("a classifier of texts gives the logits of its parts, pairs in their order") {
  const model_folder model(lowbit::head_kind::sequence, "BertForSequenceClassification", 900);
  const auto loaded = lowbit::load<lowbit::policy::fp32>(model.path());
  REQUIRE(loaded.ok());
  const auto alone = [&](const lowbit::encoding& e) { return model.run<float_model>(e); };
  const std::vector<std::string> texts{"new york is big", "a", "", "so, a b c d e"};
  const auto found = loaded->classify(texts);
  REQUIRE(found.ok());
  REQUIRE(found->size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto e = loaded->tokenizer().encode(texts[i], model.shape.positions);
    CHECK(difference((*found)[i].logits, alone(*e)) == "");
    CHECK(difference((*found)[i].logits, loaded->classify(texts[i])->logits) == "");
    float sum = 0;
    for (const float l : (*found)[i].logits) sum += std::exp(l);
    const float top = *std::max_element((*found)[i].logits.begin(), (*found)[i].logits.end());
    CHECK(std::abs((*found)[i].probability - std::exp(top) / sum) < 1e-6F);
  }
  const auto pair = loaded->classify_pair("new york", "is big");
  REQUIRE(pair.ok());
  const auto in_order = loaded->tokenizer().encode_pair("new york", "is big", 70);
  CHECK(difference(pair->logits, alone(*in_order)) == "");
  CHECK(difference(pair->logits, loaded->classify_pair("is big", "new york")->logits) != "");
  CHECK(loaded->classify(std::span<const std::string>{})->empty());
  CHECK(loaded->classify("\xff").status().code() == lowbit::errc::malformed);
}

TEST_CASE("a ragged batch under ranges of the batch is padded, each row with its own length") {
  const crafted::scratch_folder scratch;
  write_ternary(scratch.path() / "model");
  const auto loaded = lowbit::load<ternary_policy>(scratch.path() / "model");
  INFO(loaded.status().message());
  REQUIRE(loaded.ok());
  const std::vector<std::string> texts{"w5 w6 w7 w8 w9", "w10", "w11 w12 w13"};
  const auto found = loaded->classify(texts);
  REQUIRE(found.ok());

  // By hand: rows of 7 tokens of which 7, 3 and 5 are real.
  const std::int32_t ids[] = {2, 5, 6, 7, 8, 9, 3, 2, 10, 3, 0, 0, 0, 0, 2, 11, 12, 13, 3, 0, 0};
  const std::uint32_t offsets[] = {0, 7, 14, 21}, valid[] = {7, 3, 5};
  const lowbit::token_input in{ids, nullptr, nullptr, {offsets, 3, valid}};
  const auto model = lowbit::open_model(scratch.path() / "model").value();
  const loaded_weights<lowbit::classifier<ternary_policy, lowbit::native>> parts(
      model.weights(), model.config.shape);
  lowbit::serial here;
  const auto expected = run_model(parts.model, in, here);
  const std::size_t labels = model.config.shape.labels;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto* row = expected.data() + i * labels;
    CHECK(difference((*found)[i].logits, std::vector<float>(row, row + labels)) == "");
  }
}

TEST_CASE("a packed folder opens under the policy with its rule for sign(0) only") {
  const crafted::scratch_folder scratch;
  const fs::path golden = fs::path(LOWBIT_TEST_DATA) / "bibert_h75";
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int i = 5; i < 1000; ++i) vocabulary += "w" + std::to_string(i) + "\n";
  for (const std::string zero : {"torch", "plus-one"}) {
    const fs::path at = scratch.path() / zero;
    const auto source = lowbit::open_model(golden, {"", zero}).value();
    REQUIRE(lowbit::save_packed(source, at, golden).ok());
    crafted::write(at / "vocab.txt", vocabulary);
    const auto torch = lowbit::load<lowbit::policy::bibert>(at);
    const auto plus_one = lowbit::load<lowbit::policy::bibert_plus_one>(at);
    CHECK(torch.ok() == (zero == "torch"));
    CHECK(plus_one.ok() == (zero == "plus-one"));
    const std::string message(torch.ok() ? plus_one.status().message() : torch.status().message());
    INFO(message);
    CHECK(message.find("packed with zero \"" + zero + '"') != std::string::npos);
    CHECK(message.ends_with(zero == "torch" ? "load it as policy::bibert"
                                            : "load it as policy::bibert_plus_one"));
  }
}

TEST_CASE("a policy opens checkpoints of its own scheme only") {
  const fs::path golden(LOWBIT_TEST_DATA);
  const auto refused = [](const auto& loaded, const char* part) {
    const std::string message(loaded.status().message());
    INFO(message);
    CHECK(message.find(part) != std::string::npos);
  };
  refused(lowbit::load<lowbit::policy::fp32>(golden / "bibert_h75"),
          "this is a bibert checkpoint, it cannot run under policy fp32");
  refused(lowbit::load<lowbit::policy::int8>(golden / "bibert_h75"), "policy int8");
  refused(lowbit::load<lowbit::policy::ternarybert<4>>(golden / "ternarybert_w2a8_h96"),
          "this is a ternarybert_w2a8 checkpoint, it cannot run under policy ternarybert_w2a4");
  const model_folder tokens(lowbit::head_kind::token, "BertForTokenClassification", 905);
  refused(lowbit::load<lowbit::policy::fp32>(tokens.path()),
          "this is a token classification model, expected a sequence classification model");
  const model_folder wordy(lowbit::head_kind::sequence, "BertForSequenceClassification", 906);
  crafted::write(fs::path(wordy.path()) / "added_tokens.json", R"({"<x>": 97})");
  refused(lowbit::load<lowbit::policy::fp32>(wordy.path()),
          "the tokenizer has 98 tokens, the model's word table 97");
}

TEST_CASE("a prediction has the probability that the problem_type gives") {
  const model_folder model(lowbit::head_kind::sequence, "BertForSequenceClassification", 907);
  const fs::path config = fs::path(model.path()) / "config.json";
  auto json = nlohmann::json::parse(crafted::read(config));
  const auto predict = [&](const char* problem) {
    json["problem_type"] = problem;
    crafted::write(config, json.dump());
    return lowbit::load<lowbit::policy::fp32>(model.path()).value().classify("new york").value();
  };
  const auto one = predict("single_label_classification");
  const float top = *std::max_element(one.logits.begin(), one.logits.end());
  CHECK(std::abs(one.scores[0] + one.scores[1] + one.scores[2] - 1.0F) < 1e-6F);
  const auto many = predict("multi_label_classification");
  CHECK(std::abs(many.probability - 1.0F / (1.0F + std::exp(-top))) < 1e-6F);
  CHECK(std::abs(many.scores[1] - 1.0F / (1.0F + std::exp(-many.logits[1]))) < 1e-6F);
  const auto value = predict("regression");
  CHECK(value.probability == top);
  CHECK(value.scores == value.logits);
  json["problem_type"] = "ranking";
  crafted::write(config, json.dump());
  const auto refused = lowbit::load<lowbit::policy::fp32>(model.path());
  CHECK(refused.status().message().find("\"ranking\"") != std::string_view::npos);
}

TEST_CASE("a saved classifier opens again and answers the same") {
  const crafted::scratch_folder scratch;
  write_ternary(scratch.path() / "model");
  const auto loaded = lowbit::load<ternary_policy>(scratch.path() / "model");
  REQUIRE(loaded.ok());
  REQUIRE(loaded->save(scratch.path() / "packed").ok());
  CHECK_FALSE(loaded->save(scratch.path() / "packed").ok());
  CHECK(loaded->save(scratch.path() / "packed", lowbit::existing::replace).ok());
  const auto packed = lowbit::load<ternary_policy>(scratch.path() / "packed");
  REQUIRE(packed.ok());
  CHECK(fs::file_size(scratch.path() / "packed" / "model.safetensors") <
        fs::file_size(scratch.path() / "model" / "model.safetensors") / 3);
  for (const char* text : {"w5 w6", "w33", ""}) {
    CHECK(difference(loaded->classify(text)->logits, packed->classify(text)->logits) == "");
  }
  CHECK(lowbit::load<lowbit::policy::bibert>(scratch.path() / "packed").status().code() ==
        lowbit::errc::invalid_argument);
}
