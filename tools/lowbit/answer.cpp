// SPDX-License-Identifier: Apache-2.0
// lowbit answer: extractive question answering. A context longer than the maximum length is read in
// overlapping windows.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "number_checks.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::answer_span;
using lowbit::errc;
using lowbit::result;
using lowbit::status;

struct answer_options : model_options {
  std::string question;
  std::string context;
  std::size_t max_tokens = 384;
  std::size_t overlap = 0;  // 0: 128, at most a third of a window
  std::size_t longest = 30;
  std::size_t top = 1;
  bool none = false;
  float threshold = 0;
};

struct found_answers {
  std::vector<answer_span> best;  // best first, each span once
  float null_score = 0;           // the minimum over all windows
  std::size_t windows = 0;
};

result<found_answers> find(session& s, const lowbit::tokenizer& tokenizer,
                           const answer_options& o) {
  const std::size_t tokens = std::min(o.max_tokens, s.shape().positions);
  const std::size_t overlap = o.overlap != 0 ? o.overlap : std::min<std::size_t>(128, tokens / 3);
  LOWBIT_TRY_ASSIGN(const auto windows,
                    lowbit::answer_windows(tokenizer, o.question, o.context, tokens, overlap));
  found_answers found;
  found.windows = windows.size();
  constexpr std::size_t kept = 20;  // candidates that share the probability
  for (const lowbit::answer_window& w : windows) {
    token_rows rows;
    rows.add(w.tokens.ids, w.tokens.type_ids);
    LOWBIT_TRY_ASSIGN(const auto logits, s.run(rows));
    const float null = lowbit::null_score(logits);
    found.null_score = &w == &windows.front() ? null : std::min(found.null_score, null);
    for (const answer_span& a : lowbit::best_answers(w, logits, kept, o.longest)) {
      const auto same = std::find_if(found.best.begin(), found.best.end(),
                                     [&](const answer_span& b) { return b.at == a.at; });
      if (same == found.best.end()) {
        found.best.push_back(a);
      } else {
        same->score = std::max(same->score, a.score);
      }
    }
  }
  std::stable_sort(found.best.begin(), found.best.end(),
                   [](const answer_span& a, const answer_span& b) { return a.score > b.score; });
  if (found.best.size() > kept) found.best.resize(kept);
  return found;
}

void print(const found_answers& found, const answer_options& o) {
  const bool none =
      found.best.empty() || (o.none && found.null_score - found.best[0].score > o.threshold);
  const float top =
      found.best.empty() ? found.null_score : std::max(found.null_score, found.best[0].score);
  float sum = std::exp(found.null_score - top);
  for (const answer_span& a : found.best) sum += std::exp(a.score - top);
  nlohmann::json out = {{"question", o.question},
                        {"answers", nlohmann::json::array()},
                        {"null_score", found.null_score},
                        {"windows", found.windows}};
  if (none && !o.json) put("no answer\t{:.4f}\n", std::exp(found.null_score - top) / sum);
  for (std::size_t i = 0; !none && i < std::min(o.top, found.best.size()); ++i) {
    const answer_span& a = found.best[i];
    const std::string text = o.context.substr(a.at.begin, a.at.end - a.at.begin);
    const std::size_t begin = lowbit::characters_before(o.context, a.at.begin);
    const std::size_t end = lowbit::characters_before(o.context, a.at.end);
    const float p = std::exp(a.score - top) / sum;
    if (o.json) {
      out["answers"].push_back(
          {{"text", text}, {"begin", begin}, {"end", end}, {"score", a.score}, {"probability", p}});
    } else {
      put("{}\t{}\t{}\t{:.4f}\n", escaped(text), begin, end, p);
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
  LOWBIT_TRY_ASSIGN(auto s, session::open(o.model, {o.policy, o.zero, {}}, o.arch, o.threads,
                                          lowbit::head_kind::span));
  LOWBIT_TRY_ASSIGN(const auto tokenizer, open_tokenizer(o.model, s.model().config));
  LOWBIT_TRY_ASSIGN(const auto found, find(s, tokenizer, o));
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
