// SPDX-License-Identifier: Apache-2.0
// The commands of `lowbit`. Each add_ function declares one on the command line and sets `chosen`
// to its action when the user selects it. Results go to stdout, messages to stderr, and the exit
// code is 0 only if the action's status is ok.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "lowbit/core/status.hpp"

namespace lowbit_tool {

using action = std::function<lowbit::status()>;

/// Options shared by several commands.
struct model_options {
  std::string model;
  std::string policy;
  std::string zero;
  std::string arch;
  std::size_t threads = 1;
  bool json = false;
};

/// -m/--model, -p/--policy, --zero, --arch, -t/--threads, --json
void add_model_options(CLI::App& verb, model_options& options);
/// The same without -m/--model, for commands that can create their own model.
void add_run_options(CLI::App& verb, model_options& options);

void add_tokenize(CLI::App& program, action& chosen);
void add_classify(CLI::App& program, action& chosen);
void add_tokens(CLI::App& program, action& chosen);
void add_embed(CLI::App& program, action& chosen);
void add_fill(CLI::App& program, action& chosen);
void add_answer(CLI::App& program, action& chosen);
void add_rerank(CLI::App& program, action& chosen);
void add_choose(CLI::App& program, action& chosen);
void add_quantize(CLI::App& program, action& chosen);
void add_convert(CLI::App& program, action& chosen);
void add_fetch(CLI::App& program, action& chosen);
void add_inspect(CLI::App& program, action& chosen);
void add_verify(CLI::App& program, action& chosen);
void add_eval(CLI::App& program, action& chosen);
void add_flops(CLI::App& program, action& chosen);
void add_bench(CLI::App& program, action& chosen);
void add_compare(CLI::App& program, action& chosen);

}  // namespace lowbit_tool
