// SPDX-License-Identifier: Apache-2.0
// lowbit inspect: the contents of a model folder, without running it.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "messages.hpp"
#include "output.hpp"
#include "program.hpp"
#include "session.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

/// How the model differs from BERT, for the line of its shape.
std::string other_parts(const lowbit::model_shape& s) {
  std::string text;
  if (s.head == lowbit::head_kind::sequence && s.pooler_act != lowbit::pooler_activation::tanh)
    text += fmt::format(", {} before the classifier", name_of(s.pooler_act));
  if (s.embedding != 0) text += fmt::format(", embeddings {} wide", s.embedding);
  if (s.token_types == 0) text += ", no token types";
  if (s.relative_bias) text += ", attention biased by distance";
  if (s.pre_norm()) {
    text += fmt::format(", norms first, rotary positions of base {}", s.global_theta);
    if (s.global_every < s.layers || s.layers > 1)
      text +=
          fmt::format(", every {}. layer global, others with base {} and {} tokens to each side",
                      s.global_every, s.local_theta, s.window);
  }
  if (s.shared_layers) text += ", all layers share weights";
  return text;
}

status run(const std::string& folder, bool as_json) {
  LOWBIT_TRY_ASSIGN(const auto model, lowbit::open_model(folder));
  const lowbit::model_shape& s = model.config.shape;
  if (as_json) {
    nlohmann::json out = {{"model_type", model.config.family->model_type},
                          {"policy", model.policy},
                          {"zero", model.zero},
                          {"head", model.config.kind()},
                          {"packed", model.config.packed.has_value()},
                          {"layers", s.layers},
                          {"hidden", s.hidden},
                          {"heads", s.heads},
                          {"intermediate", s.intermediate},
                          {"vocabulary", s.vocabulary},
                          {"positions", s.positions},
                          {"labels", s.labels},
                          {"bytes", model.bytes()}};
    for (const auto& t : model.tensors()) {
      out["tensors"].push_back({{"name", t.name},
                                {"type", name_of(t.type)},
                                {"shape", {t.shape[0], t.shape[1]}},
                                {"bytes", t.bytes()}});
    }
    put_json(out, 2);
    return {};
  }
  put("{}: {} folder, {} {} model, policy {}{}\n", escaped(folder),
      model.config.packed.has_value() ? "packed" : "Hugging Face", model.config.family->model_type,
      model.config.kind(), escaped(model.policy),
      model.policy == "bibert" ? ", sign(0) " + model.zero : "");
  put("layers {}, hidden {}, heads {} x {}, intermediate {}, vocabulary {}, positions {}, labels "
      "{}{}\n",
      s.layers, s.hidden, s.heads, s.head_width(), s.intermediate, s.vocabulary, s.positions,
      s.labels, other_parts(s));
  if (const auto named = lowbit::find_policy(model.policy); named && named->padded) {
    put("results depend on the batch and its padding: activation ranges span both\n");
  }
  put("{:<66} {:<4} {:>16} {:>12}\n", "canonical tensor", "type", "shape", "bytes");
  for (const auto& t : model.tensors()) {
    put("{:<66} {:<4} {:>16} {:>12}\n", escaped(t.name), name_of(t.type),
        t.rank == 2 ? fmt::format("{} x {}", t.shape[0], t.shape[1])
                    : fmt::format("{}", t.shape[0]),
        t.bytes());
  }
  for (const std::string& name : model.ignored)
    put("{:<66} not read by inference\n", escaped(name));
  put("{} bytes in total\n", model.bytes());
  return {};
}

}  // namespace

void add_inspect(CLI::App& program, action& chosen) {
  auto folder = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  CLI::App* verb = program.add_subcommand("inspect", "List the tensors of a model folder");
  add_argument(*verb, "-m,--model,model", *folder, "model folder")->required();
  verb->add_flag("--json", *as_json, "print JSON");
  verb->callback([folder, as_json, &chosen] {
    chosen = [folder, as_json] { return run(*folder, *as_json); };
  });
}

}  // namespace lowbit_tool
