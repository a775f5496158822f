// SPDX-License-Identifier: Apache-2.0
// The common part of all comparisons in lowbit_peers: contestants that do the same work are
// checked, then timed in turns. Independent of any library or operation.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "lowbit/cost/measure.hpp"

namespace lowbit_bench {

/// One way to do the work of a contest.
struct contestant {
  std::string name;
  std::function<void()> run;
  /// Runs once and compares. Empty if the output is correct, otherwise the difference.
  std::function<std::string()> check;
};

struct turn_options {
  double seconds = 1.0;           // approximate time limit, after `least` rounds
  std::size_t least = 7;          // rounds
  std::size_t most = 61;          // rounds
  double sample_seconds = 0.002;  // short calls are repeated to fill a sample
  double spread = 0.02;           // of the middle half, relative to the median: stop when reached
  double pause_seconds = 0;       // before each sample: peers' threads keep spinning after a call
  lowbit::clock_seconds clock = lowbit::thread_seconds;
};

struct turn_result {
  lowbit::timing time;
  double spread = 0;  // of the middle half of the samples, relative to the median
  std::size_t rounds = 0;
};

/// Times the runs in turns, in alternating order, until each spread is small enough or the time is
/// up. One untimed call precedes each sample.
std::vector<turn_result> take_turns(const std::vector<std::function<void()>>& runs,
                                    const turn_options& options);

struct measurement {
  std::string contest;     // "gemm M=128 N=768 K=768"
  std::string contestant;  // "oneDNN f32"
  double macs = 0;         // multiply-adds per call, the same for all contestants
  turn_result result;

  [[nodiscard]] double seconds() const { return result.time.median; }
  [[nodiscard]] double gigamacs_per_second() const { return 1e-9 * macs / seconds(); }
};

/// A contestant or measurement that is not available in this build or on this machine.
struct absence {
  std::string what;
  std::string why;
};

struct peer_report {
  std::vector<measurement> measurements;
  std::vector<absence> absent;
  std::vector<std::string> wrong;  // wrong outputs; such contestants are not timed

  [[nodiscard]] const measurement* find(const std::string& contest,
                                        const std::string& contestant) const;
  /// Adds an absence, without duplicates.
  void note_absent(const std::string& what, const std::string& why);
};

/// Checks all contestants, times the correct ones, and adds their measurements.
void hold_contest(const std::string& name, double macs, std::vector<contestant> contestants,
                  const turn_options& options, peer_report& report);

}  // namespace lowbit_bench
