// SPDX-License-Identifier: Apache-2.0
// lowbit quantize: converts a checkpoint folder to a packed folder and reports the format of each
// tensor.
#include <fmt/core.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "budget.hpp"
#include "calibrate.hpp"
#include "number_checks.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

struct quantize_options {
  std::string policy;
  std::string zero;
  std::string input;
  std::string output;
  std::vector<std::string> formats;
  std::string calibrate;
  budget limits;
  bool overwrite = false;
  bool json = false;
  bool quiet = false;
};

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text;
  for (const std::size_t n : shape) text += (text.empty() ? "" : " x ") + std::to_string(n);
  return text;
}

void print_json(const lowbit::canonical_model& model) {
  nlohmann::json out = {{"policy", model.policy},
                        {"zero", model.zero},
                        {"ignored", model.ignored},
                        {"tensors", nullptr}};
  for (const auto& t : model.report) {
    out["tensors"].push_back({{"name", t.name},
                              {"format", t.format},
                              {"shape", t.shape},
                              {"source_bytes", t.source_bytes},
                              {"bytes", t.bytes},
                              {"ties", t.ties}});
  }
  put_json(out, 2);
}

std::string size_change(double from, double to) {
  if (to > from) return fmt::format("{:.1f} % larger", 100.0 * (to / from - 1.0));
  return fmt::format("{:.1f} times smaller", to == 0 ? 0.0 : from / to);
}

void print_table(const lowbit::canonical_model& model, bool every_tensor) {
  std::size_t source = 0;
  if (every_tensor)
    put("{:<60} {:<12} {:>14} {:>12} {:>12}\n", "tensor", "format", "shape", "bytes", "from");
  for (const auto& t : model.report) {
    source += t.source_bytes;
    if (!every_tensor) continue;
    put("{:<60} {:<12} {:>14} {:>12} {:>12}", escaped(t.name), t.format, shape_text(t.shape),
        t.bytes, t.source_bytes);
    if (t.ties != 0) put("  {} weights equal to their mean are stored as +1", t.ties);
    put("\n");
  }
  for (const std::string& name : model.ignored) {
    if (every_tensor) put("{:<60} not read by inference\n", escaped(name));
  }
  const std::size_t bytes = model.bytes();  // includes formats and ranges, which have no line above
  put("policy {}: {} bytes from {} ({})\n", escaped(model.policy), bytes, source,
      size_change(static_cast<double>(source), static_cast<double>(bytes)));
}

void print_plan(const budget_plan& plan) {
  put("{:<18} {:<12} {:>10} {:>12} {:>10}\n", "part", "format", "SNR dB", "bytes", "ms");
  for (std::size_t p = 0; p < plan.parts.size(); ++p) {
    const budget_option& o = plan.parts[p].options[plan.chosen[p]];
    put("{:<18} {:<12} {:>10.1f} {:>12.0f} {:>10.3f}\n", plan.parts[p].name, o.format,
        signal_error{0, 0, o.noise}.decibels(), o.bytes, o.milliseconds);
  }
}

/// The float checkpoint and the text given by --calibrate.
struct calibration {
  lowbit::canonical_model floats;
  std::vector<token_rows> text;

  static result<calibration> open(const quantize_options& o) {
    LOWBIT_TRY_ASSIGN(auto floats, lowbit::open_model(o.input, {"fp32", {}}));
    LOWBIT_TRY_ASSIGN(const auto tokenizer, open_tokenizer(o.input, floats.config));
    LOWBIT_TRY_ASSIGN(auto text,
                      read_batches(tokenizer, o.calibrate, floats.config.shape.positions));
    return calibration{std::move(floats), std::move(text)};
  }
};

/// Encodes a float checkpoint in formats that fit the budget.
result<lowbit::canonical_model> plan_and_encode(const quantize_options& o) {
  if (!o.policy.empty() && lowbit::canonical_policy_name(o.policy) != "mixed") {
    return status::error(errc::invalid_argument, "a budget chooses the formats itself, policy ",
                         o.policy, " cannot be combined with it");
  }
  if (o.calibrate.empty()) {
    return status::error(errc::invalid_argument,
                         "a budget needs text to measure errors on: --calibrate FILE");
  }
  LOWBIT_TRY_ASSIGN(const auto from, calibration::open(o));
  LOWBIT_TRY_ASSIGN(const auto plan, plan_budget(from.floats, o.limits, from.text, {}));
  if (!o.json) print_plan(plan);
  return lowbit::encode_model(from.floats, *lowbit::find_policy("mixed"), plan.formats);
}

result<lowbit::canonical_model> open_input(const quantize_options& o) {
  const bool budgeted = o.limits.megabytes > 0 || o.limits.milliseconds > 0;
  if (!o.formats.empty() && (budgeted || !o.calibrate.empty())) {
    return status::error(errc::invalid_argument, "--format cannot be combined with ",
                         budgeted ? "a budget" : "a calibrated policy",
                         ", which determines the formats");
  }
  if (budgeted) return plan_and_encode(o);
  if (!o.calibrate.empty()) {
    const std::string policy = lowbit::canonical_policy_name(o.policy);
    if (policy != "q8bert" && policy != "ibert") {
      return status::error(errc::invalid_argument,
                           "--calibrate only applies to policies q8bert and ibert",
                           " and to budgets, found policy \"", o.policy, "\"");
    }
    LOWBIT_TRY_ASSIGN(const auto at, lowbit::locate_model(o.input));
    LOWBIT_TRY_ASSIGN(const auto config, lowbit::load_config(at.transformer));
    if (lowbit::has_trained_ranges(config.raw)) {
      return status::error(errc::invalid_argument, o.input,
                           ": already has trained activation ranges, expected no --calibrate");
    }
    LOWBIT_TRY_ASSIGN(const auto from, calibration::open(o));
    return calibrate_and_encode(from.floats, policy, from.text);
  }
  lowbit::load_options options{o.policy, o.zero};
  for (const std::string& text : o.formats) {
    LOWBIT_TRY_ASSIGN(auto format, lowbit::format_override::parse(text));
    options.formats.push_back(std::move(format));
  }
  return lowbit::open_model(o.input, options);
}

status run(const quantize_options& o) {
  std::error_code ignored;
  if (std::filesystem::equivalent(o.input, o.output, ignored)) {
    return status::error(errc::invalid_argument, o.output,
                         ": is the input folder, expected a different output folder");
  }
  LOWBIT_TRY_ASSIGN(auto model, open_input(o));
  for (const std::string& warning : model.warnings) warn(warning);
  // Load the model into an engine first, so that a folder that it would reject is never written.
  auto loaded = session::start(std::move(model), {}, 1);
  if (!loaded) return loaded.status().in(o.input);
  LOWBIT_TRY(
      lowbit::save_packed(loaded->model(), o.output, o.input,
                          o.overwrite ? lowbit::existing::replace : lowbit::existing::refuse));
  if (o.json) {
    print_json(loaded->model());
  } else {
    print_table(loaded->model(), !o.quiet);
  }
  if (const status printed = flush_output(); !printed.ok())
    return status::error(printed.code(), o.output, ": was written, but ", printed.message());
  return {};
}

}  // namespace

void add_quantize(CLI::App& program, action& chosen) {
  auto o = std::make_shared<quantize_options>();
  CLI::App* verb = program.add_subcommand("quantize", "Quantize a model and write a packed folder");
  verb->add_option("-p,--policy", o->policy,
                   "int8, w4a8, w4g64a8, w1a8, codebook16, ... (default: as in config.json)");
  verb->add_option("--format", o->formats,
                   "REGEX=FORMAT: override the format of matrices with a matching name")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_option("--calibrate", o->calibrate,
                   "calibration text, one sentence per line; not for a model trained as q8bert");
  auto* megabytes = verb->add_option("--budget-mb", o->limits.megabytes,
                                     "choose formats per layer to fit a size budget in MB")
                        ->check(positive());
  verb->add_option("--budget-ms", o->limits.milliseconds,
                   "choose formats per layer to fit a latency budget in ms per sentence")
      ->check(positive())
      ->excludes(megabytes);
  verb->add_option("--zero", o->zero, "bibert: value of sign(0), 0 (torch) or +1 (plus-one)");
  add_argument(*verb, "in", o->input, "Hugging Face model folder")->required();
  add_argument(*verb, "out", o->output, "output folder")->required();
  verb->add_flag("--replace,--overwrite", o->overwrite,
                 "replace an existing folder that lowbit packed");
  verb->add_flag("-q,--quiet", o->quiet, "print only the totals");
  verb->add_flag("--json", o->json, "print JSON");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
