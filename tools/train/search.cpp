// SPDX-License-Identifier: Apache-2.0
#include "lowbit/train/recipe/search.hpp"

#include <fmt/format.h>

#include <fstream>
#include <memory>

#include "latency.hpp"
#include "options.hpp"

namespace lowbit_train {
namespace {

struct verb_options : train::search_options {
  latency_options timed;
};

/// Prints ranking.json as a table.
void print_ranking(const std::filesystem::path& folder) {
  std::ifstream file(folder / "ranking.json");
  const auto ranking = nlohmann::json::parse(file, nullptr, false);
  if (!ranking.is_object()) return;
  const nlohmann::json& maximum = ranking.at("maximum");
  fmt::print("maximum point: {} parameters, {:.3f} ms\n",
             maximum.at("parameters").get<std::uint64_t>(),
             maximum.at("milliseconds").get<double>());
  fmt::print("{:>5}{:>7}{:>7}{:>8}{:>6}{:>12}{:>9}{:>10}{:>9}{:>9}{:>7}{:>10}{:>7}\n", "rank",
             "layers", "heads", "hidden", "ffn", "parameters", "MB", "ms", "x max ms", "lr",
             "batch", "error", "W");
  std::size_t rank = 0;
  for (const nlohmann::json& c : ranking.at("candidates")) {
    const nlohmann::json* best = nullptr;
    for (const nlohmann::json& t : c.at("trials")) {
      if (t.at("error").is_null()) continue;
      if (best == nullptr || t.at("error") < best->at("error")) best = &t;
    }
    fmt::print("{:>5}{:>7}{:>7}{:>8}{:>6}{:>12}{:>9.2f}{:>10.4f}{:>9.3f}", ++rank,
               c.at("layers").get<std::size_t>(), c.at("heads").get<std::size_t>(),
               c.at("hidden").get<std::size_t>(), c.at("intermediate").get<std::size_t>(),
               c.at("parameters").get<std::uint64_t>(), c.at("bytes").get<double>() / 1e6,
               c.at("milliseconds").get<double>(),
               c.at("seconds").get<double>() / c.at("maximum_seconds").get<double>());
    if (best == nullptr) {
      fmt::print("{:>9}{:>7}{:>10}{:>7.3g}\n", "-", "-", "-", 0.0);
      continue;
    }
    fmt::print("{:>9.3g}{:>7}{:>10.5f}{:>9.4g}{}\n", best->at("lr").get<double>(),
               best->at("batch").get<std::size_t>(), best->at("error").get<double>(),
               c.at("W").get<double>(), c.at("on_front").get<bool>() ? "  on the front" : "");
  }
}

}  // namespace

void add_search(CLI::App& app, action& chosen) {
  auto o = std::make_shared<verb_options>();
  o->fit.dropout = o->fit.classifier_dropout = 0.0;
  o->grid = {{2, 4}, {2, 4}, {128, 256}, {256, 512}};
  CLI::App* verb =
      app.add_subcommand("search", "search for a small, fast student shape, then train it");
  add_training_options(*verb, *o);
  add_teacher_option(*verb, *o);
  verb->get_option("--data")->description(
      "for a masked language model: text or a data set; otherwise a data set with the teacher's "
      "labels");
  const auto list = [verb](const char* name, auto& values, const char* help) {
    return verb->add_option(name, values, help)->delimiter(',')->capture_default_str();
  };
  list("-L,--layers", o->grid.layers, "layer counts to try, e.g. 2,4");
  list("-A,--heads", o->grid.heads, "head counts to try");
  list("-H,--hidden", o->grid.hidden, "hidden sizes to try");
  list("-I,--intermediate", o->grid.intermediate, "intermediate sizes to try");
  verb->add_option("-p,--policy", o->timed.policy, "policy for which latency and size are measured")
      ->capture_default_str();
  verb->add_option("--tokens", o->timed.tokens, "sequence length for the latency measurement")
      ->capture_default_str();
  verb->add_option("--repetitions", o->timed.repetitions, "timed runs per shape")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  verb->add_option("--max-latency-ms", o->max_milliseconds, "latency limit")
      ->check(lowbit_tool::positive());
  verb->add_option("--max-mb", o->max_megabytes, "size limit in MB")
      ->check(lowbit_tool::positive());
  auto* every =
      verb->add_option("--every", o->every, "try every n-th shape, in order of estimated latency")
          ->check(CLI::Range(1, 1 << 20))
          ->capture_default_str();
  verb->add_option("--epsilon", o->epsilon, "sets n = epsilon * steps^2.5 instead of --every")
      ->check(lowbit_tool::positive())
      ->excludes(every);
  verb->add_option("--steps", o->trials.steps, "training steps per trial")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  list("--trial-lr", o->rates, "learning rates to try")->check(lowbit_tool::positive());
  list("--trial-batch", o->batches, "batch sizes to try")->check(CLI::Range(1, 1 << 20));
  verb->add_flag("--trial-adam", o->trials.adam, "run trials with Adam instead of SGD");
  verb->add_option("--hard-weight", o->trials.objective.hard_weight,
                   "weight of the masked token loss")
      ->capture_default_str();
  verb->add_option("--soft-weight", o->trials.objective.soft_weight,
                   "weight of T^2 KL(teacher || student)")
      ->capture_default_str();
  verb->add_option("--temperature", o->trials.objective.temperature, "distillation temperature T")
      ->check(lowbit_tool::positive())
      ->capture_default_str();
  verb->add_flag_callback(
      "--no-train", [o] { o->train = false; }, "stop after the search");
  verb->callback([o, &chosen] {
    chosen = [o] {
      o->trials.seed = o->fit.seed;
      o->trials.type = o->fit.type;
      o->measured_as = o->timed.policy + ", " + std::to_string(o->timed.tokens) + " tokens";
      o->meter = [meter = std::make_shared<latency_meter>(o->timed)](
                     const lowbit::model_shape& candidate,
                     const lowbit::model_shape& maximum) -> lowbit::result<train::measured_shape> {
        LOWBIT_TRY_ASSIGN(const auto timed, (*meter)(candidate, maximum));
        return train::measured_shape{timed.seconds, timed.maximum_seconds, timed.bytes};
      };
      const lowbit::status outcome = train::search(*o);
      if (outcome.ok() && o->group->leads()) print_ranking(o->out);
      return finish_training(outcome, *o);
    };
  });
}

}  // namespace lowbit_train
