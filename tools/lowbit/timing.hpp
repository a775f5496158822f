// SPDX-License-Identifier: Apache-2.0
// Options for timing models in interleaved runs.
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "lowbit/cost/measure.hpp"
#include "messages.hpp"

namespace lowbit_tool {

/// With one thread, measures thread CPU time, so load from other processes does not count. On a
/// terminal, shows progress as "WHAT: 3 of 11".
inline lowbit::measure_options timing_options(std::size_t repetitions, double least_seconds,
                                              std::size_t threads, std::string what) {
  lowbit::measure_options options{
      repetitions, least_seconds, threads == 1 ? lowbit::thread_seconds : lowbit::wall_seconds, {}};
  if (isatty(STDERR_FILENO) == 0) return options;
  options.progress = [what = std::move(what), repetitions](std::size_t done) {
    const std::string line = fmt::format("{}: {} of {}", what, done, repetitions);
    const bool last = done == repetitions;  // erase the line
    print_error('\r' + line + (last ? '\r' + std::string(line.size(), ' ') + '\r' : ""));
  };
  return options;
}

}  // namespace lowbit_tool
