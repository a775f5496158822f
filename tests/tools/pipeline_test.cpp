// SPDX-License-Identifier: Apache-2.0
// From texts to answers: every pipeline against what Hugging Face's packages answer with the same
// tiny models (tests/golden/pipelines), on the engine of this CPU and on a policy chosen at compile
// time, through a packed folder, in windows, and from two threads at once.
#include "lowbit/pipeline.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <thread>

#include "../io/crafted.hpp"
#include "lowbit/pipeline/dispatch_runner.hpp"

namespace {

namespace fs = std::filesystem;
using lowbit::any_policy;
using nlohmann::json;
using strings = std::vector<std::string>;

const fs::path golden = fs::path(LOWBIT_TEST_DATA) / "pipelines";

const json& expected() {
  static const json read = json::parse(crafted::read(golden / "expected.json"));
  return read;
}

/// A model of the golden ones, with its vocabulary.
class folder {
 public:
  explicit folder(const char* name) {
    fs::copy(golden / name, path, fs::copy_options::recursive);
    fs::copy(golden / "vocab.txt", path);
  }
  void module(const std::string& type, const json& config = nullptr) {
    if (modules_.empty()) add("", "Transformer");
    const std::string at = std::to_string(modules_.size()) + "_" + type;
    fs::create_directories(path / at);
    if (!config.is_null()) crafted::write(path / at / "config.json", config.dump());
    if (type == "Dense")
      fs::copy(golden / "embed" / "Dense" / "model.safetensors", path / at / "model.safetensors");
    add(at, type);
  }

 private:
  void add(const std::string& at, const std::string& type) {
    modules_.push_back({{"path", at}, {"type", "sentence_transformers.models." + type}});
    crafted::write(path / "modules.json", modules_.dump());
  }
  crafted::scratch_folder scratch_;
  json modules_ = json::array();

 public:
  const fs::path path = scratch_.path() / "model";
};

/// The reference adds in another order.
bool near(float found, const json& wanted, double relative = 2e-5) {
  const auto value = wanted.get<double>();
  return std::abs(static_cast<double>(found) - value) <= relative * (0.05 + std::abs(value));
}

void holds(const lowbit::status& status, const char* part) {
  const std::string message(status.message());
  CAPTURE(message, part);
  CHECK(message.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("entities are those of Hugging Face under every aggregation", "[pipeline]") {
  const folder model("token");
  const auto tagger = lowbit::entity_tagger<any_policy>::load(model.path).value();
  for (const json& wanted : expected()["entities"]) {
    const auto how = lowbit::find_aggregation(wanted["aggregation"].get<std::string>()).value();
    const auto found = tagger.tag(wanted["text"].get<std::string>(), {how, {}}).value();
    CAPTURE(wanted.dump());
    REQUIRE(found.size() == wanted["found"].size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const json& w = wanted["found"][i];
      CHECK(found[i].type == w["type"]);
      CHECK(found[i].at == lowbit::text_span{w["begin"], w["end"]});
      CHECK(near(found[i].score, w["score"]));
    }
  }
  holds(lowbit::find_aggregation("mean").status(), "expected none, simple, first, average or max");
}

TEST_CASE("answers are whole words, as in Hugging Face's pipeline", "[pipeline]") {
  const folder model("span");
  const auto answerer = lowbit::question_answerer<any_policy>::load(model.path).value();
  for (const json& wanted : expected()["answers"]) {
    const auto context = wanted["context"].get<std::string>();
    const auto found =
        answerer
            .answer(wanted["question"].get<std::string>(), context, {.longest = wanted["longest"]})
            .value();
    REQUIRE(!found.best.empty());
    const auto& at = found.best[0].at;
    CHECK(context.substr(at.begin, at.end - at.begin) == wanted["text"]);
    CHECK(near(found.best[0].score, wanted["score"]));
    CHECK(near(found.null_score, wanted["null_score"]));
    float sum = found.null_probability;
    for (const auto& a : found.best) sum += a.probability;
    CHECK(std::abs(sum - 1.0F) < 1e-5F);
    for (std::size_t i = 1; i < found.best.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) CHECK(found.best[i].at != found.best[j].at);
    }
  }
}

TEST_CASE("masks, scores of pairs and choices are those of Hugging Face", "[pipeline]") {
  const folder masked("masked"), pair("pair"), choice("choice");
  const auto filler = lowbit::mask_filler<any_policy>::load(masked.path).value();
  for (const json& wanted : expected()["masks"]) {
    const auto found = filler.fill(wanted["text"].get<std::string>(), 4).value();
    REQUIRE(found.size() == 1);
    REQUIRE(found[0].candidates.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
      const json& w = wanted["candidates"][i];
      CHECK(found[0].candidates[i].token == w["token"]);
      CHECK(found[0].candidates[i].id == w["id"]);
      CHECK(near(found[0].candidates[i].probability, w["probability"]));
    }
  }
  CHECK(filler.fill("no mask").value().empty());
  CHECK(lowbit::with_token("a [MASK] b", {2, 8}, {"s", true}) == "as b");

  const json& pairs = expected()["pairs"];
  const auto passages = pairs["passages"].get<strings>();
  const auto query = pairs["query"].get<std::string>();
  const auto ranker = lowbit::reranker<any_policy>::load(pair.path).value();
  const auto ranked = ranker.rank(query, passages).value();
  REQUIRE(ranked.size() == passages.size());
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    CHECK(near(ranked[i].logit, pairs["logits"][ranked[i].index]));
    CHECK(near(ranked[i].score, pairs["scores"][ranked[i].index]));
    CHECK((i == 0 || ranked[i - 1].logit >= ranked[i].logit));
  }
  CHECK(ranker.rank(query, strings()).value().empty());
  const auto classifier = lowbit::text_classifier<any_policy>::load(pair.path).value();
  CHECK(near(classifier.classify_pair(query, passages[0]).value().probability, pairs["scores"][0]));

  const json& choices = expected()["choices"];
  const auto chooser = lowbit::multiple_choice<any_policy>::load(choice.path).value();
  const auto chosen = chooser.choose(query, choices["choices"].get<strings>()).value();
  CHECK(chosen.best == 1);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(near(chosen.logits[i], choices["logits"][i]));
    CHECK(near(chosen.probabilities[i], choices["probabilities"][i]));
  }
  holds(chooser.choose(query, strings()).status(), "no choice");
  const fs::path packed = choice.path / "packed";
  REQUIRE(lowbit::save_packed(chooser.parts().model(), packed, choice.path).ok());
  CHECK(lowbit::multiple_choice<any_policy>::load(packed)
            .value()
            .choose(query, choices["choices"].get<strings>())
            .value()
            .logits == chosen.logits);
  holds(lowbit::text_classifier<any_policy>::load(choice.path).status(),
        "this is a multiple choice model, expected a sequence classification model");
  holds(lowbit::multiple_choice<any_policy>::load(pair.path).status(),
        "this is a sequence classification model, expected a multiple choice model");
  holds(lowbit::entity_tagger<any_policy>::load(pair.path).status(),
        "expected a token classification model");
}

TEST_CASE("embeddings are those of sentence-transformers for every module", "[pipeline]") {
  for (const json& wanted : expected()["embeddings"]) {
    CAPTURE(wanted["modules"].dump(), wanted["options"].dump());
    folder model("embed");
    for (const json& m : wanted["modules"])
      model.module(m["type"], m.contains("config") ? m["config"] : json());
    const json& options = wanted["options"];
    crafted::write(model.path / "sentence_bert_config.json",
                   json{{"max_seq_length", options.value("max_seq_length", 24)}}.dump());
    crafted::write(model.path / "config_sentence_transformers.json",
                   R"({"prompts": {"query": "who is: "}, "default_prompt_name": null})");
    const auto set = [&](auto& embedder) {
      if (options.contains("dimensions"))
        CHECK(embedder.set_dimensions(options["dimensions"]).ok());
      if (options.contains("prompt"))
        CHECK(embedder.set_prompt(options["prompt"].get<std::string>()).ok());
    };
    auto embedder = lowbit::text_embedder<any_policy>::load(model.path).value();
    CHECK(embedder.warnings().empty());
    set(embedder);
    const auto texts = wanted["texts"].get<strings>();
    const auto found = embedder.embed(texts).value();
    REQUIRE(found.size() == texts.size());
    for (std::size_t t = 0; t < texts.size(); ++t) {
      const json& vector = wanted["vectors"][t];
      REQUIRE(found.width == vector.size());
      for (std::size_t c = 0; c < found.width; ++c) CHECK(near(found[t][c], vector[c]));
      CHECK(embedder.embed(texts[t]).value() ==
            std::vector<float>(found[t].begin(), found[t].end()));
    }
    // A policy chosen at compile time, and a packed folder, answer with the same bits.
    auto compiled = lowbit::text_embedder<lowbit::policy::fp32>::load(model.path).value();
    set(compiled);
    CHECK(compiled.embed(texts).value().values == found.values);
    const fs::path packed = model.path / "packed";
    REQUIRE(lowbit::save_packed(embedder.parts().model(), packed, model.path).ok());
    auto again = lowbit::text_embedder<any_policy>::load(packed).value();
    set(again);
    CHECK(again.embed(texts).value().values == found.values);
    CHECK(again.unit_length() == embedder.unit_length());
  }
}

TEST_CASE("an embedder refuses modules and options that it does not know", "[pipeline]") {
  const json mean = {{"pooling_mode", "mean"}};
  const json dense = {{"in_features", 16}, {"out_features", 5}};
  const auto refusal = [&](const json& d, const char* part) {
    folder model("embed");
    model.module("Pooling", mean);
    model.module("Dense", d);
    holds(lowbit::text_embedder<any_policy>::load(model.path).status(), part);
  };
  const auto with = [&](const char* field, const json& value) {
    json changed = dense;
    changed[field] = value;
    return changed;
  };
  refusal(dense, "model.safetensors");  // whose weight has 32 columns
  refusal(with("in_features", 32), "in_features 32, the vector before it 16 values");
  refusal(with("out_features", 0), "out_features is 0");
  refusal(with("activation_function", "torch.nn.Softplus"), "\"torch.nn.Softplus\", expected one");
  refusal(with("use_residual", true), "use_residual is true");
  refusal(with("module_input_name", "token_embeddings"), "module_input_name is");
  folder model("embed");
  auto plain = lowbit::text_embedder<any_policy>::load(model.path).value();
  REQUIRE(plain.warnings().size() == 1);
  CHECK(plain.warnings()[0].find("no modules.json") != std::string::npos);
  holds(plain.set_prompt("query"), "prompt is \"query\", but the folder has none");
  holds(plain.set_dimensions(17), "dimensions is 17, expected 1 to 16");
  holds(plain.set_dimensions(0), "dimensions is 0");
  CHECK(plain.embed("").value().size() == 16);
  CHECK(plain.embed("\xff").status().code() == lowbit::errc::malformed);
  model.module("Pooling", {{"pooling_mode", "mean"}, {"include_prompt", false}});
  crafted::write(model.path / "config_sentence_transformers.json",
                 R"({"prompts": {"q": "a"}, "default_prompt_name": "q"})");
  holds(lowbit::text_embedder<any_policy>::load(model.path).status(), "include_prompt is false");
  crafted::write(model.path / "config_sentence_transformers.json", R"({"truncate_dim": 17})");
  holds(lowbit::text_embedder<any_policy>::load(model.path).status(), "17 dimensions");
  crafted::write(model.path / "config_sentence_transformers.json", R"({"truncate_dim": 9})");
  CHECK(lowbit::text_embedder<any_policy>::load(model.path).value().embed("a").value().size() == 9);
}

TEST_CASE("a long text is read in windows that cover it", "[pipeline]") {
  const folder model("token");
  const auto tagger = lowbit::entity_tagger<any_policy>::load(model.path).value();
  const lowbit::tokenizer& tokenizer = tagger.parts().tokenizer();
  std::string text = "angela merkel";
  for (int i = 0; i < 9; ++i) text += " is in new yorks and";
  for (const std::size_t overlap :
       {std::size_t{0}, std::size_t{1}, std::size_t{6}, std::size_t{21}}) {
    const auto windows = tagger.parts().windows(text, overlap).value();
    const std::size_t count = windows.all.ids.size();
    REQUIRE(windows.parts.size() > 2);
    CHECK(windows.all.ids == tokenizer.encode_plain(text).value().ids);
    for (std::size_t t = 0; t < count; ++t) {
      const auto at = windows.best_place(t);
      REQUIRE(at.part < windows.parts.size());
      const auto& part = windows.parts[at.part];
      REQUIRE(at.row < part.ids.size());
      CHECK(part.offsets[at.row] == windows.all.offsets[t]);
      // No other window has more context on its poorer side.
      const auto context = [&](std::size_t p) -> std::size_t {
        const auto& offsets = windows.parts[p].offsets;
        const auto found =
            std::find(offsets.begin() + 1, offsets.end() - 1, windows.all.offsets[t]);
        if (found == offsets.end() - 1) return 0;
        const auto left = static_cast<std::size_t>(found - offsets.begin());
        const std::size_t right = offsets.size() - 1 - left;
        return std::min(p == 0 ? count : left, p + 1 == windows.parts.size() ? count : right);
      };
      for (std::size_t p = 0; p < windows.parts.size(); ++p) CHECK(context(p) <= context(at.part));
    }
  }
  const auto tagged = tagger.tag(text, {lowbit::aggregation::none, 6}).value();
  CHECK(tagged.back().at.end > 150);  // truncation would end at token 22
  CHECK(tagger.tag(text, {lowbit::aggregation::none, {}}).value().back().at.end < 120);
  // Windows change nothing for a text that fits.
  const auto short_text = "angela merkel is in new yorks";
  const auto one = tagger.tag(short_text, {lowbit::aggregation::first, 6}).value();
  const auto whole = tagger.tag(short_text).value();
  REQUIRE(one.size() == whole.size());
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i].score == whole[i].score);
  holds(tagger.tag(text, {lowbit::aggregation::first, 22}).status(),
        "of 24 tokens 22 are left for the text, expected more than the overlap of 22");
  CHECK(tagger.tag("", {lowbit::aggregation::first, 6}).value().empty());

  const folder pair("pair");
  const auto classifier = lowbit::text_classifier<any_policy>::load(pair.path).value();
  const auto windows = classifier.parts().windows(text, 6).value();
  lowbit::serial here;
  const auto mean = classifier.classify_windows(std::span(&windows, 1), here).value()[0].logits[0];
  const auto parts = classifier.classify_encoded(windows.parts, here).value();
  float sum = 0;
  for (const auto& p : parts) sum += p.logits[0];
  CHECK(mean == sum / static_cast<float>(parts.size()));
}

TEST_CASE("two threads share one pipeline", "[pipeline][threads]") {
  const folder tokens("token");
  folder model("embed");
  model.module("Pooling", {{"pooling_mode", {"cls", "mean"}}});
  model.module("Dense", {{"in_features", 32}, {"out_features", 5}});
  const auto tagger = lowbit::entity_tagger<any_policy>::load(tokens.path).value();
  const auto any = lowbit::text_embedder<any_policy>::load(model.path).value();
  const auto fixed = lowbit::text_embedder<lowbit::policy::fp32>::load(model.path).value();
  const auto texts = expected()["embeddings"][0]["texts"].get<strings>();
  const auto wanted = any.embed(texts).value().values;
  const auto entities = tagger.tag(texts[1]).value();
  bool same[2] = {true, true};
  const auto call = [&](std::size_t caller) {
    lowbit::run_memory memory;
    lowbit::thread_pool threads(2);
    for (int i = 0; i < 10; ++i) {
      const auto a = any.embed(texts, threads, &memory), b = fixed.embed(texts);
      const auto tagged = tagger.tag(texts[1]);
      same[caller] = same[caller] && a.ok() && b.ok() && tagged.ok() && a->values == wanted &&
                     b->values == wanted && tagged->size() == entities.size() &&
                     tagged->front().score == entities.front().score;
    }
  };
  std::thread other(call, std::size_t{1});
  call(0);
  other.join();
  CHECK(same[0]);
  CHECK(same[1]);
}

TEST_CASE("texts become the ids and embeddings of Hugging Face's encoders", "[pipeline]") {
  std::size_t folders = 0;
  for (const auto& entry : fs::directory_iterator(golden.parent_path() / "texts")) {
    CAPTURE(entry.path().native());
    ++folders;
    const auto embedder = lowbit::text_embedder<any_policy>::load(entry.path()).value();
    const auto compiled = lowbit::text_embedder<lowbit::policy::fp32>::load(entry.path()).value();
    const json cases = json::parse(crafted::read(entry.path() / "expected.json"));
    strings texts;
    for (const json& wanted : cases) texts.push_back(wanted["text"]);
    const auto together = embedder.embed(texts).value();
    const auto of_type = compiled.embed(texts).value();
    for (std::size_t t = 0; t < texts.size(); ++t) {
      CAPTURE(texts[t]);
      const auto ids = lowbit::tokenizer::load(entry.path()).value().encode(texts[t], 512);
      REQUIRE(ids.ok());
      CHECK(ids->ids == cases[t]["ids"].get<std::vector<std::int32_t>>());
      const json& vector = cases[t]["embedding"];
      REQUIRE(together.width == vector.size());
      for (std::size_t c = 0; c < together.width; ++c) CHECK(near(together[t][c], vector[c]));
      const std::vector<float> one(together[t].begin(), together[t].end());
      CHECK(embedder.embed(texts[t]).value() == one);
      CHECK(std::vector<float>(of_type[t].begin(), of_type[t].end()) == one);
    }
  }
  CHECK(folders == 2);
}
