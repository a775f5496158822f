// SPDX-License-Identifier: Apache-2.0
// lowbit quantize: a checkpoint folder in, a packed folder out, and what every tensor became.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "session.hpp"

namespace lowbit_tool {
namespace {

using lowbit::status;

struct quantize_options {
  std::string policy;
  std::string zero;
  std::string input;
  std::string output;
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
  fmt::print("{}\n", out.dump(2));
}

void print_table(const lowbit::canonical_model& model, bool every_tensor) {
  std::size_t source = 0;
  std::size_t bytes = 0;
  if (every_tensor)
    fmt::print("{:<60} {:<6} {:>14} {:>12} {:>12}\n", "tensor", "format", "shape", "bytes", "from");
  for (const auto& t : model.report) {
    source += t.source_bytes;
    bytes += t.bytes;
    if (!every_tensor) continue;
    fmt::print("{:<60} {:<6} {:>14} {:>12} {:>12}", t.name, t.format, shape_text(t.shape), t.bytes,
               t.source_bytes);
    if (t.ties != 0) fmt::print("  {} weights equal to their mean are stored as +1", t.ties);
    fmt::print("\n");
  }
  for (const std::string& name : model.ignored) {
    if (every_tensor) fmt::print("{:<60} not read by inference\n", name);
  }
  const double times = bytes == 0 ? 0.0 : static_cast<double>(source) / static_cast<double>(bytes);
  fmt::print("policy {}: {} bytes from {} ({:.1f} times smaller)\n", model.policy, bytes, source,
             times);
}

status run(const quantize_options& o) {
  auto model = lowbit::open_model(o.input, {o.policy, o.zero});
  if (!model) return model.status();
  for (const std::string& warning : model->warnings)
    fmt::print(stderr, "lowbit: warning: {}\n", warning);
  // The engine's own loading checks come first: a folder that it would refuse is never written.
  auto loaded = session::start(*std::move(model), {}, 1);
  if (!loaded) return loaded.status().in(o.input);
  LOWBIT_TRY(
      lowbit::save_packed(loaded->model(), o.output, o.input,
                          o.overwrite ? lowbit::existing::replace : lowbit::existing::refuse));
  if (o.json) {
    print_json(loaded->model());
  } else {
    print_table(loaded->model(), !o.quiet);
  }
  return {};
}

}  // namespace

void add_quantize(CLI::App& program, action& chosen) {
  auto o = std::make_shared<quantize_options>();
  CLI::App* verb = program.add_subcommand("quantize", "Write a packed model folder");
  verb->add_option("-p,--policy", o->policy,
                   "fp32, bibert or bit (default: what config.json says)");
  verb->add_option("--zero", o->zero, "bibert: sign(0) is 0 (torch) or +1 (plus-one)");
  verb->add_option("in", o->input, "Hugging Face model folder")->required();
  verb->add_option("out", o->output, "folder to write")->required();
  verb->add_flag("--overwrite", o->overwrite, "replace an existing model folder");
  verb->add_flag("-q,--quiet", o->quiet, "print the totals only");
  verb->add_flag("--json", o->json, "print JSON");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
