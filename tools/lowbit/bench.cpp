// SPDX-License-Identifier: Apache-2.0
// lowbit bench: latency and size of a model under several policies, in interleaved runs.
#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "messages.hpp"
#include "output.hpp"
#include "program.hpp"
#include "random_values.hpp"
#include "session.hpp"
#include "timing.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

struct bench_options : model_options {
  std::string shape = "bert-base";
  std::vector<std::size_t> tokens;  // empty: 16 and 128, capped at the number of positions
  std::size_t batch = 1;
  std::size_t repetitions = 11;
  bool check = false;
};

struct timed_policy {
  std::string policy;
  bool random;  // weights
  std::size_t model_bytes;
  session runs;
};

struct row {
  const timed_policy* of;
  std::size_t tokens;
  std::size_t workspace;
  double seconds;
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// The folder under `policy`. Weights are random for fp32 if the folder is packed for another
/// policy, and for every policy of a named shape.
result<lowbit::canonical_model> make_model(const bench_options& o, const std::string& policy,
                                           bool& random) {
  const std::string zero = policy == "bibert" ? o.zero : "";
  random = o.model.empty();
  lowbit::model_shape shape;
  if (random) {
    LOWBIT_TRY_ASSIGN(shape, named_shape(o.shape));
  } else {
    auto model = lowbit::open_model(o.model, {policy, zero});
    if (model || policy != "fp32") return model;
    LOWBIT_TRY_ASSIGN(const auto folder, lowbit::open_model(o.model));
    shape = folder.config.shape;
    random = true;
  }
  return random_model(shape, policy, zero, 1);
}

result<timed_policy> make_timed_policy(const bench_options& o, const std::string& policy,
                                       const std::string& arch, std::size_t threads) {
  bool random = false;
  LOWBIT_TRY_ASSIGN(auto model, make_model(o, policy, random));
  const std::size_t bytes = model.bytes();
  LOWBIT_TRY_ASSIGN(auto s, session::start(std::move(model), arch, threads));
  return timed_policy{policy, random, bytes, std::move(s)};
}

/// `batch` sentences of `tokens` tokens with ids spread over the vocabulary.
result<token_rows> make_rows(const lowbit::model_shape& shape, std::size_t tokens,
                             std::size_t batch) {
  if (tokens == 0 || tokens > shape.positions) {
    return status::error(errc::invalid_argument, "--tokens is ", tokens, ", expected 1 to ",
                         shape.positions);
  }
  token_rows rows;
  random_values random(1);
  for (std::size_t s = 0; s < batch; ++s) {
    rows.add(random.tokens(tokens, shape.vocabulary), std::vector<std::int32_t>(tokens, 0));
  }
  return rows;
}

status check_finite(const timed_policy& c, const std::vector<float>& logits) {
  for (const float v : logits) {
    if (!std::isfinite(v)) {
      return status::error(errc::unsupported, "policy ", c.policy,
                           ": a logit is not finite, so the measurement would be meaningless");
    }
  }
  return {};
}

/// The logits of a short sentence must be bit-identical under every engine that this CPU runs.
status check_archs(const bench_options& o, const std::string& policy) {
  std::vector<float> first;
  std::string first_arch;
  for (const lowbit::engine* engine : lowbit::usable_engines()) {
    const std::string arch = engine->arch;
    LOWBIT_TRY_ASSIGN(auto c, make_timed_policy(o, policy, arch, 1));
    const std::size_t tokens = std::min<std::size_t>(5, c.runs.shape().positions);
    LOWBIT_TRY_ASSIGN(const auto rows, make_rows(c.runs.shape(), tokens, 2));
    LOWBIT_TRY_ASSIGN(const auto logits, c.runs.run(rows));
    LOWBIT_TRY(check_finite(c, logits));
    if (first.empty()) {
      first = logits;
      first_arch = arch;
    } else if (!std::equal(first.begin(), first.end(), logits.begin(), logits.end())) {
      return status::error(errc::unsupported, "policy ", policy, ": the logits of ", first_arch,
                           " and ", arch, " differ");
    }
  }
  return {};
}

status time_tokens(const bench_options& o, std::vector<timed_policy>& all, std::size_t tokens,
                   std::vector<row>& table) {
  LOWBIT_TRY_ASSIGN(const auto rows, make_rows(all.front().runs.shape(), tokens, o.batch));
  status failed;
  std::vector<std::function<void()>> runs;
  for (timed_policy& c : all) {
    LOWBIT_TRY_ASSIGN(const auto logits, c.runs.run(rows));
    LOWBIT_TRY(check_finite(c, logits));
    runs.emplace_back([&failed, &rows, &c] {
      if (const auto again = c.runs.run(rows); !again) failed = again.status();
    });
  }
  const auto timings = lowbit::measure_interleaved(
      runs, timing_options(o.repetitions, 0.01, o.threads, fmt::format("{} tokens", tokens)));
  if (!failed.ok()) return failed;
  for (std::size_t i = 0; i < all.size(); ++i)
    table.push_back({&all[i], tokens, all[i].runs.workspace_bytes(rows), timings[i].median});
  return {};
}

std::size_t peak_bytes() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<std::size_t>(usage.ru_maxrss) * 1024 : 0;
}

/// Seconds of fp32 for the same number of tokens; 0 if it was not run.
double fp32_seconds(const std::vector<row>& table, std::size_t tokens) {
  for (const row& r : table) {
    if (r.of->policy == "fp32" && r.tokens == tokens) return r.seconds;
  }
  return 0;
}

void print_table(const bench_options& o, const std::vector<row>& table) {
  constexpr double mib = 1024.0 * 1024.0;
  put("{}, {} thread{}, batch {}, medians of {} interleaved runs\n",
      escaped(o.model.empty() ? o.shape : o.model), o.threads, o.threads == 1 ? "" : "s", o.batch,
      o.repetitions);
  put("{:<22}{:<7}{:<9}{:>7}{:>12}{:>12}{:>14}{:>12}{:>12}{:>16}\n", "policy", "arch", "weights",
      "tokens", "model MiB", "packed MiB", "workspace MiB", "ms", "tokens/s", "x faster, fp32");
  for (const row& r : table) {
    const double fp32 = fp32_seconds(table, r.tokens);
    put("{:<22}{:<7}{:<9}{:>7}{:>12.1f}{:>12.1f}{:>14.2f}{:>12.3f}{:>12.0f}{:>16}\n",
        escaped(r.of->policy), r.of->runs.arch(), r.of->random ? "random" : "folder", r.tokens,
        static_cast<double>(r.of->model_bytes) / mib,
        static_cast<double>(r.of->runs.packed_bytes()) / mib,
        static_cast<double>(r.workspace) / mib, 1e3 * r.seconds,
        static_cast<double>(r.tokens * o.batch) / r.seconds,
        fp32 > 0 ? fmt::format("{:.2f}", fp32 / r.seconds) : "-");
  }
  put("peak resident memory, all models combined: {:.1f} MiB\n",
      static_cast<double>(peak_bytes()) / mib);
}

void print_json(const bench_options& o, const std::vector<row>& table) {
  nlohmann::json out = {{"model", o.model.empty() ? o.shape : o.model},
                        {"threads", o.threads},
                        {"batch", o.batch},
                        {"repetitions", o.repetitions},
                        {"peak_resident_bytes", peak_bytes()},
                        {"checked_archs", o.check}};
  for (const row& r : table) {
    const double fp32 = fp32_seconds(table, r.tokens);
    nlohmann::json entry = {
        {"policy", r.of->policy},
        {"arch", r.of->runs.arch()},
        {"weights", r.of->random ? "random" : "folder"},
        {"tokens", r.tokens},
        {"model_bytes", r.of->model_bytes},
        {"packed_bytes", r.of->runs.packed_bytes()},
        {"workspace_bytes", r.workspace},
        {"milliseconds", 1e3 * r.seconds},
        {"tokens_per_second", static_cast<double>(r.tokens * o.batch) / r.seconds}};
    if (fp32 > 0) entry["times_faster_than_fp32"] = fp32 / r.seconds;
    out["rows"].push_back(std::move(entry));
  }
  put_json(out);
}

status run(bench_options o) {
  std::vector<std::string> policies = split(o.policy.empty() ? "fp32,bibert" : o.policy);
  if (!o.model.empty() && o.policy.empty()) {
    LOWBIT_TRY_ASSIGN(const auto model, lowbit::open_model(o.model));
    policies = {"fp32"};
    if (model.policy != "fp32") policies.push_back(model.policy);
  }
  if (o.check) {
    for (const std::string& policy : policies) LOWBIT_TRY(check_archs(o, policy));
  }
  std::vector<timed_policy> all;
  for (const std::string& policy : policies) {
    LOWBIT_TRY_ASSIGN(auto c, make_timed_policy(o, policy, o.arch, o.threads));
    all.push_back(std::move(c));
  }
  if (o.tokens.empty()) {
    const std::size_t most = all.front().runs.shape().positions;
    o.tokens = {std::min<std::size_t>(16, most)};
    if (most > 16) o.tokens.push_back(std::min<std::size_t>(128, most));
  }
  std::vector<row> table;
  for (const std::size_t tokens : o.tokens) LOWBIT_TRY(time_tokens(o, all, tokens, table));
  (o.json ? print_json : print_table)(o, table);
  return {};
}

}  // namespace

void add_bench(CLI::App& program, action& chosen) {
  auto o = std::make_shared<bench_options>();
  CLI::App* verb = program.add_subcommand("bench", "Time a model under several policies");
  add_run_options(*verb, *o);
  verb->get_option("--policy")->description("policies to compare, e.g. fp32,bibert (the default)");
  auto* model = verb->add_option("-m,--model", o->model, "model folder");
  verb->add_option("--shape", o->shape,
                   "shape for random weights: bert-base, roberta-base, albert-base, .. or L,H,A,I")
      ->capture_default_str()
      ->excludes(model);
  verb->add_option("--tokens", o->tokens,
                   "sequence lengths, e.g. 16,128 (the default, capped at the number of positions)")
      ->delimiter(',');
  verb->add_option("--batch", o->batch, "batch size")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  verb->add_option("--repetitions", o->repetitions, "timed runs per policy")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  verb->add_flag("--check", o->check,
                 "first check that the logits of every arch are bit-identical");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
