// SPDX-License-Identifier: Apache-2.0
// lowbit tokens: the entities that a token classifier finds, with their place in the text.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "labelled.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

struct tokens_options : model_options {
  std::vector<std::string> texts;
  bool truncate = false;
};

void print(std::size_t number, const std::string& text, const std::vector<lowbit::entity>& found,
           bool as_json) {
  nlohmann::json spans = nlohmann::json::array();
  for (const lowbit::entity& e : found) {
    const std::string part = text.substr(e.at.begin, e.at.end - e.at.begin);
    const std::size_t begin = lowbit::characters_before(text, e.at.begin);
    const std::size_t end = lowbit::characters_before(text, e.at.end);
    if (as_json) {
      spans.push_back(
          {{"text", part}, {"type", e.type}, {"begin", begin}, {"end", end}, {"score", e.score}});
    } else {
      fmt::print("{}\t{}\t{}\t{}\t{:.4f}\t{}\n", number, begin, end, e.type, e.score, part);
    }
  }
  if (as_json)
    fmt::print("{}\n", nlohmann::json({{"text", text}, {"entities", std::move(spans)}}).dump());
}

status run(const tokens_options& o) {
  const auto texts = read_texts(o.texts);
  if (!texts) return texts.status();
  auto s =
      session::open(o.model, {o.policy, o.zero, {}}, o.arch, o.threads, lowbit::head_kind::token);
  if (!s) return s.status();
  const auto tokenizer = open_tokenizer(o.model, s->model().config);
  if (!tokenizer) return tokenizer.status();
  const std::vector<std::string> names = label_names(*s);
  constexpr std::size_t batch = 32;
  for (std::size_t begin = 0; begin < texts->size(); begin += batch) {
    const std::size_t end = std::min(begin + batch, texts->size());
    token_rows rows;
    std::vector<lowbit::encoding> encoded;
    for (std::size_t i = begin; i < end; ++i) {
      auto e = encode_text(*tokenizer, (*texts)[i], s->shape().positions, false, o.truncate);
      if (!e) return e.status();
      rows.add(e->ids, e->type_ids);
      encoded.push_back(*std::move(e));
    }
    const auto logits = s->run(rows);
    if (!logits) return logits.status();
    for (std::size_t i = begin; i < end; ++i) {
      const lowbit::encoding& e = encoded[i - begin];
      const float* own = logits->data() + rows.offsets[i - begin] * s->shape().labels;
      const auto words = label_words(names, lowbit::pieces_by_word(*tokenizer, e), own);
      print(i + 1, (*texts)[i], lowbit::decode_bio(words), o.json);
    }
  }
  return {};
}

}  // namespace

void add_tokens(CLI::App& program, action& chosen) {
  auto o = std::make_shared<tokens_options>();
  CLI::App* verb = program.add_subcommand(
      "tokens", "Find entities: text number, first and end character, type, score, text");
  add_model_options(*verb, *o);
  verb->add_option("text", o->texts, "sentences (default: lines of standard input)");
  verb->add_flag("--truncate", o->truncate, "cut sentences that are longer than the model takes");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
