// SPDX-License-Identifier: Apache-2.0
// lowbit choose: the probability of each choice for a question.
#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "lowbit/pipeline/multiple_choice.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

struct multiple_choice_options : model_options {
  std::string question;
  std::vector<std::string> choices;
  bool truncate = false;
};

status run(const multiple_choice_options& o) {
  LOWBIT_TRY_ASSIGN(auto s, open_pipeline<lowbit::multiple_choice<lowbit::any_policy>>(o));
  LOWBIT_TRY_ASSIGN(const auto choices, read_texts(o.choices));
  const auto& parts = s.pipeline.parts();
  for (const std::string& choice : choices) {
    LOWBIT_TRY(checked(choice, parts.encode_pair(o.question, choice), parts.config().max_tokens(),
                       o.truncate)
                   .status());
  }
  LOWBIT_TRY_ASSIGN(const auto found,
                    s.pipeline.choose(o.question, choices, *s.threads, &s.memory));
  std::vector<std::size_t> order(choices.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return found.logits[a] > found.logits[b]; });
  nlohmann::json out = {{"question", o.question}, {"choices", nlohmann::json::array()}};
  for (const std::size_t i : order) {
    if (o.json) {
      out["choices"].push_back({{"index", i},
                                {"text", choices[i]},
                                {"probability", found.probabilities[i]},
                                {"logit", found.logits[i]}});
    } else {
      put("{:.4f}\t{}\t{}\n", found.probabilities[i], i + 1, escaped(choices[i], tabs::kept));
    }
  }
  if (o.json) put_json(out);
  return {};
}

}  // namespace

void add_choose(CLI::App& program, action& chosen) {
  auto o = std::make_shared<multiple_choice_options>();
  CLI::App* verb = program.add_subcommand(
      "choose", "Choose the best answer to a question: probability, number, answer");
  add_model_options(*verb, *o);
  add_argument(*verb, "question", o->question, "the question")->required();
  add_arguments(*verb, "choices", o->choices,
                "the choices (default, or -: lines of standard input)");
  verb->add_flag("--truncate", o->truncate,
                 "truncate pairs longer than the model's maximum length");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
