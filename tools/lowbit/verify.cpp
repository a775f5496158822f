// SPDX-License-Identifier: Apache-2.0
// lowbit verify: runs a model on recorded inputs and compares every recorded tensor that inference
// computes.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "messages.hpp"
#include "number_checks.hpp"
#include "output.hpp"
#include "program.hpp"
#include "recorded.hpp"

namespace lowbit_tool {

using lowbit::run_observer;
namespace {

using lowbit::errc;
using lowbit::status;

struct verify_options : model_options {
  std::string inputs;
  std::string expected;
  float tolerance = 1e-4F;
};

/// Passes the intermediate values of the engine to the comparison. Scores of masked keys are never
/// computed, padding rows only if results depend on them.
struct comparer {
  const recorded_inputs& in;
  const lowbit::model_shape& shape;
  recorded_outputs& to;

  static comparer& self(void* p) { return *static_cast<comparer*>(p); }

  void hidden(std::size_t index, run_observer::rows m) const {
    for (std::size_t t = 0; t < m.rows; ++t) {
      const std::size_t row = in.tokens[t].sentence * in.columns + in.tokens[t].column;
      for (std::size_t c = 0; c < m.cols; ++c) {
        to.compare("hidden." + std::to_string(index), row * m.cols + c, m(t, c));
      }
    }
  }
  void scores(std::size_t layer, std::size_t sentence, std::size_t first, std::size_t head,
              run_observer::rows m) const {
    const std::size_t begin = in.rows.offsets[sentence];
    for (std::size_t r = 0; r < m.rows; ++r) {
      const std::size_t query = in.tokens[first + r].column;
      const std::size_t row = ((sentence * shape.heads + head) * in.columns + query) * in.columns;
      for (std::size_t j = 0; j < m.cols; ++j) {
        to.compare("attention_scores." + std::to_string(layer), row + in.tokens[begin + j].column,
                   m(r, j));
      }
    }
  }
  void context(std::size_t layer, std::size_t, std::size_t first, std::size_t head,
               run_observer::rows m) const {
    for (std::size_t r = 0; r < m.rows; ++r) {
      const kept_token& t = in.tokens[first + r];
      const std::size_t row =
          (t.sentence * in.columns + t.column) * shape.hidden + head * shape.head_width();
      for (std::size_t c = 0; c < m.cols; ++c) {
        to.compare("context." + std::to_string(layer), row + c, m(r, c));
      }
    }
  }
  /// The head's output: a row per sentence, or one per token at the token's place.
  void logits(const std::vector<float>& values) const {
    const bool per_token = shape.head == lowbit::head_kind::token ||
                           shape.head == lowbit::head_kind::span ||
                           shape.head == lowbit::head_kind::masked_lm;
    const std::size_t rows = per_token ? in.tokens.size() : in.sentences;
    const std::size_t cols = values.size() / rows;
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t row =
          per_token ? in.tokens[r].sentence * in.columns + in.tokens[r].column : r;
      for (std::size_t c = 0; c < cols; ++c)
        to.compare("logits", row * cols + c, values[r * cols + c]);
    }
  }
  void pooled(run_observer::rows m) const {
    for (std::size_t s = 0; s < m.rows; ++s) {
      for (std::size_t c = 0; c < m.cols; ++c) to.compare("pooled", s * m.cols + c, m(s, c));
    }
  }

  [[nodiscard]] run_observer observer() {
    return {this, [](void* p, std::size_t i, run_observer::rows m) { self(p).hidden(i, m); },
            [](void* p, std::size_t l, std::size_t s, std::size_t f, std::size_t h,
               run_observer::rows m) { self(p).scores(l, s, f, h, m); },
            [](void* p, std::size_t l, std::size_t s, std::size_t f, std::size_t h,
               run_observer::rows m) { self(p).context(l, s, f, h, m); },
            [](void* p, run_observer::rows m) { self(p).pooled(m); }};
  }
};

status print(const recorded_outputs& outputs, const verify_options& o, const char* arch) {
  std::size_t failed = 0;
  nlohmann::json json = {
      {"arch", arch}, {"tolerance", o.tolerance}, {"tensors", nlohmann::json::object()}};
  if (!o.json)
    put("{:<24} {:>10} {:>12}  ({} build, tolerance {})\n", "tensor", "values", "largest", arch,
        o.tolerance);
  for (const auto& [name, c] : outputs.compared()) {
    const bool ok = c.values != 0 && c.above == 0;
    failed += ok ? 0 : 1;
    json["tensors"][name] = {
        {"values", c.values}, {"largest", c.largest}, {"above", c.above}, {"ok", ok}};
    if (c.above != 0) json["tensors"][name]["largest_at"] = c.place();
    if (o.json) continue;
    put("{:<24} {:>10} {:>12.3g}  {}", escaped(name), c.values, c.largest, ok ? "ok" : "FAILED");
    if (c.above != 0)
      put(": {} above tolerance, largest at [{}]", c.above, fmt::join(c.place(), ", "));
    put("\n");
  }
  for (const std::string& name : outputs.skipped()) {
    json["not_compared"].push_back(name);
    if (!o.json)
      put("{:<24} {:>10} {:>12}  used by training losses only\n", escaped(name), "-", "-");
  }
  if (o.json) put_json(json, 2);
  if (failed == 0) return {};
  return status::error(errc::malformed, o.expected, ": ", failed, " of ", outputs.compared().size(),
                       " tensors differ by more than the tolerance");
}

status run(const verify_options& o) {
  LOWBIT_TRY_ASSIGN(auto s, session::open(o.model, {o.policy, o.zero, {}}, o.arch, o.threads));
  LOWBIT_TRY_ASSIGN(auto inputs, read_recorded_inputs(o.inputs, s.pads()));
  if (s.shape().head == lowbit::head_kind::masked_lm) {
    for (std::size_t t = 0; t < inputs.tokens.size(); ++t)
      inputs.rows.masked.push_back(static_cast<std::uint32_t>(t));
  }
  LOWBIT_TRY_ASSIGN(auto outputs,
                    recorded_outputs::open(o.expected, inputs, s.shape(), o.tolerance));
  comparer to{inputs, s.shape(), outputs};
  const run_observer observer = to.observer();
  const auto observed = s.run(inputs.rows, &observer);
  if (!observed) return observed.status().in(o.inputs);
  LOWBIT_TRY_ASSIGN(const auto plain, s.run(inputs.rows));
  if (std::memcmp(plain.data(), observed->data(), plain.size() * sizeof(float)) != 0) {
    return status::error(
        errc::malformed,
        "the run for first tokens only and the observed run gave different logits");
  }
  to.logits(plain);
  return print(outputs, o, s.arch());
}

}  // namespace

void add_verify(CLI::App& program, action& chosen) {
  auto o = std::make_shared<verify_options>();
  CLI::App* verb = program.add_subcommand("verify", "Compare a model with recorded tensors");
  add_model_options(*verb, *o);
  verb->add_option("--inputs", o->inputs, "inputs.json: input_ids, token_type_ids, attention_mask")
      ->required();
  verb->add_option("--expected", o->expected, "safetensors file with the expected tensors")
      ->required();
  verb->add_option("--tolerance", o->tolerance, "largest allowed difference")
      ->check(not_negative())
      ->capture_default_str();
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
