// SPDX-License-Identifier: Apache-2.0
// lowbit tokens: the entities found by a token classifier, with their position in the text.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "labelled.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

struct tokens_options : model_options, text_options {
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
      put("{}\t{}\t{}\t{}\t{:.4f}\t{}\n", number, begin, end, escaped(e.type), e.score,
          escaped(part, tabs::kept));
    }
  }
  if (as_json) put_json(nlohmann::json({{"text", text}, {"entities", std::move(spans)}}));
}

status run(const tokens_options& o) {
  LOWBIT_TRY_ASSIGN(auto s, session::open(o.model, {o.policy, o.zero, {}}, o.arch, o.threads,
                                          lowbit::head_kind::token));
  LOWBIT_TRY_ASSIGN(const auto tokenizer, open_tokenizer(o.model, s.model().config));
  const std::vector<std::string> names = label_names(s);
  const auto encode = [&](const std::string& text) {
    return encode_text(tokenizer, text, s.shape().positions, false, o.truncate);
  };
  return answer_all(o, texts_at_once(s), encode, [&](auto texts, auto encoded) -> status {
    token_rows rows;
    for (const lowbit::encoding& e : encoded) rows.add(e.ids, e.type_ids);
    LOWBIT_TRY_ASSIGN(const auto logits, s.run(rows));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const float* own = logits.data() + rows.offsets[i] * s.shape().labels;
      const auto words = label_words(names, lowbit::pieces_by_word(texts[i].text, encoded[i]), own);
      print(texts[i].number, texts[i].text, lowbit::decode_bio(words), o.json);
    }
    return {};
  });
}

}  // namespace

void add_tokens(CLI::App& program, action& chosen) {
  auto o = std::make_shared<tokens_options>();
  CLI::App* verb = program.add_subcommand(
      "tokens", "Find entities: text number, start and end character, type, score, text");
  add_model_options(*verb, *o);
  add_text_options(*verb, *o);
  verb->add_flag("--truncate", o->truncate,
                 "truncate sentences longer than the model's maximum length");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
