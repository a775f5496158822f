// SPDX-License-Identifier: Apache-2.0
// The verbs of `lowbit` that stand on a head, as a user runs them, on random checkpoints: what they
// print is what the same weights give in memory, offsets are characters of the text, and every
// refusal is one line on stderr.
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "lowbit/io/checkpoint_tensors.hpp"
#include "lowbit/io/label_scores.hpp"
#include "lowbit/io/model_layout.hpp"
#include "lowbit/io/named_policy.hpp"
#include "lowbit/text/spans.hpp"
#include "program.hpp"

namespace {

using namespace lowbit_test;
using lowbit::head_kind;
using lowbit::policy::fp32;
using nlohmann::json;

/// Characters [begin, end) of a text whose characters are one or two bytes.
std::string characters(const std::string& text, std::size_t begin, std::size_t end) {
  std::string out;
  std::size_t n = 0;
  for (std::size_t at = 0; at < text.size(); ++n) {
    const std::size_t size = (static_cast<unsigned char>(text[at]) & 0x80U) != 0 ? 2 : 1;
    if (n >= begin && n < end) out += text.substr(at, size);
    at += size;
  }
  return out;
}

}  // namespace

TEST_CASE("tokens prints the entities of the labels that the logits give", "[verbs]") {
  const model_folder model(head_kind::token, "BertForTokenClassification", 2000);
  const std::string text = "N\xC3\xABw York is  biggers, \xC3\xA9 so";
  const lowbit::encoding e = tokenizer().encode(text, 70).value();
  const auto logits = model.run<lowbit::token_classifier<fp32>>(e);
  std::vector<lowbit::labelled_word> labelled;
  const char* const names[] = {"O", "B-x", "I-x"};
  for (const auto& w : lowbit::pieces_by_word(text, e)) {
    const float* row = logits.data() + 3 * w.first_token;
    labelled.push_back({names[std::max_element(row, row + 3) - row], w.at, 0});
  }
  const auto expected = lowbit::decode_bio(labelled);
  REQUIRE(!expected.empty());
  const json found = run_json("tokens -m " + model.path() + " '" + text + "'");
  CHECK(found["text"] == text);
  REQUIRE(found["entities"].size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const json& entity = found["entities"][i];
    const auto& at = expected[i].at;
    CHECK(entity["type"] == "x");
    CHECK(entity["text"] == text.substr(at.begin, at.end - at.begin));
    CHECK(entity["text"] == characters(text, entity["begin"], entity["end"]));
    CHECK(entity["score"] > 1.0 / 3);
  }
  const ended plain = run_program("tokens -m " + model.path() + " '" + text + "'");
  CHECK(plain.code == 0);
  CHECK(std::count(plain.out.begin(), plain.out.end(), '\n') ==
        static_cast<std::ptrdiff_t>(expected.size()));
  check_refusal("tokens -m " + model.path(), "no text");
  check_refusal("answer -m " + model.path() + " who a",
                "this is a token classification model, expected a question answering model");
}

TEST_CASE("fill prints the words with the largest logits of each mask", "[verbs]") {
  const model_folder model(head_kind::masked_lm, "BertForMaskedLM", 2010);
  const std::string text = "[MASK] is [MASK]";  // begins and ends with brackets
  const lowbit::encoding e = tokenizer().encode(text, 70).value();
  const auto logits = model.run<lowbit::masked_lm<fp32>>(e, {1, 3});
  const ended lines = run_program("fill --json --top 4 -m " + model.path() + " '" + text + "'");
  REQUIRE(lines.code == 0);
  const std::size_t end = lines.out.find('\n');
  const json masks[] = {json::parse(lines.out.substr(0, end)), json::parse(lines.out.substr(end))};
  for (std::size_t m = 0; m < 2; ++m) {
    const json& mask = masks[m];
    CHECK(mask["text"] == text);
    CHECK(mask["begin"] == (m == 0 ? 0 : 10));
    REQUIRE(mask["words"].size() == 4);
    std::vector<float> sorted(logits.begin() + static_cast<long>(m * 97),
                              logits.begin() + static_cast<long>((m + 1) * 97));
    for (const json& word : mask["words"]) {
      const auto top = std::max_element(sorted.begin(), sorted.end());
      CHECK(word["id"] == top - sorted.begin());
      CHECK(word["logit"].get<float>() == *top);
      *top = -1e9F;
    }
  }
  check_refusal("fill -m " + model.path() + " 'is big'", "\"is big\" has no [MASK]");
}

TEST_CASE("answer prints the best span, also of a context longer than the model", "[verbs]") {
  const model_folder model(head_kind::span, "BertForQuestionAnswering", 2020);
  const std::string question = "is a";
  std::string context = "\xC3\xA9 new york is bigger , so";
  const auto window = lowbit::answer_windows(tokenizer(), question, context, 70, 20).value().at(0);
  const auto logits = model.run<lowbit::span_extractor<fp32>>(window.tokens);
  const auto best = lowbit::best_answers(window, logits, 1, 30).at(0);
  const auto ask = [&](const std::string& more) {
    return run_json("answer -m " + model.path() + " '" + question + "' '" + context + "'" + more);
  };
  json found = ask("");
  REQUIRE(found["answers"].size() == 1);
  CHECK(found["windows"] == 1);
  CHECK(found["answers"][0]["text"] == context.substr(best.at.begin, best.at.end - best.at.begin));
  CHECK(found["answers"][0]["score"].get<float>() == best.score);
  CHECK(found["null_score"].get<float>() == lowbit::null_score(logits));
  for (int i = 0; i < 5; ++i) context += " " + context;
  found = ask(" --top 5 --max-tokens 40 --stride 8");
  CHECK(found["windows"] > 5);
  REQUIRE(found["answers"].size() == 5);
  for (const json& a : found["answers"])
    CHECK(a["text"] == characters(context, a["begin"], a["end"]));
  CHECK(found["answers"][0]["score"] >= found["answers"][4]["score"]);
  CHECK(ask(" --none --null-threshold -1000")["answers"].empty());
  check_refusal("answer -m " + model.path() + " who", "no context");
  check_refusal("answer -m " + model.path() + " who '" + context + "' --max-tokens 10 --stride 9",
                "expected more than the overlap of 9");
}

TEST_CASE("embed prints the vectors of any encoder, and their codes", "[verbs]") {
  model_folder model(head_kind::token, "BertForTokenClassification", 2030);
  const lowbit::encoding e = tokenizer().encode("new york is big", 70).value();
  const auto embed = [&](const std::string& more) {
    return run_json("embed -m " + model.path() + " 'new york is big'" + more)["embedding"];
  };
  model.shape.head = head_kind::mean_embedding;
  const auto mean = model.run<lowbit::mean_embedder<fp32>>(e);
  CHECK(embed(" --pooling mean").get<std::vector<float>>() == mean);
  model.shape.head = head_kind::cls_embedding;
  CHECK(embed(" --pooling cls").get<std::vector<float>>() ==
        model.run<lowbit::cls_embedder<fp32>>(e));
  const json bits = embed(" --pooling mean --output binary");
  REQUIRE(bits.size() == 6);
  for (std::size_t c = 0; c < 45; ++c)
    CHECK((bits[c / 8].get<unsigned>() >> (c % 8) & 1U) == (mean[c] < 0 ? 1U : 0U));
  const json unsigned_bits = embed(" --pooling mean --output ubinary");
  REQUIRE(unsigned_bits.size() == 6);
  for (std::size_t c = 0; c < 48; ++c)
    CHECK((unsigned_bits[c / 8].get<unsigned>() >> (7 - c % 8) & 1U) ==
          (c < 45 && mean[c] > 0 ? 1U : 0U));
  CHECK(embed(" --pooling mean --output int8").size() == 45);
  CHECK(embed(" --pooling cls+max+lasttoken").size() == 3 * 45);
  const ended assumed = run_program("embed -m " + model.path() + " 'new york is big'");
  CHECK(assumed.out.starts_with("lowbit: warning: " + model.path() + ": no modules.json says how"));
  for (const auto& [form, bytes] : {std::pair{"f32", 180}, {"int8", 49}, {"binary", 6}}) {
    CHECK(run_program("embed -m " + model.path() + " a --pooling mean --raw --output " + form)
              .out.size() == static_cast<std::size_t>(bytes));
  }
}

TEST_CASE("embed prints weights of words, largest first", "[verbs]") {
  const model_folder model(head_kind::masked_lm, "BertForMaskedLM", 2010);
  const std::string embed = "embed -m " + model.path() + " 'new york is big' --output sparse ";
  CHECK(run_program(embed).out.find("no SpladePooling in modules.json") != std::string::npos);
  std::filesystem::create_directories(model.path() + "/1_SpladePooling");
  crafted::write(model.path() + "/1_SpladePooling/config.json", "{}");
  crafted::write(model.path() + "/modules.json",
                 R"([{"path": "", "type": "s.MLMTransformer"},
                     {"path": "1_SpladePooling", "type": "s.SpladePooling"}])");
  const json words = run_json(embed)["words"];
  REQUIRE(words.size() > 3);
  for (std::size_t i = 1; i < words.size(); ++i)
    CHECK(words[i - 1]["weight"].get<float>() >= words[i]["weight"].get<float>());
  for (const json& w : words) {
    const auto id = w["id"].get<std::size_t>();
    CHECK(w["word"] == (id < lowbit_test::words.size() ? lowbit_test::words[id]
                                                       : "[unused" + std::to_string(id) + "]"));
  }
  const json top = run_json(embed + "--top 3")["words"];
  REQUIRE(top.size() == 3);
  CHECK(top[2] == words[2]);
  const std::string line = run_program(embed + "--top 2").out;
  CHECK(line.find(words[0]["word"].get<std::string>() + " ") != std::string::npos);
  CHECK(std::count(line.begin(), line.end(), '\t') == 1);
  for (const char* option : {"--raw", "--dimensions 3", "--pooling mean"})
    check_refusal(embed + option, "is an option of vectors");
  check_refusal("embed -m " + model.path() + " a --top 3", "--top is an option of --output sparse");
}

TEST_CASE("embed prints a vector for each token in every output", "[verbs]") {
  const model_folder model(head_kind::mean_embedding, "BertModel", 2060);
  std::filesystem::create_directories(model.path() + "/1_Normalize");
  crafted::write(model.path() + "/modules.json",
                 R"([{"path": "", "type": "s.Transformer"},
                     {"path": "1_Normalize", "type": "s.Normalize"}])");
  const std::string embed = "embed -m " + model.path() + " 'new york is big' --tokens";
  const json rows = run_json(embed)["tokens"];
  REQUIRE(rows.size() == 6);
  CHECK(rows[0]["token"] == "[CLS]");
  CHECK(rows[4]["token"] == "big");
  for (const json& row : rows) {
    double squares = 0;
    for (const json& v : row["embedding"]) squares += v.get<double>() * v.get<double>();
    CHECK(std::abs(squares - 1) < 1e-5);
  }
  const json bits = run_json(embed + " --output ubinary")["tokens"];
  REQUIRE(bits.size() == 6);
  for (std::size_t c = 0; c < 45; ++c)
    CHECK((bits[4]["embedding"][c / 8].get<unsigned>() >> (7 - c % 8) & 1U) ==
          (rows[4]["embedding"][c].get<float>() > 0 ? 1U : 0U));
  CHECK(run_program(embed + " --raw").out.size() == 4 + 6 * 45 * 4);
  CHECK(run_program(embed + " --raw --output int8").out.size() == 4 + 6 * (4 + 45));
  const std::string lines = run_program(embed + " --output binary").out;
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 7);  // and an empty one after the text
  check_refusal(embed + " --dimensions 3", "--dimensions is an option of one vector");
  check_refusal(embed + " --output sparse", "--tokens is an option of vectors");
  check_refusal("embed -m " + model.path() + " a", "modules.json gives a vector for each token");
}

TEST_CASE("eval scores entities, pairs and several models", "[verbs]") {
  const model_folder model(head_kind::token, "BertForTokenClassification", 2040);
  const crafted::scratch_folder data;
  const std::string bio = (data.path() / "words.txt").native();
  crafted::write(bio, "new B-x\nyork I-x\nis O\n\nbig O\nso O\n");
  const json scores = run_json("eval -m " + model.path() + " --data " + bio);
  CHECK(scores["metric"] == "f1");
  CHECK(scores["examples"] == 2);
  CHECK(scores["scores"].size() == 4);
  const std::string pairs = (data.path() / "pairs.tsv").native();
  crafted::write(pairs, "first\tsecond\tscore\nnew\tnew\t5\nnew york\tis big\t1\na b\ta b\t5\n");
  const std::string svg = (data.path() / "front.svg").native();
  const json both = run_json("eval -m " + model.path() + " -m " + model.path() +
                             " --pooling mean --data " + pairs + " --svg " + svg);
  REQUIRE(both.size() == 2);
  CHECK(both[0]["metric"] == "spearman");
  CHECK(both[0]["score"] == both[1]["score"]);
  CHECK(both[0]["score"] > 0.5);  // equal texts have the largest cosine
  // Codes of the embeddings: the similarity of the bits that embed prints.
  const auto distance = [&](const char* a, const char* b) {
    const std::string embed = "embed -m " + model.path() + " --pooling mean --output binary ";
    const json x = run_json(embed + a)["embedding"], y = run_json(embed + b)["embedding"];
    int bits = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      bits += std::popcount(x[i].get<unsigned>() ^ y[i].get<unsigned>());
    return static_cast<double>(bits);
  };
  const std::string eval = "eval -m " + model.path() + " --pooling mean --data " + pairs;
  const double unlike = distance("'new york'", "'is big'");
  CHECK(unlike > 0);  // then the similarities are 1, less, 1: a line through the scores
  for (const char* output : {"binary", "int8"})
    CHECK(run_json(eval + " --output " + output)["scores"]["pearson"].get<double>() > 0.999999);
  crafted::write(pairs, "a\ta\t3\nnew york\tis big\t1\nnew\tb\t2\n");
  const double middle = distance("new", "b"), mean = (unlike + middle) / 3;
  const double pearson = (mean * 1 + (unlike - mean) * 1) /
                         std::sqrt(2 * (mean * mean + (unlike - mean) * (unlike - mean) +
                                        (middle - mean) * (middle - mean)));
  CHECK(std::abs(run_json(eval + " --output binary")["scores"]["pearson"].get<double>() - pearson) <
        1e-9);
  check_refusal("eval -m " + model.path() + " --output binary --data " + bio,
                "--output binary is for embeddings, this is a token classification model");
  CHECK((both[0]["front"].get<bool>() || both[1]["front"].get<bool>()));
  CHECK(crafted::read(svg).starts_with("<svg"));
  const std::string wrong = (data.path() / "wrong.txt").native();
  crafted::write(wrong, "new B-x\nyork I-y\n");
  check_refusal("eval -m " + model.path() + " --data " + wrong,
                wrong + " line 2: label \"I-y\" is not one of the model's 3 labels");
  check_refusal("eval -m " + model.path() + " --data " + bio + " --metric pearson",
                "expected one of f1, precision, recall, accuracy");
}

TEST_CASE("eval cuts what is longer than the model, as training does, and counts it", "[verbs]") {
  const crafted::scratch_folder data;
  std::string longer;
  for (int i = 0; i < 100; ++i) longer += " new york";
  const model_folder classes(head_kind::sequence, "BertForSequenceClassification", 2050);
  const std::string path = (data.path() / "long.tsv").native();
  crafted::write(path, "new york\tLABEL_0\n" + longer + "\tLABEL_1\n" + longer + " a\tLABEL_1\n");
  const std::string arguments = "eval -m " + classes.path() + " --data " + path;
  const ended cut = run_program(arguments);
  CHECK(cut.code == 0);
  CHECK(cut.out.find("warning: " + path +
                     ": 2 of 3 texts are longer than the maximum of 70 tokens") !=
        std::string::npos);
  CHECK(cut.out.find("accuracy") != std::string::npos);
  CHECK(run_program(arguments + " --truncate").out.find("warning") == std::string::npos);
  const model_folder words(head_kind::token, "BertForTokenClassification", 2060);
  const std::string bio = (data.path() / "long.txt").native();
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += "new B-x\nyork I-x\n";
  crafted::write(bio, lines);
  const ended tagged = run_program("eval -m " + words.path() + " --data " + bio);
  CHECK(tagged.code == 0);
  CHECK(tagged.out.find("1 of 1 texts are longer") != std::string::npos);
}

TEST_CASE("usage lines begin with the program's name", "[verbs]") {
  for (const std::string verb : {"classify", "quantize", "eval", "tokenize"}) {
    const ended help = run_program(verb + " --help");
    CHECK(help.code == 0);
    CHECK(help.out.find("Usage: lowbit " + verb + " ") != std::string::npos);
  }
  CHECK(run_program("--help").out.find("Usage: lowbit ") != std::string::npos);
}

TEST_CASE("a text is answered as it was given", "[verbs]") {
  const model_folder model(head_kind::span, "BertForQuestionAnswering", 2070);
  const json found = run_json("answer -m " + model.path() + " '[is a]' '[new york]'");
  CHECK(found["question"] == "[is a]");
}

TEST_CASE("bench runs every policy by name, of random weights", "[verbs]") {
  std::vector<std::string> names{"pruned01", "pruned73", "pruned99"};
  for (const lowbit::named_policy& p : lowbit::named_policies) names.emplace_back(p.name);
  for (const std::string& name : names) {
    CAPTURE(name);
    const json found = run_json("bench --shape 2,45,3,83 --tokens 5 --repetitions 1 -p " + name);
    REQUIRE(found["rows"].size() == 1);
    CHECK(found["rows"][0]["policy"] == name);
    CHECK(found["rows"][0]["milliseconds"] > 0);
  }
  check_refusal("bench --shape 2,45,3,83 -p pruned00", "policy \"pruned00\" is not known");
}

TEST_CASE("quantize takes the ranges of a model that was trained as q8bert from its folder",
          "[verbs]") {
  const model_folder model(head_kind::sequence, "BertForSequenceClassification", 96);
  const std::filesystem::path folder(model.path());
  json config = json::parse(crafted::read(folder / "config.json"));
  config["lowbit_scheme"] = "q8bert";
  crafted::write(folder / "config.json", config.dump());
  const std::string out = (folder / "packed").native();
  check_refusal("quantize " + model.path() + " " + out, "query.input.range is missing");

  const auto plain = lowbit::checkpoint_tensors::open(folder);
  REQUIRE(plain.ok());
  std::vector<lowbit::tensor_to_write> tensors;
  for (const lowbit::tensor_view& t : plain->tensors())
    tensors.push_back({t.name, t.type, t.shape, t.data});
  const float range = 4.0F;
  for (const lowbit::linear_layout& l : lowbit::linear_layers(model.shape)) {
    if (l.at == lowbit::site::classifier || l.name.ends_with("key") || l.name.ends_with("value"))
      continue;
    tensors.push_back({l.name + ".input.range",
                       lowbit::element_type::f32,
                       {1},
                       std::as_bytes(std::span(&range, 1))});
  }
  REQUIRE(lowbit::write_safetensors(folder / "model.safetensors", tensors, {},
                                    lowbit::existing::replace)
              .ok());
  crafted::write(folder / "texts", "new york\n");
  check_refusal("quantize -p q8bert --calibrate " + (folder / "texts").native() + " " +
                    model.path() + " " + out,
                "already has trained activation ranges, expected no --calibrate");
  check_refusal("quantize -p int8 " + model.path() + " " + out, "this is a q8bert checkpoint");
  CHECK(run_json("quantize " + model.path() + " " + out)["policy"] == "q8bert");
  const std::string text = " 'new york is big'";
  CHECK(run_json("classify -m " + model.path() + text) == run_json("classify -m " + out + text));
}

TEST_CASE("classify and compare print what the problem_type makes of the logits", "[verbs]") {
  const model_folder model(head_kind::sequence, "BertForSequenceClassification", 2050);
  const auto config = std::filesystem::path(model.path()) / "config.json";
  json fields = json::parse(crafted::read(config));
  const auto logits =
      model.run<lowbit::classifier<fp32>>(tokenizer().encode("new york", 70).value());
  for (const auto problem : {lowbit::problem_type::single_label, lowbit::problem_type::multi_label,
                             lowbit::problem_type::regression}) {
    fields["problem_type"] = std::string(lowbit::name_of(problem));
    crafted::write(config, fields.dump());
    const auto expected = lowbit::label_scores(problem, logits.data(), logits.size());
    const char* const key = problem == lowbit::problem_type::regression ? "score" : "probability";
    const json found = run_json("classify --top 3 -m " + model.path() + " 'new york'");
    REQUIRE(found["labels"].size() == 3);
    for (const json& label : found["labels"]) {
      const auto i = static_cast<std::size_t>(label["label"].get<std::string>().back() - '0');
      CHECK(label[key].get<float>() == expected[i]);
      CHECK(label["logit"].get<float>() == logits[i]);
    }
    const json side = run_json("compare --repetitions 1 -m " + model.path() + " 'new york'");
    CHECK(side["texts"][0]["answers"][0][key] == found["labels"][0][key]);
  }
  const auto data = std::filesystem::path(model.path()) / "data.tsv";
  crafted::write(data, "new york\tLABEL_0\n");
  check_refusal("eval -m " + model.path() + " --data " + data.native(),
                "problem_type is regression with 3 labels");
  check_refusal("compare --repetitions 1 -m " + model.path() + " --data " + data.native(),
                "problem_type is regression with 3 labels");
  const model_folder words(head_kind::masked_lm, "BertForMaskedLM", 2051);
  check_refusal("compare -m " + words.path() + " 'new york'",
                "this is a masked language model, expected a sequence classification model");
}

TEST_CASE("embed pools and cuts as the modules of the folder say", "[verbs]") {
  const model_folder model(head_kind::mean_embedding, "BertModel", 2060);
  const std::filesystem::path at = model.path();
  std::filesystem::create_directories(at / "1_Pooling");
  const auto embed = [&](const std::string& more) {
    return run_json("embed -m " + model.path() + " 'new york is big' " + more)["embedding"];
  };
  const json mean = embed("--pooling mean"), cls = embed("--pooling cls");
  CHECK(mean != cls);
  crafted::write(at / "modules.json",
                 R"([{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
                     {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                     {"idx": 2, "path": "", "type": "sentence_transformers.models.Normalize"}])");
  crafted::write(at / "1_Pooling" / "config.json", R"({"pooling_mode_cls_token": true})");
  CHECK(embed("") == cls);
  CHECK(embed("--pooling mean") == mean);
  crafted::write(at / "sentence_bert_config.json", R"({"max_seq_length": 4})");
  check_refusal("embed -m " + model.path() + " 'new york is big'",
                "longer than the maximum of 4 tokens");
  CHECK(embed("--truncate") == run_json("embed -m " + model.path() + " 'new york'")["embedding"]);
  const std::string packed = (at / "packed").native();
  REQUIRE(run_program("quantize -q " + model.path() + " " + packed + " -p fp32").code == 0);
  CHECK(run_json("embed -m " + packed + " --truncate 'new york is big'")["embedding"] ==
        embed("--truncate"));
  CHECK(embed("--truncate --dimensions 7").size() == 7);
  check_refusal("embed -m " + model.path() + " a --dimensions 46",
                "--dimensions: dimensions is 46, expected 1 to 45");
  crafted::write(at / "config_sentence_transformers.json",
                 R"({"prompts": {"query": "new york "}})");
  CHECK(embed("--truncate --prompt query") == embed("--truncate"));
  check_refusal("embed -m " + model.path() + " a --prompt q",
                "prompt is \"q\", expected one of \"query\"");
  crafted::write(at / "1_Pooling" / "config.json", R"({"pooling_mode_other": true})");
  check_refusal("embed -m " + model.path() + " 'new york'", "pooling is \"other\"");
}

TEST_CASE("a model in the Hub's cache is found by its name", "[verbs]") {
  const model_folder model(head_kind::mean_embedding, "BertModel", 2061);
  const crafted::scratch_folder cache;
  const std::string commit(40, 'a');
  const auto repository = cache.path() / "models--org--name";
  std::filesystem::create_directories(repository / "refs");
  std::filesystem::create_directories(repository / "snapshots");
  std::filesystem::create_directory_symlink(model.path(), repository / "snapshots" / commit);
  crafted::write(repository / "refs" / "main", commit);
  REQUIRE(::setenv("HF_HUB_CACHE", cache.path().c_str(), 1) == 0);
  CHECK(run_json("embed --pooling mean -m org/name 'new york'") ==
        run_json("embed --pooling mean -m " + model.path() + " 'new york'"));
  const std::string texts = (cache.path() / "texts").native();
  crafted::write(texts, "new york\n");
  for (const std::string& verb :
       {std::string("tokenize -m org/name so"), std::string("inspect org/name"),
        std::string("flops -m org/name"), "compare org/name org/name --text " + texts}) {
    const ended e = run_program(verb);
    INFO(verb << ": " << e.out);
    CHECK(e.code == 0);
  }
  const std::string packed = (cache.path() / "packed").native();
  CHECK(run_program("quantize -q -p int8 org/name@" + commit + " " + packed).code == 0);
  CHECK(std::filesystem::exists(packed + "/vocab.txt"));
  for (const char* verb : {"inspect org/none", "tokenize -m org/none so", "embed -m org/none so"})
    check_refusal(verb, "models--org--none; lowbit fetch org/none downloads it");
  ::unsetenv("HF_HUB_CACHE");
}

TEST_CASE("rerank and choose print the scores of pairs", "[verbs]") {
  const std::filesystem::path golden = std::filesystem::path(LOWBIT_TEST_DATA) / "pipelines";
  const crafted::scratch_folder scratch;
  const auto folder = [&](const char* name) {
    std::filesystem::copy(golden / name, scratch.path() / name);
    std::filesystem::copy(golden / "vocab.txt", scratch.path() / name);
    return (scratch.path() / name).native();
  };
  const std::string pair = folder("pair"), choice = folder("choice");
  const std::string texts =
      " 'who is big' washingtons 'angela merkel' 'the good movies and bad days'";
  const ended ranked = run_program("rerank -m " + pair + texts);
  CHECK(ranked.code == 0);
  CHECK(ranked.out ==
        "0.7518\t2\tangela merkel\n0.4110\t3\tthe good movies and bad days\n"
        "0.0467\t1\twashingtons\n");
  const json best = run_json("rerank --top 1 -m " + pair + texts);
  CHECK(best["index"] == 1);
  const json chosen = run_json("choose -m " + choice + texts);
  CHECK(chosen["choices"][0]["text"] == "the good movies and bad days");
  CHECK(chosen["choices"][0]["index"] == 2);
  check_refusal("rerank -m " + choice + texts, "this is a multiple choice model");
  check_refusal("choose -m " + pair + texts, "expected a multiple choice model");
  check_refusal("rerank -m " + pair + " 'who is big'", "no text");
  // A bad passage is named, and the others keep their numbers and scores.
  check_refusal("rerank -m " + pair + " 'who is big' bad \"$(printf '\\377')\"", "not valid UTF-8");
  const ended kept = run_program("rerank --json --keep-going -m " + pair +
                                 " 'who is big' \"$(printf '\\377')\" bad");
  CHECK(kept.code == 1);
  CHECK(kept.out.find("not valid UTF-8") != std::string::npos);
  CHECK(kept.out.find("\"index\":1,") != std::string::npos);
  CHECK(kept.out.find("1 of 2 texts failed") != std::string::npos);
  std::string longer;
  for (int i = 0; i < 20; ++i) longer += "a b ";
  check_refusal("rerank -m " + pair + " who '" + longer + "'", "maximum of 24 tokens");
  CHECK(run_program("rerank --truncate -m " + pair + " who '" + longer + "'").code == 0);
  const model_folder many(head_kind::sequence, "BertForSequenceClassification", 2080);
  check_refusal("rerank -m " + many.path() + texts, "the model has 3 labels, expected 1");
}

TEST_CASE("classify prints the labels that reach a threshold, also of long texts", "[verbs]") {
  const model_folder model(head_kind::sequence, "BertForSequenceClassification", 2090);
  const std::string classify = "classify -m " + model.path() + " 'new york'";
  const json all = run_json(classify + " --threshold 0")["labels"];
  REQUIRE(all.size() == 3);
  CHECK(all == run_json(classify + " --top 3")["labels"]);
  const std::string second = all[1]["probability"].dump();
  CHECK(run_json(classify + " --threshold " + second)["labels"].size() == 2);
  CHECK(run_json(classify + " --threshold " + second + " --top 1")["labels"].size() == 1);
  CHECK(run_json(classify + " --threshold 1.5")["labels"].empty());
  std::string longer = " '";
  for (int i = 0; i < 100; ++i) longer += "new york ";
  longer += "'";
  check_refusal("classify -m " + model.path() + longer, "pass --truncate");
  const json windows = run_json("classify --stride 9 -m " + model.path() + longer)["labels"];
  CHECK(windows != run_json("classify --truncate -m " + model.path() + longer)["labels"]);
  check_refusal("classify --stride 68 -m " + model.path() + longer, "more than the overlap of 68");
}

TEST_CASE("a file on several threads has the answers of one, in order", "[verbs]") {
  const model_folder model(head_kind::sequence, "BertForSequenceClassification", 2090);
  const crafted::scratch_folder scratch;
  std::string lines;
  for (std::size_t i = 0; i < 90; ++i) {
    for (std::size_t w = 0; w <= i % 7; ++w) lines += words[5 + (i + w) % 15] + " ";
    lines += i == 40 || i == 77 ? "\xFF\n" : "\n";
  }
  crafted::write(scratch.path() / "lines", lines);
  const auto run = [&](const std::string& verb, const std::string& threads) {
    return run_program(verb + " -m " + model.path() + " -t " + threads,
                       (scratch.path() / "lines").native());
  };
  for (const std::string verb : {"classify --json --top 3", "embed --json"}) {
    const ended all = run(verb + " --keep-going", "1"), some = run(verb, "1");
    CAPTURE(verb, all.out);
    CHECK(all.code == 1);
    CHECK(std::count(all.out.begin(), all.out.end(), '\n') == 92 - (verb[0] == 'c'));
    CHECK(all.out.find("standard input:78: ") != std::string::npos);
    CHECK(some.out.find("standard input:41: ") != std::string::npos);
    CHECK(std::count(some.out.begin(), some.out.end(), '\n') == 42 - (verb[0] == 'c'));
    for (const std::string threads : {"2", "3"}) {
      CHECK(run(verb + " --keep-going", threads).out == all.out);
      CHECK(run(verb, threads).out == some.out);
    }
  }
  lines.clear();
  for (std::size_t i = 0; i < 200; ++i)
    lines +=
        words[5 + i % 15] + " " + words[5 + i % 11] + "\tLABEL_" + std::to_string(i % 3) + "\n";
  crafted::write(scratch.path() / "labelled.tsv", lines);
  const auto scores = [&](const std::string& threads) {
    return run_json("eval -m " + model.path() + " -t " + threads + " --data " +
                    (scratch.path() / "labelled.tsv").native())["scores"];
  };
  CHECK(scores("1")["macro_f1"] > 0);
  CHECK(scores("2") == scores("1"));
  CHECK(scores("3") == scores("1"));
}
