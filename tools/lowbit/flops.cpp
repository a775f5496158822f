// SPDX-License-Identifier: Apache-2.0
// lowbit flops: operations and bytes of a policy next to those of fp32, by the papers' rule and in
// full, and optionally with the measured time of a run.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "lowbit/cost/model_ledger.hpp"
#include "output.hpp"
#include "program.hpp"
#include "session.hpp"
#include "timing.hpp"

namespace lowbit_tool {
namespace {

using lowbit::cost;
using lowbit::cost_item;
using lowbit::named_ledger;
using lowbit::result;
using lowbit::status;

constexpr double mega = 1e6;
constexpr double giga = 1e9;
constexpr double kib = 1024.0;
constexpr double mib = 1024.0 * 1024.0;

struct flops_options : model_options {
  std::string shape = "bert-base";
  std::size_t tokens = 0;  // 0: 128, capped at the number of positions
  std::size_t repetitions = 11;
  bool measure = false;
};

/// Measurements of one policy.
struct measured {
  double milliseconds = 0;
  double gigamacs_per_second = 0;
};

template <class Count>
double in(double unit, Count count) {
  return static_cast<double>(count) / unit;
}

measured measured_of(const named_ledger& ledger, double seconds) {
  return {1e3 * seconds, in(giga, ledger.total.executed.macs()) / seconds};
}

/// Medians of interleaved runs of random models: {the policy, fp32}.
result<std::vector<double>> measure(const flops_options& o, const lowbit::model_shape& shape,
                                    const std::string& policy) {
  std::vector<session> sessions;
  for (const std::string& name : {policy, std::string("fp32")}) {
    LOWBIT_TRY_ASSIGN(auto model, random_model(shape, name, name == "bibert" ? o.zero : "", 1));
    LOWBIT_TRY_ASSIGN(auto s, session::start(std::move(model), o.arch, o.threads));
    sessions.push_back(std::move(s));
  }
  token_rows rows;
  rows.add(std::vector<std::int32_t>(o.tokens, 1), std::vector<std::int32_t>(o.tokens, 0));
  status failed;
  std::vector<std::function<void()>> runs;
  runs.reserve(sessions.size());
  for (session& s : sessions) {
    runs.emplace_back([&rows, &failed, &s] {
      if (const auto logits = s.run(rows); !logits) failed = logits.status();
    });
  }
  const auto timings =
      lowbit::measure_interleaved(runs, timing_options(o.repetitions, 0.01, o.threads, "timing"));
  if (!failed.ok()) return failed;
  return std::vector<double>{timings[0].median, timings[1].median};
}

void print_row(const std::string& name, const cost& c, const cost& full) {
  put("{:<28}{:>11.3f}{:>11.3f}{:>11.3f}{:>11.3f}{:>12.1f}  |{:>11.3f}{:>12.1f}{:>8.1f}x\n", name,
      in(mega, c.defined.f32_macs), in(mega, c.defined.int8_macs), in(mega, c.defined.bit_macs),
      in(mega, c.defined.f32_operations), in(kib, c.stored.total()),
      in(mega, full.defined.f32_macs), in(kib, full.stored.total()),
      c.stored.total() == 0 ? 1.0 : in(1, full.stored.total()) / in(1, c.stored.total()));
}

void print_items(const named_ledger& ledger, const named_ledger& fp32, std::size_t layers) {
  put("{:<28}{:>11}{:>11}{:>11}{:>11}{:>12}  |{:>11}{:>12}{:>9}\n", "M operations, KiB", "f32 MAC",
      "int8 MAC", "1-bit MAC", "f32 other", "stored", "fp32 MAC", "stored", "smaller");
  cost layer;
  cost full_layer;
  for (std::size_t i = 0; i < ledger.rows.size(); ++i) {
    const auto& row = ledger.rows[i];
    if (row.layer != 0 && row.layer != layers) continue;  // all layers cost the same
    const bool within = row.item != cost_item::embedding && row.layer == 0;
    print_row((within ? "  " : "") + std::string(lowbit::name_of(row.item)), row.cost,
              fp32.rows[i].cost);
    if (!within) continue;
    layer += row.cost;
    full_layer += fp32.rows[i].cost;
    if (row.item == cost_item::elementwise)
      print_row(fmt::format("one layer of {}", layers), layer, full_layer);
  }
  print_row("total", ledger.total, fp32.total);
}

void print_summary(const std::string& what, const char* unit, double value, double full,
                   int digits) {
  put("{:<44}{:>12.{}f}{:>12.{}f} {:<8}{}\n", what, value, digits, full, digits, unit,
      value > 0 && full > 0 ? fmt::format("{:>8.2f}x", full / value) : "");
}

void print_table(const named_ledger& l, const named_ledger& f, std::size_t layers) {
  put("policy {}, one sentence of {} tokens; every equation for every token\n", l.policy, l.tokens);
  print_items(l, f, layers);
  put("\n{:<44}{:>12}{:>12}\n", "", l.policy, f.policy);
  print_summary("papers' rule: operations", "GFLOP", l.total.papers_flops / giga,
                f.total.papers_flops / giga, 3);
  print_summary("papers' rule: size", "MiB", l.total.papers_bytes / mib, f.total.papers_bytes / mib,
                1);
  print_summary("complete: size", "MiB", in(mib, l.total.stored.total()),
                in(mib, f.total.stored.total()), 1);
  const auto& e = l.total.executed;
  const auto& full = f.total.executed;
  print_summary("complete: f32 operations of a run", "GFLOP", e.flops() / giga, full.flops() / giga,
                4);
  if (e.macs() != e.dense_macs) {
    print_summary("complete: products, skipping zeros", "GMAC", in(giga, e.macs()),
                  in(giga, full.macs()), 3);
    print_summary("          the same, dense", "GMAC", in(giga, e.dense_macs),
                  in(giga, full.dense_macs), 3);
  }
  print_summary("complete: int8 products of a run", "GMAC", in(giga, e.int8_macs),
                in(giga, full.int8_macs), 3);
  print_summary("complete: 1-bit products of a run", "GMAC", in(giga, e.bit_macs),
                in(giga, full.bit_macs), 3);
}

nlohmann::json json_of(const lowbit::operation_counts& c) {
  return {{"f32_macs", c.f32_macs},
          {"int8_macs", c.int8_macs},
          {"bit_macs", c.bit_macs},
          {"dense_macs", c.dense_macs},
          {"f32_operations", c.f32_operations}};
}
nlohmann::json json_of(const cost& c) {
  return {{"defined", json_of(c.defined)},
          {"executed", json_of(c.executed)},
          {"bytes",
           {{"weights", c.stored.weights},
            {"scales", c.stored.scales},
            {"biases", c.stored.biases},
            {"norms", c.stored.norms},
            {"tables", c.stored.tables},
            {"inputs", c.stored.inputs},
            {"total", c.stored.total()}}},
          {"papers_flops", c.papers_flops},
          {"papers_bytes", c.papers_bytes}};
}
nlohmann::json json_of(const named_ledger& ledger) {
  nlohmann::json out = {
      {"policy", ledger.policy}, {"tokens", ledger.tokens}, {"total", json_of(ledger.total)}};
  for (const auto& row : ledger.rows) {
    nlohmann::json entry = json_of(row.cost);
    entry["layer"] = row.layer;
    entry["item"] = lowbit::name_of(row.item);
    out["items"].push_back(std::move(entry));
  }
  return out;
}

status run(flops_options o) {
  std::string policy = o.policy.empty() ? "bibert" : o.policy;
  lowbit::model_shape shape;
  result<named_ledger> ledger = named_ledger{};
  if (o.model.empty()) {
    LOWBIT_TRY_ASSIGN(shape, named_shape(o.shape));
    if (o.tokens == 0) o.tokens = 128;
    ledger = lowbit::ledger_for(lowbit::canonical_policy_name(policy), shape, o.tokens);
  } else {
    LOWBIT_TRY_ASSIGN(const auto model, lowbit::open_model(o.model));
    shape = model.config.shape;
    if (o.tokens == 0) o.tokens = std::min<std::size_t>(128, shape.positions);
    if (o.policy.empty() || o.policy == model.policy) {
      policy = model.policy;
      ledger = lowbit::ledger_of_model(model, o.tokens);
    } else {
      ledger = lowbit::ledger_for(lowbit::canonical_policy_name(policy), shape, o.tokens);
    }
  }
  if (!ledger) return ledger.status().in("flops");
  const auto fp32 = lowbit::ledger_for("fp32", shape, o.tokens);
  if (!fp32) return fp32.status().in("flops");
  nlohmann::json out = {{"policy", json_of(*ledger)}, {"fp32", json_of(*fp32)}};
  if (!o.json) print_table(*ledger, *fp32, shape.layers);
  if (o.measure) {
    LOWBIT_TRY_ASSIGN(const auto seconds, measure(o, shape, policy));
    const auto mine = measured_of(*ledger, seconds[0]);
    const auto full = measured_of(*fp32, seconds[1]);
    if (o.json) {
      out["policy"]["milliseconds"] = mine.milliseconds;
      out["fp32"]["milliseconds"] = full.milliseconds;
    } else {
      print_summary(fmt::format("measured: {} thread{}, random weights", o.threads,
                                o.threads == 1 ? "" : "s"),
                    "ms", mine.milliseconds, full.milliseconds, 3);
      print_summary("measured: products per second", "GMAC/s", mine.gigamacs_per_second,
                    full.gigamacs_per_second, 1);
    }
  }
  if (o.json) put_json(out);
  return {};
}

}  // namespace

void add_flops(CLI::App& program, action& chosen) {
  auto o = std::make_shared<flops_options>();
  CLI::App* verb = program.add_subcommand("flops", "Count the operations and bytes of a policy");
  add_run_options(*verb, *o);
  auto* model = verb->add_option("-m,--model", o->model, "model folder to take the shape from");
  verb->add_option("--shape", o->shape, "bert-base, roberta-base, albert-base, .. or L,H,A,I")
      ->capture_default_str()
      ->excludes(model);
  verb->add_option("--tokens", o->tokens,
                   "sequence length (default: 128, capped at the number of positions)")
      ->check(CLI::Range(1, 1 << 20));
  verb->add_flag("--measure", o->measure, "also time a run with random weights");
  verb->add_option("--repetitions", o->repetitions, "timed runs per policy")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
