// SPDX-License-Identifier: Apache-2.0
// lowbit rerank: passages in the order of their scores for a query.
#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "lowbit/pipeline/reranker.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

struct rerank_options : model_options, text_options {
  std::string query;
  std::size_t top = 0;  // 0: all
  bool truncate = false;
};

status run(const rerank_options& o) {
  LOWBIT_TRY_ASSIGN(auto s, open_pipeline<lowbit::reranker<lowbit::any_policy>>(o));
  const auto& parts = s.pipeline.parts();
  std::vector<std::string> passages;
  std::vector<std::size_t> numbers;  // among all that were given
  const auto encode_one = [&](const std::string& passage) {
    return checked(passage, parts.encode_pair(o.query, passage), parts.config().max_tokens(),
                   o.truncate);
  };
  const auto collect = [&](auto texts, auto, auto&, auto&) -> lowbit::result<std::string> {
    for (const given_text& t : texts) {
      passages.push_back(t.text);
      numbers.push_back(t.number);
    }
    return std::string();
  };
  LOWBIT_TRY_ASSIGN(const auto one_by_one, lowbit::thread_pool::start(1));
  const status read = answer_all(o, s.batch(), *one_by_one, encode_one, collect);
  if (!read.ok() && (!o.keep_going || passages.empty())) return read;
  LOWBIT_TRY_ASSIGN(auto ranked, s.pipeline.rank(o.query, passages, *s.threads, &s.memory));
  if (o.top != 0) ranked.resize(std::min(o.top, ranked.size()));
  for (const lowbit::ranked_passage& p : ranked) {
    const std::string& text = passages[p.index];
    if (o.json) {
      put_json({{"index", numbers[p.index] - 1},
                {"score", p.score},
                {"logit", p.logit},
                {"text", text}});
    } else {
      put("{:.4f}\t{}\t{}\n", p.score, numbers[p.index], escaped(text, tabs::kept));
    }
  }
  return read;
}

}  // namespace

void add_rerank(CLI::App& program, action& chosen) {
  auto o = std::make_shared<rerank_options>();
  CLI::App* verb = program.add_subcommand(
      "rerank", "Sort passages by their score for a query: score, number, passage");
  add_model_options(*verb, *o);
  add_argument(*verb, "query", o->query, "the query")->required();
  add_text_options(*verb, *o, "passages");
  verb->add_option("--top", o->top, "number of passages to print (default: all)")
      ->check(CLI::Range(1, 1 << 20));
  verb->add_flag("--truncate", o->truncate,
                 "truncate pairs longer than the model's maximum length");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
