// SPDX-License-Identifier: Apache-2.0
// lowbit tokens: the entities found by a token classifier, with their position in the text.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "lowbit/pipeline/entity_tagger.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

struct tokens_options : model_options, text_options {
  std::string aggregation = "first";
  std::optional<std::size_t> stride;
  bool truncate = false;
};

std::string lines_of(std::size_t number, const std::string& text,
                     const std::vector<lowbit::entity>& found, bool as_json) {
  std::string lines;
  nlohmann::json spans = nlohmann::json::array();
  for (const lowbit::entity& e : found) {
    const std::string part = text.substr(e.at.begin, e.at.end - e.at.begin);
    const std::size_t begin = lowbit::characters_before(text, e.at.begin);
    const std::size_t end = lowbit::characters_before(text, e.at.end);
    if (as_json) {
      spans.push_back(
          {{"text", part}, {"type", e.type}, {"begin", begin}, {"end", end}, {"score", e.score}});
    } else {
      lines += fmt::format("{}\t{}\t{}\t{}\t{:.4f}\t{}\n", number, begin, end, escaped(e.type),
                           e.score, escaped(part, tabs::kept));
    }
  }
  if (!as_json) return lines;
  return json_line(nlohmann::json({{"text", text}, {"entities", std::move(spans)}}));
}

status run(const tokens_options& o) {
  LOWBIT_TRY_ASSIGN(const auto how, lowbit::find_aggregation(o.aggregation));
  LOWBIT_TRY_ASSIGN(auto s, open_pipeline<lowbit::entity_tagger<lowbit::any_policy>>(o));
  const auto& parts = s.pipeline.parts();
  const auto encode = [&](const std::string& text) {
    return checked(text, parts.windows(text, o.stride), parts.config().max_tokens(), o.truncate);
  };
  const auto answer = [&](auto texts, auto encoded, auto& threads,
                          auto& memory) -> lowbit::result<std::string> {
    LOWBIT_TRY_ASSIGN(const auto found, s.pipeline.tag_encoded(encoded, how, threads, &memory));
    std::string lines;
    for (std::size_t i = 0; i < texts.size(); ++i)
      lines += lines_of(texts[i].number, texts[i].text, found[i], o.json);
    return lines;
  };
  return answer_all(o, s.batch(), *s.threads, encode, answer);
}

}  // namespace

void add_tokens(CLI::App& program, action& chosen) {
  auto o = std::make_shared<tokens_options>();
  CLI::App* verb = program.add_subcommand(
      "tokens", "Find entities: text number, start and end character, type, score, text");
  add_model_options(*verb, *o);
  add_text_options(*verb, *o);
  verb->add_option("--aggregation", o->aggregation,
                   "what the labels of a word's tokens become: none, simple, first, average, max")
      ->check(CLI::IsMember({"none", "simple", "first", "average", "max"}))
      ->capture_default_str();
  verb->add_option("--stride", o->stride,
                   "read longer sentences in windows that share this many tokens");
  verb->add_flag("--truncate", o->truncate,
                 "truncate sentences longer than the model's maximum length");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
