// SPDX-License-Identifier: Apache-2.0
// lowbit eval: accuracy on labelled sentences, a TSV file (sentence, tab, label) or CLINC150's
// JSON.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

struct eval_options : model_options {
  std::string data;
  std::string split = "test";
  bool truncate = false;
};

struct example {
  std::string text;
  std::string label;
};

result<std::vector<example>> read_clinc(const std::string& path, const std::string& split) {
  const auto json = lowbit::read_json(path);
  if (!json) return json.status();
  if (!json->is_object() || !json->contains(split)) {
    return status::error(errc::not_found, path, ": has no split ", split);
  }
  std::vector<example> examples;
  for (const auto& pair : (*json)[split]) {
    const bool fits =
        pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
    if (!fits) {
      return status::error(errc::malformed, path, ": ", split, " entry ", examples.size(),
                           " is not [text, label]");
    }
    examples.push_back({pair[0], pair[1]});
  }
  return examples;
}

result<std::vector<example>> read_tsv(const std::string& path) {
  std::ifstream in(path);
  if (!in) return status::error(errc::not_found, path, ": cannot be read");
  std::vector<example> examples;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const std::size_t tab = line.rfind('\t');
    if (tab == std::string::npos) {
      return status::error(errc::malformed, path, " line ", number,
                           ": no tab between sentence and label");
    }
    examples.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  return examples;
}

result<std::vector<std::size_t>> label_ids(const session& s, const std::vector<example>& examples,
                                           const std::string& path) {
  std::map<std::string, std::size_t> ids;
  for (std::size_t i = 0; i < s.shape().labels; ++i) ids[s.label(i)] = i;
  std::vector<std::size_t> wanted;
  for (const example& e : examples) {
    const auto it = ids.find(e.label);
    if (it == ids.end()) {
      return status::error(errc::invalid_argument, path, ": label \"", e.label,
                           "\" is not one of the model's ", ids.size());
    }
    wanted.push_back(it->second);
  }
  return wanted;
}

status run(const eval_options& o) {
  auto s = session::open(o.model, {o.policy, o.zero}, o.arch, o.threads);
  if (!s) return s.status();
  const auto tokenizer = open_tokenizer(o.model, s->shape());
  if (!tokenizer) return tokenizer.status();
  const auto examples = o.data.ends_with(".json") ? read_clinc(o.data, o.split) : read_tsv(o.data);
  if (!examples) return examples.status();
  if (examples->empty()) return status::error(errc::malformed, o.data, ": no examples");
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
