// SPDX-License-Identifier: Apache-2.0
// How the programs time models, in turns.
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "lowbit/cost/measure.hpp"
#include "messages.hpp"

namespace lowbit_tool {

/// Of one thread its own running time counts: what other processes take of the machine does not. On
/// a terminal "WHAT: 3 of 11" shows the repetitions.
inline lowbit::measure_options timing_options(std::size_t repetitions, double least_seconds,
                                              std::size_t threads, std::string what) {
  lowbit::measure_options options{
      repetitions, least_seconds, threads == 1 ? lowbit::thread_seconds : lowbit::wall_seconds, {}};
  if (isatty(STDERR_FILENO) == 0) return options;
  options.progress = [what = std::move(what), repetitions](std::size_t done) {
    const std::string line = fmt::format("{}: {} of {}", what, done, repetitions);
    const bool last = done == repetitions;  // leaves nothing behind
    print_error('\r' + line + (last ? '\r' + std::string(line.size(), ' ') + '\r' : ""));
  };
  return options;
}

}  // namespace lowbit_tool
