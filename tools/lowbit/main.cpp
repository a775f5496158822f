// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <sstream>

#include "arguments.hpp"
#include "guard.hpp"
#include "lowbit/arch/detect.hpp"
#include "lowbit/core/config.hpp"
#include "messages.hpp"
#include "number_checks.hpp"
#include "output.hpp"
#include "program.hpp"

namespace lowbit_tool {

void add_run_options(CLI::App& verb, model_options& options) {
  verb.add_option("-p,--policy", options.policy,
                  "fp32, int8, codebook16, bibert, ... (default: as in the model's config.json)");
  verb.add_option("--zero", options.zero, "bibert: value of sign(0), 0 (torch) or +1 (plus-one)");
  verb.add_option("--arch", options.arch,
                  std::string(lowbit::known_archs()) + " (default: the best this CPU supports)");
  verb.add_option("-t,--threads", options.threads, "number of threads")
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

using namespace lowbit_tool;

/// Prints what CLI11 reports: help and version to standard output, errors to standard error.
int print_help_or_error(const CLI::App& program, const CLI::ParseError& error) {
  std::ostringstream out, err;
  const int code = std::min(program.exit(error, out, err), 2);
  put_bytes(out.str());
  print_error(err.str());
  if (const lowbit::status printed = flush_output(); !printed.ok()) {
    report(printed.message());
    return 1;
  }
  return code;
}

int run_program(int argc, char** argv) {
  CLI::App program("lowbit: low-bit BERT on CPUs", "lowbit");
  program.set_version_flag("--version", LOWBIT_VERSION);
  program.require_subcommand(0, 1);  // none: see below
  program.failure_message([](const CLI::App*, const CLI::Error& error) {
    std::string what = error.what();
    std::erase(what, argument_mark);
    return "lowbit: " + escaped(what) + "\nRun lowbit --help for usage\n";
  });
  action chosen;
  for (const auto add : {add_tokenize, add_classify, add_tokens, add_embed, add_fill, add_answer,
                         add_rerank, add_choose, add_quantize, add_convert, add_inspect, add_verify,
                         add_eval, add_flops, add_bench, add_compare, add_fetch}) {
    add(program, chosen);
  }
  check_numbers(program);
  unmark_options(program);
  try {
    program.parse(reversed_arguments(argc, argv));
  } catch (const CLI::ParseError& error) {
    return print_help_or_error(program, error);
  }
  if (!chosen) {
    report("no command given; run lowbit --help for a list");
    return 2;
  }
  lowbit::status done = chosen();
  if (done.ok()) done = flush_output();
  if (done.ok()) return 0;
  flush_output();  // before the error message
  report(done.message());
  return 1;
}

}  // namespace

int main(int argc, char** argv) { return run_guarded("lowbit", run_program, argc, argv); }
