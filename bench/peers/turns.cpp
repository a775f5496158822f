// SPDX-License-Identifier: Apache-2.0
#include "turns.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace lowbit_bench {
namespace {

/// Width of the middle half relative to the median.
double spread_of(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t quarter = samples.size() / 4;
  const double width = samples[samples.size() - 1 - quarter] - samples[quarter];
  return width / lowbit::median_of(samples);
}

std::size_t calls_per_sample(const std::function<void()>& run, const turn_options& options) {
  run();  // first calls allocate and compile
  const double begin = options.clock();
  run();
  const double once = std::max(options.clock() - begin, 1e-8);
  return once >= options.sample_seconds
             ? 1
             : static_cast<std::size_t>(options.sample_seconds / once) + 1;
}

}  // namespace

std::vector<turn_result> take_turns(const std::vector<std::function<void()>>& runs,
                                    const turn_options& options) {
  const std::size_t count = runs.size();
  std::vector<std::size_t> calls;
  for (const auto& run : runs) calls.push_back(calls_per_sample(run, options));
  std::vector<std::vector<double>> samples(count);
  const double start = lowbit::wall_seconds();
  for (std::size_t round = 0; round < options.most; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = round % 2 == 0 ? i : count - 1 - i;
      if (options.pause_seconds > 0)
        std::this_thread::sleep_for(std::chrono::duration<double>(options.pause_seconds));
      runs[at]();
      const double begin = options.clock();
      for (std::size_t c = 0; c < calls[at]; ++c) runs[at]();
      samples[at].push_back((options.clock() - begin) / static_cast<double>(calls[at]));
    }
    if (round + 1 < options.least) continue;
    const bool quiet = std::all_of(samples.begin(), samples.end(),
                                   [&](const auto& s) { return spread_of(s) <= options.spread; });
    if (quiet || lowbit::wall_seconds() - start >= options.seconds) break;
  }
  std::vector<turn_result> results;
  for (const auto& s : samples) {
    results.push_back(
        {{lowbit::median_of(s), *std::min_element(s.begin(), s.end())}, spread_of(s), s.size()});
  }
  return results;
}

const measurement* peer_report::find(const std::string& contest,
                                     const std::string& contestant) const {
  for (const measurement& m : measurements) {
    if (m.contest == contest && m.contestant == contestant) return &m;
  }
  return nullptr;
}

void peer_report::note_absent(const std::string& what, const std::string& why) {
  for (const absence& a : absent) {
    if (a.what == what) return;
  }
  absent.push_back({what, why});
}

void hold_contest(const std::string& name, double macs, std::vector<contestant> contestants,
                  const turn_options& options, peer_report& report) {
  std::vector<std::function<void()>> runs;
  std::vector<std::string> names;
  for (const contestant& c : contestants) {
    if (const std::string wrong = c.check(); !wrong.empty()) {
      report.wrong.push_back(name + ", " + c.name + ": " + wrong);
      report.note_absent(name + ", " + c.name, "wrong output");
      continue;
    }
    runs.push_back(c.run);
    names.push_back(c.name);
  }
  if (runs.empty()) return;
  const auto results = take_turns(runs, options);
  for (std::size_t i = 0; i < runs.size(); ++i)
    report.measurements.push_back({name, names[i], macs, results[i]});
}

}  // namespace lowbit_bench
