// SPDX-License-Identifier: Apache-2.0
// The program lowbit-train: argument parsing and printing only. Results go to stdout, progress and
// messages to stderr; the exit code is 0 only if the output was written.
#include <ATen/Context.h>

#include <algorithm>
#include <cstdio>

#include "guard.hpp"
#include "lowbit/core/config.hpp"
#include "number_checks.hpp"
#include "verbs.hpp"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace {

int run_program(int argc, char** argv) {
  // Large tensors are freed and reallocated at every step: keep their pages rather than returning
  // them to the kernel, which would zero them again each time.
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
  // Adam's moments of pruned weights and absent words decay to denormals, and arithmetic on those
  // takes a hundred cycles: 38 % of a pruning step.
  at::globalContext().setFlushDenormal(true);
  CLI::App app("Train the models that lowbit runs", "lowbit-train");
  app.set_version_flag("--version", LOWBIT_VERSION);
  app.require_subcommand(0, 1);  // none: see below
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("lowbit-train: ") + error.what() + "\nRun lowbit-train --help for usage\n";
  });
  lowbit_train::action chosen;
  for (const auto add : {
           lowbit_train::add_vocab,
           lowbit_train::add_pretrain,
           lowbit_train::add_finetune,
           lowbit_train::add_distill,
           lowbit_train::add_augment,
           lowbit_train::add_qat,
           lowbit_train::add_prune,
           lowbit_train::add_bibert,
           lowbit_train::add_bit,
           lowbit_train::add_ternarybert,
           lowbit_train::add_binarybert,
           lowbit_train::add_theseus,
           lowbit_train::add_search,
       }) {
    add(app, chosen);
  }
  lowbit_tool::check_numbers(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return std::min(app.exit(error), 2);
  }
  if (!chosen) {
    std::fprintf(stderr, "lowbit-train: no command given; run lowbit-train --help for a list\n");
    return 2;
  }
  return chosen();  // libtorch reports errors as exceptions
}

}  // namespace

int main(int argc, char** argv) {
  return lowbit_tool::run_guarded("lowbit-train", run_program, argc, argv);
}
