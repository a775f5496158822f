// SPDX-License-Identifier: Apache-2.0
// lowbit answer: extractive question answering. A context longer than the maximum length is read in
// overlapping windows.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "lowbit/pipeline/question_answerer.hpp"
#include "number_checks.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::status;

struct answer_options : model_options, lowbit::answering_options {
  std::string question;
  std::string context;
  std::size_t top = 1;
  bool none = false;
  float threshold = 0;
};

void print(const lowbit::text_answers& found, const answer_options& o) {
  const bool none =
      found.best.empty() || (o.none && found.null_score - found.best[0].score > o.threshold);
  nlohmann::json out = {{"question", o.question},
                        {"answers", nlohmann::json::array()},
                        {"null_score", found.null_score},
                        {"windows", found.windows}};
  if (none && !o.json) put("no answer\t{:.4f}\n", found.null_probability);
  for (std::size_t i = 0; !none && i < std::min(o.top, found.best.size()); ++i) {
    const lowbit::text_answer& a = found.best[i];
    const std::string text = o.context.substr(a.at.begin, a.at.end - a.at.begin);
    const std::size_t begin = lowbit::characters_before(o.context, a.at.begin);
    const std::size_t end = lowbit::characters_before(o.context, a.at.end);
    if (o.json) {
      out["answers"].push_back({{"text", text},
                                {"begin", begin},
                                {"end", end},
                                {"score", a.score},
                                {"probability", a.probability}});
    } else {
      put("{}\t{}\t{}\t{:.4f}\n", escaped(text), begin, end, a.probability);
    }
  }
  if (o.json) put_json(out);
}

status run(answer_options o) {
  if (o.context.empty() || o.context == "-") {
    LOWBIT_TRY_ASSIGN(o.context, read_input());
  }
  if (o.context.empty() || o.question.empty()) {
    return status::error(errc::invalid_argument, "no ", o.question.empty() ? "question" : "context",
                         ": pass a question, and a context as an argument or on standard input");
  }
  LOWBIT_TRY_ASSIGN(auto s, open_pipeline<lowbit::question_answerer<lowbit::any_policy>>(o));
  LOWBIT_TRY_ASSIGN(const auto found,
                    s.pipeline.answer(o.question, o.context, o, *s.threads, &s.memory));
  print(found, o);
  return {};
}

}  // namespace

void add_answer(CLI::App& program, action& chosen) {
  auto o = std::make_shared<answer_options>();
  CLI::App* verb = program.add_subcommand(
      "answer", "Answer a question from a text: answer, start and end character, probability");
  add_model_options(*verb, *o);
  add_argument(*verb, "question", o->question, "the question")->required();
  add_argument(*verb, "context", o->context, "the text (default, or -: standard input)");
  verb->add_option("--max-tokens", o->max_tokens, "tokens per window, including the question")
      ->capture_default_str();
  verb->add_option("--stride", o->overlap,
                   "context tokens shared by consecutive windows "
                   "(default: 128, at most a third of a window)")
      ->check(positive());
  verb->add_option("--max-answer", o->longest, "maximum answer length in tokens")
      ->check(positive())
      ->capture_default_str();
  verb->add_option("--top", o->top, "number of answers to print")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_flag("--none", o->none,
                 "allow no answer, for models trained with unanswerable questions");
  verb->add_option(
          "--null-threshold", o->threshold,
          "--none: report no answer if its score exceeds the best answer's by more than this")
      ->capture_default_str();
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
