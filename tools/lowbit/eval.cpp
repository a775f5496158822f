// SPDX-License-Identifier: Apache-2.0
// lowbit eval: scores of a model on labelled data, or of several with their size and time.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "evaluation.hpp"
#include "labelled.hpp"
#include "lowbit/io/output_file.hpp"
#include "pareto.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::status;

nlohmann::json to_json(const evaluation& e) {
  nlohmann::json out = {{"model", e.model},       {"policy", e.policy},
                        {"bytes", e.bytes},       {"ms_per_sentence", 1e3 * e.seconds},
                        {"examples", e.examples}, {"metric", e.metric},
                        {"score", e.score},       {"scores", nlohmann::json::object()}};
  for (const auto& [name, value] : e.scores) out["scores"][name] = value;
  if (e.scores[0].first == "accuracy") {  // of sentences: also as a count
    out["right"] = e.right;
    out["accuracy"] = 100.0 * e.scores[0].second;
  }
  return out;
}

void print_one(const evaluation& e) {
  if (e.metric == "accuracy" && e.scores[0].first == "accuracy") {
    put("accuracy {:.2f} % ({} of {})", 100.0 * e.score, e.right, e.examples);
  } else {
    put("{} {:.4f} ({} examples)", e.metric, e.score, e.examples);
  }
  put(", {:.3f} ms per sentence in batches of {}, policy {}\n", 1e3 * e.seconds, eval_batch,
      e.policy);
  for (const auto& [name, value] : e.scores) {
    if (name != e.metric) put("{} {:.4f}\n", name, value);
  }
}

void print_table(const std::vector<evaluation>& all, const std::vector<bool>& front) {
  std::size_t width = 5;
  for (const evaluation& e : all) width = std::max(width, escaped(e.model).size());
  put("{:<{}} {:<12} {:>10} {:>14} {:>10}\n", "model", width, "policy", "MiB", "ms / sentence",
      all[0].metric);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const evaluation& e = all[i];
    put("{:<{}} {:<12} {:>10.2f} {:>14.3f} {:>10.4f}{}\n", escaped(e.model), width,
        escaped(e.policy), static_cast<double>(e.bytes) / 1048576.0, 1e3 * e.seconds, e.score,
        front[i] ? "  *" : "");
  }
  put("* Pareto-optimal: no other model here is as small, as fast and as good\n");
}

status run(eval_options o) {
  o.data = place_of_split(o.data, o.split);
  std::vector<evaluation> all;
  std::vector<trade_off> points;
  for (const std::string& model : o.models) {
    LOWBIT_TRY_ASSIGN(auto e, evaluate(model, o));
    if (!all.empty() && e.metric != all[0].metric) {
      return status::error(errc::invalid_argument, model, ": metric is ", e.metric,
                           ", but that of ", all[0].model, " is ", all[0].metric,
                           ": choose one with --metric");
    }
    const std::string name = std::filesystem::path(model + "/.").parent_path().filename().string();
    points.push_back(
        {name.empty() ? model : name, static_cast<double>(e.bytes), e.seconds, e.score});
    all.push_back(std::move(e));
  }
  const std::vector<bool> front = pareto_front(points);
  if (!o.svg.empty())
    LOWBIT_TRY(
        lowbit::write_file(o.svg, pareto_svg(points, all[0].metric), lowbit::existing::replace));
  if (o.json) {
    nlohmann::json out = nlohmann::json::array();
    for (std::size_t i = 0; i < all.size(); ++i) {
      out.push_back(to_json(all[i]));
      if (all.size() > 1) out.back()["front"] = static_cast<bool>(front[i]);
    }
    put_json(all.size() == 1 ? out[0] : out);
  } else if (all.size() == 1) {
    print_one(all[0]);
  } else {
    print_table(all, front);
  }
  return {};
}

}  // namespace

void add_eval(CLI::App& program, action& chosen) {
  auto o = std::make_shared<eval_options>();
  CLI::App* verb = program.add_subcommand("eval", "Score models on labelled data");
  verb->add_option("-m,--model", o->models,
                   "model folder; repeat for a table of size, latency and score")
      ->required()
      ->allow_extra_args(false);
  add_run_options(*verb, *o);
  verb->add_option("--data", o->data,
                   "TSV (sentence, label or first, second, label), CLINC150 JSON, words with BIO "
                   "labels, a folder with seq.in and label or seq.out, or a folder of such splits")
      ->required();
  verb->add_option("--split", o->split, "split of a JSON file or a folder")->capture_default_str();
  verb->add_option("--metric", o->metric,
                   "accuracy, f1, macro_f1, matthews, precision, recall, pearson or spearman "
                   "(default: accuracy; entities: f1; regression: spearman)");
  verb->add_option("--pooling", o->pooling,
                   "score embedding similarity of sentence pairs: mean or cls pooling")
      ->check(CLI::IsMember({"mean", "cls"}));
  verb->add_option("--output", o->output,
                   "codes of the embeddings whose similarity is scored: f32, int8 or binary "
                   "(one bit)")
      ->check(CLI::IsMember({"f32", "int8", "binary"}))
      ->capture_default_str();
  verb->add_option("--svg", o->svg, "write a plot of score against size");
  verb->add_flag("--truncate", o->truncate, "do not warn about truncated sentences");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
