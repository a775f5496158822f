// SPDX-License-Identifier: Apache-2.0
// lowbit classify: the label of each sentence.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

struct classify_options : model_options, text_options {
  std::size_t top = 1;
  bool pairs = false;
  bool truncate = false;
};

void print(const session& s, const std::string& text, const float* logits,
           const classify_options& o) {
  const std::size_t labels = s.shape().labels;
  const std::vector<float> p = s.scores(logits);
  const bool values = s.model().config.problem == lowbit::problem_type::regression;
  std::vector<std::size_t> order(labels);
  for (std::size_t i = 0; i < labels; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  order.resize(std::min(o.top, labels));
  if (o.json) {
    nlohmann::json line = {{"text", text}, {"labels", nlohmann::json::array()}};
    for (const std::size_t i : order) {
      line["labels"].push_back(
          {{"label", s.label(i)}, {values ? "score" : "probability", p[i]}, {"logit", logits[i]}});
    }
    put_json(line);
    return;
  }
  for (const std::size_t i : order)
    put("{}\t{:.4f}\t{}\n", escaped(s.label(i)), p[i], escaped(text, tabs::kept));
}

status run(const classify_options& o) {
  LOWBIT_TRY_ASSIGN(auto s, session::open(o.model, {o.policy, o.zero, {}}, o.arch, o.threads,
                                          lowbit::head_kind::sequence));
  LOWBIT_TRY_ASSIGN(const auto tokenizer, open_tokenizer(o.model, s.model().config));
  const auto encode = [&](const std::string& text) {
    return encode_text(tokenizer, text, s.shape().positions, o.pairs, o.truncate);
  };
  return answer_all(o, texts_at_once(s), encode, [&](auto texts, auto encoded) -> status {
    token_rows rows;
    for (const lowbit::encoding& e : encoded) rows.add(e.ids, e.type_ids);
    LOWBIT_TRY_ASSIGN(const auto logits, s.run(rows));
    for (std::size_t i = 0; i < texts.size(); ++i)
      print(s, texts[i].text, logits.data() + i * s.shape().labels, o);
    return {};
  });
}

}  // namespace

void add_classify(CLI::App& program, action& chosen) {
  auto o = std::make_shared<classify_options>();
  CLI::App* verb =
      program.add_subcommand("classify", "Classify sentences: label, probability or value, text");
  add_model_options(*verb, *o);
  add_text_options(*verb, *o);
  verb->add_option("--top", o->top, "labels per sentence")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_flag("--pairs", o->pairs, "each line is two sentences separated by a tab");
  verb->add_flag("--truncate", o->truncate,
                 "truncate sentences longer than the model's maximum length");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
