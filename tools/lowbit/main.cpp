// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "lowbit/core/config.hpp"
#include "number_checks.hpp"
#include "program.hpp"

namespace lowbit_tool {

void add_run_options(CLI::App& verb, model_options& options) {
  verb.add_option(
      "-p,--policy", options.policy,
      "fp32, int8, codebook16, bibert, .. (default: what the model's config.json says)");
  verb.add_option("--zero", options.zero, "bibert: sign(0) is 0 (torch) or +1 (plus-one)");
  verb.add_option("--arch", options.arch,
                  "scalar, avx2, avx512 or amx (default: the best of this CPU)");
  verb.add_option("-t,--threads", options.threads, "threads")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  verb.add_flag("--json", options.json, "print JSON");
}

void add_model_options(CLI::App& verb, model_options& options) {
  verb.add_option("-m,--model", options.model, "model folder: Hugging Face or packed")->required();
  add_run_options(verb, options);
}

}  // namespace lowbit_tool

namespace {

/// The arguments in the order that CLI11 wants. It takes a text like "[MASK] or [MASK]" for a list
/// in brackets; a blank at the end, which read_texts() takes away, makes it a text again.
std::vector<std::string> reversed_arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    std::string text = argv[i];
    std::error_code ignored;
    if (text.starts_with('[') && text.ends_with(']') && !std::filesystem::exists(text, ignored))
      text += ' ';
    arguments.push_back(std::move(text));
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace lowbit_tool;
  CLI::App program("lowbit: low-bit BERT on CPUs");
  program.set_version_flag("--version", LOWBIT_VERSION);
  program.require_subcommand(0, 1);  // none: see below
  program.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("lowbit: ") + error.what() + "\nlowbit --help says more\n";
  });
  action chosen;
  add_tokenize(program, chosen);
  add_classify(program, chosen);
  add_tokens(program, chosen);
  add_embed(program, chosen);
  add_fill(program, chosen);
  add_answer(program, chosen);
  add_quantize(program, chosen);
  add_inspect(program, chosen);
  add_verify(program, chosen);
  add_eval(program, chosen);
  add_flops(program, chosen);
  add_bench(program, chosen);
  add_compare(program, chosen);
  check_numbers(program);
  try {
    program.parse(reversed_arguments(argc, argv));
  } catch (const CLI::ParseError& error) {
    return std::min(program.exit(error), 2);
  }
  if (!chosen) {
    fmt::print(stderr, "lowbit: no verb; lowbit --help lists them\n");
    return 2;
  }
  const lowbit::status done = chosen();
  if (!done.ok()) {
    fmt::print(stderr, "lowbit: {}\n", done.message());
    return 1;
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fmt::print(stderr, "lowbit: cannot write to standard output\n");
    return 1;
  }
  return 0;
}
