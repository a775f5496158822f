// SPDX-License-Identifier: Apache-2.0
// lowbit eval: accuracy on labelled sentences.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "labelled.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

struct eval_options : model_options {
  std::string data;
  std::string split = "test";
  bool truncate = false;
};

status run(const eval_options& o) {
  auto s = session::open(o.model, {o.policy, o.zero}, o.arch, o.threads);
  if (!s) return s.status();
  const auto tokenizer = open_tokenizer(o.model, s->shape());
  if (!tokenizer) return tokenizer.status();
  const auto examples = read_examples(o.data, o.split);
  if (!examples) return examples.status();
  const auto wanted = label_ids(*s, *examples, o.data);
  if (!wanted) return wanted.status();
  const bool terminal = isatty(STDERR_FILENO) != 0;
  std::size_t right = 0;
  double seconds = 0;
  constexpr std::size_t batch = 32;
  for (std::size_t begin = 0; begin < examples->size(); begin += batch) {
    const std::size_t end = std::min(begin + batch, examples->size());
    token_rows rows;
    for (std::size_t i = begin; i < end; ++i) {
      LOWBIT_TRY(
          add_text(*tokenizer, (*examples)[i].text, s->shape().positions, false, o.truncate, rows));
    }
    const auto started = std::chrono::steady_clock::now();
    const auto logits = s->run(rows);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    if (!logits) return logits.status();
    for (std::size_t i = begin; i < end; ++i) {
      const float* row = logits->data() + (i - begin) * s->shape().labels;
      right += largest(row, s->shape().labels) == (*wanted)[i] ? 1 : 0;
    }
    if (terminal) fmt::print(stderr, "\r{} of {}", end, examples->size());
  }
  if (terminal) fmt::print(stderr, "\r{:40}\r", "");
  const auto count = static_cast<double>(examples->size());
  const double accuracy = 100.0 * static_cast<double>(right) / count;
  if (o.json) {
    const nlohmann::json out = {{"examples", examples->size()},
                                {"right", right},
                                {"accuracy", accuracy},
                                {"ms_per_sentence", 1e3 * seconds / count},
                                {"policy", s->model().policy}};
    fmt::print("{}\n", out.dump());
  } else {
    fmt::print("accuracy {:.2f} % ({} of {}), {:.3f} ms per sentence in batches of {}, policy {}\n",
               accuracy, right, examples->size(), 1e3 * seconds / count, batch, s->model().policy);
  }
  return {};
}

}  // namespace

void add_eval(CLI::App& program, action& chosen) {
  auto o = std::make_shared<eval_options>();
  CLI::App* verb = program.add_subcommand("eval", "Measure accuracy on labelled sentences");
  add_model_options(*verb, *o);
  verb->add_option("--data", o->data, "TSV (sentence, tab, label) or CLINC150 JSON")->required();
  verb->add_option("--split", o->split, "split of a JSON file")->capture_default_str();
  verb->add_flag("--truncate", o->truncate, "cut sentences that are longer than the model takes");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
