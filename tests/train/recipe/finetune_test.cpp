// SPDX-License-Identifier: Apache-2.0
// Fine-tuning of what is not a single sentence: labels of words, whose score is the F1 of spans,
// and pairs. And what stands in results.json: the smoothed loss, the score of the test split.
#include "lowbit/train/recipe/finetune.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/model_folder.hpp"
#include "lowbit/model/heads.hpp"
#include "support/separable_set.hpp"
#include "support/values.hpp"

using namespace lowbit::train;
using train_test::mentions;
using train_test::separable_set;
namespace fs = std::filesystem;

namespace {

/// A small model from random weights.
finetune_options finetune_from_nothing(const train_test::scratch_folder& at,
                                       const std::string& data, const std::string& out) {
  finetune_options o;
  o.data = at.path / data, o.vocab = at.path / "vocab.txt", o.out = at.path / out;
  o.shape.layers = 1, o.shape.hidden = 32, o.shape.heads = 2;
  o.shape.intermediate = 64, o.shape.positions = 16;
  o.fit.epochs = 15, o.fit.batch_size = 8, o.fit.optimizer.learning_rate = 1e-3;
  o.fit.dropout = o.fit.classifier_dropout = 0.0;
  return o;
}

std::vector<std::string> parted(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}
std::string vocabulary_of(const std::string& words) {
  std::string lines;
  for (const std::string& word : parted("[PAD] [UNK] [CLS] [SEP] [MASK] " + words))
    lines += word + "\n";
  return lines;
}

/// Cities and days in seq.in and seq.out. Of the test split "new" alone is labelled as a city.
struct city_set : train_test::scratch_folder {
  city_set() : scratch_folder("finetune-words") {
    using text_and_labels = std::pair<std::string, std::string>;
    const text_and_labels cities[] = {{"rome", "B-city"},
                                      {"bonn", "B-city"},
                                      {"new york", "B-city I-city"},
                                      {"san juan", "B-city I-city"}};
    const text_and_labels days[] = {{"monday", "B-day"}, {"next friday", "B-day I-day"}};
    std::string texts[2], labels[2];  // train, dev
    for (std::size_t i = 0; i < 48; ++i) {
      const auto &city = cities[i % 4], &other = cities[i / 4 % 4], &day = days[i / 3 % 2];
      const text_and_labels sentences[] = {
          {"fly to " + city.first, "O O " + city.second},
          {"flight from " + city.first + " to " + other.first,
           "O O " + city.second + " O " + other.second},
          {"fly to " + city.first + " on " + day.first, "O O " + city.second + " O " + day.second}};
      const std::size_t split = i % 5 == 4 ? 1 : 0;
      texts[split] += sentences[i % 3].first + "\n";
      labels[split] += sentences[i % 3].second + "\n";
    }
    add("train", texts[0], labels[0]);
    add("dev", texts[1], labels[1]);
    add("test", "flight to rome\nfly to new york on monday\n",
        "O O B-city\nO O B-city O O B-day\n");
    write("vocab.txt", vocabulary_of("fly to flight from on rom ##e bonn new york san juan monday "
                                     "next friday"));
  }
  void add(const std::string& split, const std::string& texts, const std::string& labels) const {
    fs::create_directories(path / "set" / split);
    write("set/" + split + "/seq.in", texts);
    write("set/" + split + "/seq.out", labels);
  }
};

/// The labels that the runtime gives the words of a text.
std::vector<std::string> labels_of_runtime(const fs::path& folder, const std::string& text) {
  using tagger = lowbit::token_classifier<lowbit::policy::fp32>;
  const auto source = lowbit::open_model(folder);
  INFO(source.status().message());
  REQUIRE(source.ok());
  const lowbit::model_shape& shape = source->config.shape;
  REQUIRE(shape.head == lowbit::head_kind::token);
  const auto e = lowbit::tokenizer::load(folder)->encode(text, shape.positions).value();
  const lowbit::aligned_buffer memory(tagger::model_bytes(source->weights(), shape));
  lowbit::arena space(memory.data(), memory.size());
  tagger model;
  REQUIRE(model.load(space, source->weights(), shape).ok());
  const std::uint32_t offsets[] = {0, static_cast<std::uint32_t>(e.ids.size())};
  const lowbit::token_input in{e.ids.data(), nullptr, nullptr, {offsets, 1}};
  const lowbit::aligned_buffer workspace(
      tagger::workspace_bytes(shape, tagger::limits_of(in.batch, 1)));
  std::vector<float> logits(e.ids.size() * shape.labels);
  const lowbit::matrix_view<float> out{logits.data(), e.ids.size(), shape.labels, shape.labels};
  lowbit::serial here;
  REQUIRE(model.run(in, workspace.data(), workspace.size(), out, here).ok());
  std::vector<std::string> labels;
  for (const lowbit::word_pieces& w : lowbit::pieces_by_white_space(text, e)) {
    const float* row = logits.data() + w.first_token * shape.labels;
    const auto best = std::max_element(row, row + shape.labels) - row;
    labels.push_back(source->config.labels.at(static_cast<std::size_t>(best)));
  }
  return labels;
}

/// Whether words [first, last) are an entity of `type`, as conlleval has it.
bool is_entity(const std::vector<std::string>& labels, std::size_t first, std::size_t last,
               const std::string& type) {
  const auto inside = [&](std::size_t w) { return w < labels.size() && labels[w] == "I-" + type; };
  const auto of_type = [&](std::size_t w) { return labels[w] == "B-" + type || inside(w); };
  if (!of_type(first) || (inside(first) && first > 0 && of_type(first - 1))) return false;
  for (std::size_t w = first + 1; w < last; ++w) {
    if (!inside(w)) return false;
  }
  return !inside(last);
}

/// Mean of -sum_c q_c log p_c with q = (1 - smoothing) of the label + smoothing / C.
double smoothed_entropy(const Tensor& logits, const std::vector<example>& data, double smoothing) {
  const auto classes = static_cast<std::size_t>(logits.size(1));
  const std::vector<double> z = train_test::double_values(logits);
  double sum = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    double all = 0;
    for (std::size_t c = 0; c < classes; ++c) all += std::exp(z[i * classes + c]);
    for (std::size_t c = 0; c < classes; ++c) {
      const bool right = data[i].labels[0] == static_cast<std::int64_t>(c);
      const double wanted =
          (right ? 1 - smoothing : 0.0) + smoothing / static_cast<double>(classes);
      sum -= wanted * (z[i * classes + c] - std::log(all));
    }
  }
  return sum / static_cast<double>(data.size());
}

}  // namespace

TEST_CASE("labels of words are learnt, scored as spans, and given by the runtime") {
  const city_set t;
  finetune_options o = finetune_from_nothing(t, "set", "out");
  o.asked = labelling::words, o.test = true;
  const auto done = finetune(o);
  INFO(done.message());
  REQUIRE(done.ok());
  const auto results = t.results("out");
  CHECK(results.at("validation_f1").get<double>() >= 0.95);
  // Rome and monday of rome, new york and monday; the file has rome, new and monday.
  CHECK(results.at("test_f1").get<double>() == 2.0 * 2 / (3 + 3));
  CHECK(lowbit::load_config(o.out)->labels ==
        std::vector<std::string>{"B-city", "B-day", "I-city", "I-day", "O"});
  CHECK(
      labels_of_runtime(o.out, "flight from new york to rome on next friday") ==
      std::vector<std::string>{"O", "O", "B-city", "I-city", "O", "B-city", "O", "B-day", "I-day"});
}

TEST_CASE("the score of words is the F1 of spans that loops find") {
  const std::vector<std::string> names{"B-x", "B-y", "I-x", "I-y", "O"};
  const auto index_of = [&names](const std::string& label) {
    return std::int64_t{std::find(names.begin(), names.end(), label) - names.begin()};
  };
  lowbit::model_shape shape{1, 16, 2, 16, 16, 16, 2, 5};
  shape.head = lowbit::head_kind::token;
  bert model(shape, std::make_shared<float_scheme>());
  {  // Token 5 + c is label c, whatever stands around it.
    torch::NoGradGuard no_gradients;
    for (auto& [name, tensor] : model.parameters()) {
      tensor.fill_(name.ends_with("LayerNorm.weight") ? 1.0 : 0.0);
      for (std::int64_t c = 0; c < 5; ++c) {
        if (name == "bert.embeddings.word_embeddings.weight") tensor[5 + c][c].fill_(1.0);
        if (name == "classifier.weight") tensor[c][c].fill_(1.0);
      }
    }
  }
  using found_and_wanted = std::pair<const char*, const char*>;
  const found_and_wanted cases[] = {{"B-x I-x O B-y", "B-x I-x O B-y"},
                                    {"B-x I-x I-x", "B-x I-x O"},
                                    {"I-y I-x B-x O O", "B-y O B-x I-x O"}};
  std::vector<example> data;
  std::size_t right = 0, predicted = 0, expected = 0;
  for (const auto& [found_text, wanted_text] : cases) {
    const auto found = parted(found_text), wanted = parted(wanted_text);
    example e{{2}, {ignored_label}, {}};
    for (std::size_t w = 0; w < found.size(); ++w) {
      e.ids.insert(e.ids.end(), {5 + index_of(found[w]), 6});  // and a second piece that says B-y
      e.labels.insert(e.labels.end(), {index_of(wanted[w]), ignored_label});
    }
    e.ids.push_back(3), e.labels.push_back(ignored_label);
    data.push_back(e);
    for (const char* type : {"x", "y"}) {
      for (std::size_t first = 0; first < found.size(); ++first) {
        for (std::size_t last = first + 1; last <= found.size(); ++last) {
          const bool is_found = is_entity(found, first, last, type);
          const bool is_wanted = is_entity(wanted, first, last, type);
          predicted += is_found ? 1 : 0, expected += is_wanted ? 1 : 0;
          right += is_found && is_wanted ? 1 : 0;
        }
      }
    }
  }
  REQUIRE(right == 3);
  REQUIRE(predicted == 6);
  REQUIRE(expected == 5);
  CHECK(score(model, data, names, torch::kCPU) ==
        2.0 * static_cast<double>(right) / static_cast<double>(predicted + expected));
}

TEST_CASE("which text of a pair has a word is learnt, and a model of one token type is refused") {
  const train_test::scratch_folder t("finetune-pairs");
  fs::create_directories(t.path / "pairs");
  const std::string fillers[] = {"the", "a", "my", "so"}, swapped[] = {"old", "new"};
  std::string train, dev;
  for (std::size_t i = 0; i < 64; ++i) {  // both words are in every pair
    const std::string first = (i / 4 % 2 == 0 ? fillers[i / 2 % 4] + " " : "") + swapped[1 - i % 2];
    const std::string second = swapped[i % 2] + (i / 16 % 2 == 0 ? " " + fillers[i / 8 % 4] : "");
    const std::string label = i % 2 == 1 ? "after" : "before";  // where "new" stands
    (i % 5 == 4 ? dev : train) += first + "\t" + second + "\t" + label + "\n";
  }
  t.write("pairs/train.tsv", train), t.write("pairs/dev.tsv", dev);
  t.write("vocab.txt", vocabulary_of("the a my so old new"));
  finetune_options o = finetune_from_nothing(t, "pairs", "out");
  const auto done = finetune(o);
  INFO(done.message());
  REQUIRE(done.ok());
  CHECK(t.results("out").at("validation_accuracy").get<double>() >= 0.95);

  auto loaded = load_model(o.out, torch::kCPU);
  REQUIRE(loaded.ok());
  const auto pair = tokenize({"the new", "before", "old"}, false, loaded->description.labels,
                             loaded->tokenizer, 16);
  REQUIRE(pair.ok());
  CHECK(pair->types == std::vector<std::int64_t>{0, 0, 0, 0, 1, 1});
  {
    torch::NoGradGuard no_gradients;
    batch in = make_batch({*pair}, torch::kCPU);
    const Tensor with_types = loaded->model.forward(in, {}).logits;
    in.types = Tensor();
    CHECK(!at::equal(with_types, loaded->model.forward(in, {}).logits));
  }

  const char* refusal = "has pairs, but the model's type_vocab_size is 1, expected 2";
  o.out = t.path / "narrow", o.shape.token_types = 1;
  CHECK(mentions(finetune(o), refusal));
  CHECK(!fs::exists(o.out));
  loaded->description.shape.token_types = 1;  // as a recipe finds it that goes on from a folder
  CHECK(mentions(data_for(o, loaded->description, loaded->tokenizer, "folder").status(), refusal));
}

TEST_CASE("the loss with label smoothing is that of loops") {
  const separable_set t("finetune-smoothing");
  t.train_model("fp32", 1, 32, 15);
  finetune_options o;
  t.fill(o, "smoothed", 1);
  o.student = t.path / "fp32", o.label_smoothing = 0.3;
  o.fit.batch_size = 60;  // one step: its loss is that of the weights in the folder
  o.fit.dropout = o.fit.classifier_dropout = 0.0, o.fit.type = precision::f32;
  REQUIRE(finetune(o).ok());
  const auto history = t.results("smoothed").at("run").at("history");
  REQUIRE(history.size() == 1);

  auto loaded = load_model(o.student, torch::kCPU);
  REQUIRE(loaded.ok());
  const auto examples = data_for(o, loaded->description, loaded->tokenizer, o.student);
  REQUIRE(examples.ok());
  REQUIRE(examples->train.size() == 60);
  torch::NoGradGuard no_gradients;
  const Tensor logits = loaded->model.forward(make_batch(examples->train, torch::kCPU), {}).logits;
  const double smoothed = smoothed_entropy(logits, examples->train, 0.3);
  REQUIRE(smoothed > smoothed_entropy(logits, examples->train, 0.0) + 0.1);
  CHECK(train_test::near(history.at(0).at("loss").get<double>(), smoothed, 1e-5));
}

TEST_CASE("the test split of sentences is scored when it is asked for, and only then") {
  const separable_set t("finetune-test");
  t.write("data/test.tsv",  // one label of four is wrong
          "start now please\tclass 0\nopen now now\tclass 0\n"
          "stop now please\tclass 1\nclose now now\tclass 0\n");
  finetune_options o = t.model("out", 2, 32, 15);
  o.test = true;
  REQUIRE(finetune(o).ok());
  CHECK(t.results("out").at("validation_accuracy").get<double>() >= 0.95);
  CHECK(t.results("out").at("test_accuracy").get<double>() == 0.75);
  CHECK(t.results("out").at("examples").at("test") == 4);
  REQUIRE(finetune(t.model("unasked", 1, 16, 1)).ok());
  CHECK(!t.results("unasked").contains("test_accuracy"));
}
