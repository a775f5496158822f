// SPDX-License-Identifier: Apache-2.0
// lowbit classify: the label of each sentence.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "lowbit/pipeline/text_classifier.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

using classifier = lowbit::text_classifier<lowbit::any_policy>;

struct classify_options : model_options, text_options {
  std::size_t top = 0;  // 0: 1, or all that reach the threshold
  std::optional<float> threshold;
  std::optional<std::size_t> stride;
  bool pairs = false;
  bool truncate = false;
};

std::string line_of(const lowbit::model_config& config, const std::string& text,
                    const lowbit::prediction& found, const classify_options& o) {
  const std::vector<float>& p = found.scores;
  const bool values = config.problem == lowbit::problem_type::regression;
  std::vector<std::size_t> order(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return found.logits[a] > found.logits[b]; });
  if (o.threshold) std::erase_if(order, [&](std::size_t i) { return p[i] < *o.threshold; });
  const std::size_t top = o.top != 0 ? o.top : o.threshold ? order.size() : 1;
  order.resize(std::min(top, order.size()));
  if (o.json) {
    nlohmann::json line = {{"text", text}, {"labels", nlohmann::json::array()}};
    for (const std::size_t i : order) {
      line["labels"].push_back({{"label", config.label(i)},
                                {values ? "score" : "probability", p[i]},
                                {"logit", found.logits[i]}});
    }
    return json_line(line);
  }
  std::string lines;
  for (const std::size_t i : order) {
    lines +=
        fmt::format("{}\t{:.4f}\t{}\n", escaped(config.label(i)), p[i], escaped(text, tabs::kept));
  }
  return lines;
}

status run(const classify_options& o) {
  LOWBIT_TRY_ASSIGN(auto s, open_pipeline<classifier>(o));
  const auto& parts = s.pipeline.parts();
  const std::size_t longest = parts.config().max_tokens();
  const auto encode = [&](const std::string& text) -> lowbit::result<lowbit::text_windows> {
    if (!o.pairs) return checked(text, parts.windows(text, o.stride), longest, o.truncate);
    LOWBIT_TRY_ASSIGN(const auto pair, split_pair(text));
    LOWBIT_TRY_ASSIGN(
        auto e, checked(text, parts.encode_pair(pair.first, pair.second), longest, o.truncate));
    lowbit::text_windows one;
    one.parts.push_back(std::move(e));
    return one;
  };
  const auto answer = [&](auto texts, auto encoded, auto& threads,
                          auto& memory) -> lowbit::result<std::string> {
    LOWBIT_TRY_ASSIGN(const auto found, s.pipeline.classify_windows(encoded, threads, &memory));
    std::string lines;
    for (std::size_t i = 0; i < texts.size(); ++i)
      lines += line_of(parts.config(), texts[i].text, found[i], o);
    return lines;
  };
  return answer_all(o, s.batch(), *s.threads, encode, answer);
}

}  // namespace

void add_classify(CLI::App& program, action& chosen) {
  auto o = std::make_shared<classify_options>();
  CLI::App* verb =
      program.add_subcommand("classify", "Classify sentences: label, probability or value, text");
  add_model_options(*verb, *o);
  add_text_options(*verb, *o);
  verb->add_option("--top", o->top,
                   "labels per sentence (default: 1, or all that reach the threshold)")
      ->check(CLI::Range(1, 1 << 20));
  verb->add_option("--threshold", o->threshold,
                   "print only labels with at least this probability or value");
  auto* pairs =
      verb->add_flag("--pairs", o->pairs, "each line is two sentences separated by a tab");
  verb->add_option("--stride", o->stride,
                   "read longer sentences in windows that share this many tokens; the logits are "
                   "the mean over the windows")
      ->excludes(pairs);
  verb->add_flag("--truncate", o->truncate,
                 "truncate sentences longer than the model's maximum length");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
