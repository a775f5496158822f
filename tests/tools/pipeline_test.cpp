// SPDX-License-Identifier: Apache-2.0
// From texts to answers: every pipeline against what Hugging Face's packages answer with the same
// tiny models (tests/golden/pipelines), on the engine of this CPU and on a policy chosen at compile
// time, through a packed folder, in windows, and from two threads at once.
#include "lowbit/pipeline.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <thread>

#include "../io/crafted.hpp"
#include "lowbit/model/max_sim.hpp"
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
  void module(const std::string& type, const json& config = nullptr,
              const char* weights = "Dense") {
    if (modules_.empty()) add("", "Transformer");
    const std::string at = std::to_string(modules_.size()) + "_" + type;
    fs::create_directories(path / at);
    if (!config.is_null()) crafted::write(path / at / "config.json", config.dump());
    if (type == "Dense")
      fs::copy(golden / "embed" / weights / "model.safetensors", path / at / "model.safetensors");
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
      CHECK(found[i].type == w["type"].get<std::string>());
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
    CHECK(context.substr(at.begin, at.end - at.begin) == wanted["text"].get<std::string>());
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
      CHECK(found[0].candidates[i].token == w["token"].get<std::string>());
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

TEST_CASE("sparse vectors are those of sentence-transformers", "[pipeline]") {
  for (const json& wanted : expected()["sparse"]) {
    CAPTURE(wanted["modules"].dump());
    folder model("masked");
    model.module("SpladePooling", wanted["modules"][0]["config"]);
    const auto embedder = lowbit::sparse_embedder<any_policy>::load(model.path).value();
    CHECK(embedder.warnings().empty());
    const auto texts = wanted["texts"].get<strings>();
    const auto found = embedder.embed(texts).value();
    REQUIRE(found.size() == texts.size());
    for (std::size_t t = 0; t < texts.size(); ++t) {
      const json& vector = wanted["vectors"][t];
      std::vector<float> all(vector.size());
      for (std::size_t i = 0; i < found[t].size(); ++i) {
        CHECK((i == 0 || found[t][i - 1].weight >= found[t][i].weight));
        CHECK(found[t][i].weight > 0);
        all.at(found[t][i].id) = found[t][i].weight;
      }
      for (std::size_t v = 0; v < all.size(); ++v) CHECK(near(all[v], vector[v]));
    }
    float product = 0;
    for (const auto& a : found[0])
      for (const auto& b : found[1]) product += a.id == b.id ? a.weight * b.weight : 0;
    CHECK(std::abs(lowbit::dot_product(found[0], found[1]) - product) <= 1e-5F * product);
    const auto same = [&](const auto& other) {
      const auto again = other.embed(texts).value();
      for (std::size_t t = 0; t < texts.size(); ++t) {
        REQUIRE(again[t].size() == found[t].size());
        for (std::size_t i = 0; i < again[t].size(); ++i) {
          CHECK(again[t][i].id == found[t][i].id);
          CHECK(again[t][i].weight == found[t][i].weight);
        }
      }
    };
    same(lowbit::sparse_embedder<lowbit::policy::fp32>::load(model.path).value());
    const fs::path packed = model.path / "packed";
    REQUIRE(lowbit::save_packed(embedder.parts().model(), packed, model.path).ok());
    same(lowbit::sparse_embedder<any_policy>::load(packed).value());
    CHECK(lowbit::mask_filler<any_policy>::load(packed).value().fill("the [MASK]").ok());
    holds(lowbit::text_embedder<any_policy>::load(model.path).status(), "(SPLADE: ");
  }
  const auto refusal = [](const char* field, const char* value, const char* part) {
    folder model("masked");
    model.module("SpladePooling", {{field, value}});
    holds(lowbit::sparse_embedder<any_policy>::load(model.path).status(), part);
  };
  refusal("pooling_strategy", "mean", "pooling_strategy is \"mean\", expected \"max\" or \"sum\"");
  refusal("activation_function", "gelu", "activation_function is \"gelu\"");
  folder more("masked");
  more.module("SpladePooling", json::object());
  more.module("Normalize");
  holds(lowbit::sparse_embedder<any_policy>::load(more.path).status(),
        "module 2 is \"sentence_transformers.models.Normalize\", expected none behind Splade");
  const folder plain("masked"), tokens("token");
  auto assumed = lowbit::sparse_embedder<any_policy>::load(plain.path).value();
  REQUIRE(assumed.warnings().size() == 1);
  CHECK(assumed.warnings()[0].find("no SpladePooling") != std::string::npos);
  holds(assumed.set_prompt("query"), "prompt is \"query\", but the folder has none");
  CHECK(assumed.embed(strings{"\xff"}).status().code() == lowbit::errc::malformed);
  holds(lowbit::sparse_embedder<any_policy>::load(tokens.path).status(),
        "expected a masked language model");
}

TEST_CASE("vectors of tokens are those of sentence-transformers and PyLate", "[pipeline]") {
  for (const json& wanted : expected()["tokens"]) {
    CAPTURE(wanted["modules"].dump(), wanted["settings"].dump(), wanted["prompt"].dump());
    folder model("embed");
    for (const json& m : wanted["modules"]) model.module(m["type"], m["config"], "Projection");
    crafted::write(model.path / "config_sentence_transformers.json", wanted["settings"].dump());
    // PyLate's prefixes are tokens.
    crafted::write(model.path / "added_tokens.json", R"({"[MASK]": 4, "[UNK]": 1})");
    const auto texts = wanted["texts"].get<strings>();
    const auto check = [&](auto embedder) {
      CHECK(embedder.warnings().empty());
      if (wanted["prompt"].is_string())
        REQUIRE(embedder.set_prompt(wanted["prompt"].template get<std::string>()).ok());
      const auto found = embedder.embed(texts).value();
      REQUIRE(found.size() == texts.size());
      for (std::size_t t = 0; t < texts.size(); ++t) {
        const json& rows = wanted["vectors"][t];
        REQUIRE(found[t].size() == rows.size());
        for (std::size_t r = 0; r < rows.size(); ++r) {
          REQUIRE(found[t].width == rows[r].size());
          for (std::size_t c = 0; c < found[t].width; ++c) CHECK(near(found[t][r][c], rows[r][c]));
        }
      }
      const auto alone = embedder.embed(std::span(texts).subspan(1)).value();
      CHECK(alone[0].values == found[1].values);
      return found[1].values;
    };
    const auto values = check(lowbit::token_embedder<any_policy>::load(model.path).value());
    CHECK(check(lowbit::token_embedder<lowbit::policy::fp32>::load(model.path).value()) == values);
    const fs::path packed = model.path / "packed";
    REQUIRE(lowbit::save_packed(lowbit::open_model(model.path).value(), packed, model.path).ok());
    CHECK(check(lowbit::token_embedder<any_policy>::load(packed).value()) == values);
    holds(lowbit::text_embedder<any_policy>::load(packed).status(), "(ColBERT: token_embedder");
  }
}

TEST_CASE("any model gives a vector for each token", "[pipeline]") {
  const folder tokens("token"), plain("embed");
  const strings texts{"the good movie"};
  for (const folder* model : {&tokens, &plain}) {  // with a head of its own, which is replaced
    const auto found = lowbit::token_embedder<any_policy>::load(model->path).value();
    REQUIRE(found.warnings().size() == 1);
    CHECK(found.warnings()[0].find("hidden rows") != std::string::npos);
    const auto vectors = found.embed(texts).value()[0];
    CHECK(vectors.size() == 5);
    CHECK(vectors.width == 16);
    // The first one is what CLS pooling takes.
    const auto cls = lowbit::text_embedder<any_policy>::load(model->path, {{{}, {}, {}, "cls"}, {}})
                         .value()
                         .embed(texts[0])
                         .value();
    CHECK(std::vector<float>(vectors[0].begin(), vectors[0].end()) == cls);
    float score = 0;
    for (std::size_t i = 0; i < vectors.size(); ++i) score += 1;
    CHECK(std::abs(lowbit::max_sim(vectors.view(), vectors.view()) - score) < 1e-5F);
  }
  folder model("embed");
  model.module("MultiVectorMask", {{"skiplist_words", 3}});
  holds(lowbit::token_embedder<any_policy>::load(model.path).status(), "\"skiplist_words\"");
  crafted::write(model.path / "1_MultiVectorMask" / "config.json", "{}");
  crafted::write(model.path / "config_sentence_transformers.json",
                 R"({"query_prefix": "##ger", "document_prefix": 7})");
  holds(lowbit::token_embedder<any_policy>::load(model.path).status(), "\"document_prefix\"");
  crafted::write(model.path / "config_sentence_transformers.json", R"({"query_prefix": "##ger "})");
  auto embedder = lowbit::token_embedder<any_policy>::load(model.path).value();
  holds(embedder.set_prompt("query"), "begins with \"##ger\", a token of the vocabulary that");
  CHECK(embedder.embed(strings{"\xff"}).status().code() == lowbit::errc::malformed);
  model.module("Dense", {{"in_features", 7}, {"out_features", 5}}, "Projection");
  holds(lowbit::token_embedder<any_policy>::load(model.path).status(), "model.safetensors");
}

TEST_CASE("do_lower_case lowers the text of a tokenizer that keeps case", "[pipeline]") {
  folder model("embed");
  model.module("Pooling", {{"pooling_mode", "mean"}});
  crafted::write(model.path / "tokenizer_config.json", R"({"do_lower_case": false})");
  const auto embed = [&](const std::string& text) {
    return lowbit::text_embedder<any_policy>::load(model.path).value().embed(text).value();
  };
  const auto lower = embed("angela merkel is [MASK]"), upper = embed("Angela MERKEL is [MASK]");
  CHECK(lower != upper);
  crafted::write(model.path / "sentence_bert_config.json", R"({"do_lower_case": true})");
  CHECK(embed("Angela MERKEL is [MASK]") == lower);  // added tokens are found before
  CHECK(lowbit::token_embedder<any_policy>::load(model.path)
            .value()
            .parts()
            .tokenizer()
            .lowers_case());
  // Other pipelines of the folder read it as their tokenizer does.
  CHECK(!lowbit::tokenizer::load(model.path).value().lowers_case());
  // An accent stays: the letter is lower case, not replaced.
  const auto& tokenizer = lowbit::tokenizer::load(model.path, true).value();
  CHECK(tokenizer.encode("\xC3\x89 bAd", 9).value().ids ==
        tokenizer.encode("\xC3\xA9 bad", 9).value().ids);
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

namespace {

/// The files of a folder, read into memory; the folder is gone when a test loads them.
class files_in_memory {
 public:
  explicit files_in_memory(const fs::path& from) {
    for (const auto& entry : fs::recursive_directory_iterator(from)) {
      if (entry.is_regular_file())
        texts[fs::relative(entry.path(), from).native()] = crafted::read(entry.path());
    }
  }
  [[nodiscard]] lowbit::model_files view() const {
    lowbit::model_files::contents bytes;
    for (const auto& [name, text] : texts) bytes.emplace(name, text);
    return lowbit::model_files::in_memory(bytes);
  }
  std::map<std::string, std::string> texts;
};

files_in_memory read_folder(const char* name) { return files_in_memory(folder(name).path); }

}  // namespace

TEST_CASE("every pipeline loads from bytes in memory, with the same answers", "[pipeline]") {
  const strings texts{"angela merkel is in new yorks", "the good movie"};
  const auto tokens = read_folder("token"), span = read_folder("span"), pair = read_folder("pair"),
             masked = read_folder("masked"), choice = read_folder("choice");
  const auto at = [](const char* name) { return folder(name); };
  {
    const auto a = lowbit::entity_tagger<any_policy>::load(tokens.view()).value().tag(texts[0]);
    const auto b = lowbit::entity_tagger<any_policy>::load(at("token").path).value().tag(texts[0]);
    REQUIRE(a->size() == b->size());
    for (std::size_t i = 0; i < a->size(); ++i) CHECK((*a)[i].score == (*b)[i].score);
  }
  const auto answer = [&](const lowbit::model_files& from) {
    return lowbit::question_answerer<any_policy>::load(from)
        .value()
        .answer("who is big", texts[0])
        .value()
        .best[0]
        .score;
  };
  CHECK(answer(span.view()) == answer(at("span").path));
  const auto fill = [&](const lowbit::model_files& from) {
    return lowbit::mask_filler<lowbit::policy::int8>::load(from)
        .value()
        .fill("the [MASK]")
        .value()[0]
        .candidates[0]
        .logit;
  };
  CHECK(fill(masked.view()) == fill(at("masked").path));
  const auto weight = [&](const lowbit::model_files& from) {
    return lowbit::sparse_embedder<any_policy>::load(from)
        .value()
        .embed(texts)
        .value()[1][0]
        .weight;
  };
  CHECK(weight(masked.view()) == weight(at("masked").path));
  const auto rank = [&](const lowbit::model_files& from) {
    return lowbit::reranker<any_policy>::load(from).value().rank("who", texts).value()[0].logit;
  };
  CHECK(rank(pair.view()) == rank(at("pair").path));
  const auto choose = [&](const lowbit::model_files& from) {
    return lowbit::multiple_choice<any_policy>::load(from).value().choose("who", texts)->logits;
  };
  CHECK(choose(choice.view()) == choose(at("choice").path));
  const auto classify = [&](const lowbit::model_files& from) {
    return lowbit::text_classifier<lowbit::policy::fp32>::load(from)->classify(texts[0])->logits;
  };
  CHECK(classify(pair.view()) == classify(at("pair").path));

  // With the modules of a folder, whose Dense has a file of its own; and packed.
  folder model("embed");
  model.module("Pooling", {{"pooling_mode", {"cls", "mean"}}});
  model.module("Dense", {{"in_features", 32}, {"out_features", 5}});
  crafted::write(model.path / "config_sentence_transformers.json",
                 R"({"prompts": {"q": "who "}, "default_prompt_name": "q"})");
  const auto original = lowbit::text_embedder<any_policy>::load(model.path).value();
  const auto vectors = original.embed(texts).value().values;
  const files_in_memory modules(model.path);
  CHECK(lowbit::text_embedder<any_policy>::load(modules.view()).value().embed(texts)->values ==
        vectors);
  const auto fixed = lowbit::text_embedder<lowbit::policy::fp32>::load(modules.view()).value();
  CHECK(fixed.embed(texts)->values == vectors);
  const fs::path packed = model.path / "packed";
  REQUIRE(lowbit::save_packed(fixed.parts().model(), packed, modules.view()).ok());
  const files_in_memory again(packed);
  CHECK(again.texts.contains("vocab.txt"));
  CHECK(lowbit::text_embedder<any_policy>::load(again.view()).value().embed(texts)->values ==
        vectors);
  CHECK(lowbit::token_embedder<any_policy>::load(again.view()).value().embed(texts)->size() == 2);
}

TEST_CASE("messages name the file in memory", "[pipeline]") {
  folder model("embed");
  model.module("Pooling", {{"pooling_mode", {"cls", "mean"}}});
  model.module("Dense", {{"in_features", 32}, {"out_features", 5}});
  const auto refusal = [&](const char* file, std::optional<std::string> text, const char* part) {
    files_in_memory files(model.path);
    if (text) files.texts[file] = *text;
    if (!text) files.texts.erase(file);
    CAPTURE(file);
    holds(lowbit::text_embedder<any_policy>::load(files.view()).status(), part);
    holds(lowbit::text_embedder<lowbit::policy::fp32>::load(files.view()).status(), part);
  };
  refusal("config.json", {}, "memory/config.json: no such file");
  refusal("config.json", "{", "memory/config.json: ");
  refusal("config.json", R"({"hidden_size": "a"})", "memory/config.json: ");
  refusal("model.safetensors", {}, "memory: neither model.safetensors nor pytorch_model.bin");
  refusal("model.safetensors", "short", "memory/model.safetensors: 5 bytes");
  refusal("vocab.txt", {}, "memory: neither tokenizer.json nor vocab.txt");
  refusal("vocab.txt", "a\n\nb\n", "memory/vocab.txt: line 2 is empty");
  refusal("tokenizer.json", "[]", "memory/tokenizer.json: ");
  refusal("modules.json", "{}", "memory/modules.json: ");
  refusal("1_Pooling/config.json", {}, "memory/1_Pooling/config.json: no such file");
  refusal("2_Dense/model.safetensors", {}, "memory/2_Dense: neither model.safetensors");
  refusal("2_Dense/config.json", R"({"in_features": 31, "out_features": 5})", "2_Dense");
  files_in_memory files(model.path);
  files.texts.erase("model.safetensors");
  files.texts["model.safetensors.index.json"] = R"({"weight_map": {"a": "model-1.safetensors"}})";
  holds(lowbit::text_embedder<any_policy>::load(files.view()).status(),
        "memory/model-1.safetensors: no such file");
  holds(
      lowbit::text_embedder<any_policy>::load(lowbit::model_files::in_memory({}, "mine")).status(),
      "mine/config.json: no such file");
}

namespace {

/// Overflows at every sentence that contains `bad`, as an encoder does.
class overflowing : public lowbit::dispatch_runner {
 public:
  static constexpr std::int32_t bad = 7;
  static lowbit::result<overflowing> open(const lowbit::model_files& at,
                                          const lowbit::open_options& o) {
    LOWBIT_TRY_ASSIGN(auto runner, lowbit::dispatch_runner::open(at, o));
    return overflowing(std::move(runner));
  }
  template <lowbit::executor Executor>
  lowbit::result<std::vector<float>> run(const lowbit::token_rows& rows, Executor& threads,
                                         lowbit::run_memory& memory) const {
    for (std::size_t s = 0; s < rows.sentences(); ++s) {
      for (std::size_t t = rows.offsets[s]; t < rows.offsets[s + 1]; ++t)
        if (rows.ids[t] == bad) return lowbit::overflow_error(s, "embeddings");
    }
    return dispatch_runner::run(rows, threads, memory);
  }

 private:
  explicit overflowing(dispatch_runner runner) : dispatch_runner(std::move(runner)) {}
};

}  // namespace

TEST_CASE("texts on several threads have the answers of one, in order", "[pipeline][threads]") {
  const folder pair("pair"), embed("embed"), token("token");
  const auto classifier = lowbit::text_classifier<any_policy>::load(pair.path).value();
  const auto embedder = lowbit::text_embedder<lowbit::policy::fp32>::load(embed.path).value();
  const auto tagger = lowbit::entity_tagger<any_policy>::load(token.path).value();
  strings texts;
  for (std::size_t i = 0; i < 70; ++i)
    texts.push_back(std::string(i % 3, 'a') + " angela merkel is in new yorks" +
                    (i % 2 ? "" : " so"));
  std::vector<lowbit::text_windows> windows;
  for (const std::string& t : texts) windows.push_back(tagger.parts().windows(t, 6).value());
  lowbit::serial here;
  const auto logits = classifier.classify(texts).value();
  const auto vectors = embedder.embed(texts).value().values;
  const auto entities = tagger.tag_encoded(windows, lowbit::aggregation::first, here).value();
  lowbit::run_memory memory;
  for (const std::size_t workers : {2, 3}) {
    lowbit::thread_pool threads(workers);
    for (const std::size_t count : {0, 1, 3, 4, 6, 7, 33, 64, 65, 70}) {
      CAPTURE(workers, count);
      const auto some = std::span(std::as_const(texts)).first(count);
      const auto found = classifier.classify(some, threads, &memory).value();
      REQUIRE(found.size() == count);
      for (std::size_t i = 0; i < count; ++i) CHECK(found[i].logits == logits[i].logits);
      const auto embedded = embedder.embed(some, threads, &memory).value().values;
      REQUIRE(embedded.size() == vectors.size() / texts.size() * count);
      CHECK(std::equal(embedded.begin(), embedded.end(), vectors.begin()));
      const auto tagged = tagger
                              .tag_encoded(std::span(std::as_const(windows)).first(count),
                                           lowbit::aggregation::first, threads, &memory)
                              .value();
      REQUIRE(tagged.size() == count);
      for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(tagged[i].size() == entities[i].size());
        for (std::size_t e = 0; e < tagged[i].size(); ++e)
          CHECK(tagged[i][e].score == entities[i][e].score);
      }
    }
    auto bad = texts;
    bad[50] = "\xFF";
    bad[60] = "\xFF\xFF";
    CHECK(classifier.classify(bad, threads).status().message() ==
          classifier.parts().encode(bad[50]).status().message());
    const auto model =
        lowbit::text_model<overflowing>::load(pair.path, lowbit::head_kind::sequence, {}).value();
    std::vector<lowbit::encoding> encoded(70, model.encode(texts[0]).value());
    REQUIRE(model.run(encoded, threads, &memory).ok());
    encoded[41].ids[1] = encoded[69].ids[1] = overflowing::bad;
    holds(model.run(encoded, threads, &memory).status(), "sentence 41, embeddings");
  }
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
