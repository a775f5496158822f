// SPDX-License-Identifier: Apache-2.0
// lowbit tokenize: the token ids of Hugging Face BERT.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

struct tokenize_options : text_options {
  std::string model;
  std::size_t max_tokens = 512;
  bool pairs = false;
  bool plain = false;
  bool json = false;
};

lowbit::result<lowbit::encoding> encode(const lowbit::tokenizer& tokenizer,
                                        const tokenize_options& o, const std::string& text) {
  if (o.plain) return tokenizer.encode_plain(text);
  if (!o.pairs) return tokenizer.encode(text, o.max_tokens);
  const std::size_t tab = text.find('\t');
  if (tab == std::string::npos) {
    return status::error(lowbit::errc::invalid_argument, "text \"", text,
                         "\" has no tab, expected two sentences");
  }
  return tokenizer.encode_pair(text.substr(0, tab), text.substr(tab + 1), o.max_tokens);
}

std::string lines_of(const lowbit::tokenizer& tokenizer, const lowbit::encoding& e, bool as_json) {
  std::vector<std::string> tokens;
  for (const std::int32_t id : e.ids) tokens.emplace_back(tokenizer.token(id));
  if (!as_json) {
    for (std::string& token : tokens) token = escaped(token);
    return fmt::format("{}\n{}\n", fmt::join(tokens, " "), fmt::join(e.ids, " "));
  }
  nlohmann::json offsets = nlohmann::json::array();
  for (const lowbit::text_span& span : e.offsets) offsets.push_back({span.begin, span.end});
  const nlohmann::json line = {{"tokens", tokens},
                               {"ids", e.ids},
                               {"type_ids", e.type_ids},
                               {"offsets", offsets},
                               {"truncated", e.truncated}};
  return json_line(line);
}

status run(const tokenize_options& o) {
  LOWBIT_TRY_ASSIGN(const auto at, lowbit::locate_model(o.model));
  LOWBIT_TRY_ASSIGN(const auto tokenizer, lowbit::tokenizer::load(at.transformer));
  LOWBIT_TRY_ASSIGN(const auto threads, lowbit::thread_pool::start(1));
  return answer_all(
      o, 1, *threads, [&](const std::string& text) { return encode(tokenizer, o, text); },
      [&](auto, auto encoded, auto&, auto&) -> lowbit::result<std::string> {
        return lines_of(tokenizer, encoded[0], o.json);
      });
}

}  // namespace

void add_tokenize(CLI::App& program, action& chosen) {
  auto o = std::make_shared<tokenize_options>();
  CLI::App* verb = program.add_subcommand("tokenize", "Split text into WordPiece tokens");
  verb->add_option("-m,--model", o->model, "model folder, vocab.txt or tokenizer.json")->required();
  add_text_options(*verb, *o);
  verb->add_option("--max-tokens", o->max_tokens, "truncate longer sentences")
      ->capture_default_str();
  verb->add_flag("--pairs", o->pairs, "each line is two sentences separated by a tab");
  verb->add_flag("--plain", o->plain, "do not add [CLS] and [SEP]");
  verb->add_flag("--json", o->json, "print one JSON object per line, with byte offsets");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
