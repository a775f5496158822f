// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "chart.hpp"

namespace lowbit_bench {
namespace {

std::string verdict(const bar_result& b) {
  if (!b.why.empty()) return "not measured: " + b.why;
  return fmt::format("{:>7.2f}x  {}", b.ratio, b.passed() ? "pass" : "MISS");
}

constexpr const char* openblas_f32 = "OpenBLAS f32";

bool starts(const std::string& text, const std::string& with) { return text.rfind(with, 0) == 0; }

/// Chart groups of all contests whose name starts with `prefix`, which is removed.
chart chart_of(const peer_output& out, const std::string& title, const std::string& prefix) {
  chart c{title, "GMAC/s", {}, {}};
  for (const measurement& m : out.report.measurements) {
    if (!starts(m.contest, prefix)) continue;
    const std::string name = m.contest.substr(prefix.size());
    if (c.groups.empty() || c.groups.back().name != name) c.groups.push_back({name, {}});
    auto& bars = c.groups.back().bars;
    // OpenBLAS has several entries: only the best is shown.
    const bool blas = starts(m.contestant, openblas_f32);
    if (blas && !bars.empty() && bars.back().series == openblas_f32) {
      bars.back().value = std::max(bars.back().value, m.gigamacs_per_second());
    } else {
      bars.push_back({blas ? openblas_f32 : m.contestant, m.gigamacs_per_second()});
    }
  }
  c.lines = {{"f32 fma limit", out.limits.f32},
             {"int8 dot limit", out.limits.int8},
             {"binary limit", out.limits.binary}};
  return c;
}

}  // namespace

void print(const peer_output& out) {
  for (const auto& [name, value] : out.facts) fmt::print("{:<14} {}\n", name, value);
  fmt::print("{:<14} f32 {:.0f}, int8 {:.0f}, binary {:.0f} GMAC/s\n\n", "core limits",
             out.limits.f32, out.limits.int8, out.limits.binary);
  const std::string* contest = nullptr;
  for (const measurement& m : out.report.measurements) {
    if (contest == nullptr || *contest != m.contest) {
      fmt::print("{}\n  {:<28}{:>12}{:>11}{:>10}{:>8}\n", m.contest, "", "median ms", "GMAC/s",
                 "spread", "rounds");
      contest = &m.contest;
    }
    fmt::print("  {:<28}{:>12.4f}{:>11.1f}{:>9.1f}%{:>8}\n", m.contestant, 1e3 * m.seconds(),
               m.gigamacs_per_second(), 100 * m.result.spread, m.result.rounds);
  }
  if (out.peak_megabytes >= 0)
    fmt::print("bibert BERT-base in a fresh process: {:.1f} MB peak\n", out.peak_megabytes);
  for (const absence& a : out.report.absent) fmt::print("absent: {}: {}\n", a.what, a.why);

  fmt::print("\n{:<34}{:<20}{:<26}{:>6}  {}\n", "bar", "lowbit", "against", "least", "measured");
  for (const bar_result& b : out.bars) {
    fmt::print("{:<34}{:<20}{:<26}{:>5.2f}x  {}\n", b.of.contest, b.of.ours, b.of.rival, b.of.least,
               verdict(b));
  }
  const bool small = out.peak_megabytes <= peak_megabytes_bar;
  fmt::print("{:<34}{:<46}{:>6.0f}  {}\n", "peak memory, MB at most", "lowbit bibert BERT-base",
             peak_megabytes_bar,
             out.peak_megabytes < 0
                 ? "not measured"
                 : fmt::format("{:>7.1f}   {}", out.peak_megabytes, small ? "pass" : "MISS"));
  for (const std::string& wrong : out.report.wrong) fmt::print("WRONG RESULT: {}\n", wrong);
}

std::string to_json(const peer_output& out) {
  nlohmann::json j;
  for (const auto& [name, value] : out.facts) j["machine"][name] = value;
  j["limits_gmac_per_s"] = {
      {"f32", out.limits.f32}, {"int8", out.limits.int8}, {"binary", out.limits.binary}};
  j["measurements"] = nlohmann::json::array();
  for (const measurement& m : out.report.measurements) {
    j["measurements"].push_back({{"contest", m.contest},
                                 {"contestant", m.contestant},
                                 {"median_seconds", m.seconds()},
                                 {"lowest_seconds", m.result.time.lowest},
                                 {"spread", m.result.spread},
                                 {"rounds", m.result.rounds},
                                 {"macs", m.macs},
                                 {"gmac_per_s", m.gigamacs_per_second()}});
  }
  j["bars"] = nlohmann::json::array();
  for (const bar_result& b : out.bars) {
    nlohmann::json row = {{"contest", b.of.contest},
                          {"lowbit", b.of.ours},
                          {"against", b.of.rival},
                          {"at_least", b.of.least}};
    if (b.ratio > 0) row["ratio"] = b.ratio;
    if (b.why.empty()) {
      row["pass"] = b.passed();
    } else {
      row["not_measured"] = b.why;
    }
    j["bars"].push_back(std::move(row));
  }
  if (out.peak_megabytes >= 0) {
    j["peak_memory"] = {{"model", "bibert BERT-base"},
                        {"megabytes", out.peak_megabytes},
                        {"at_most", peak_megabytes_bar},
                        {"pass", out.peak_megabytes <= peak_megabytes_bar}};
  }
  j["absent"] = nlohmann::json::array();
  for (const absence& a : out.report.absent)
    j["absent"].push_back({{"what", a.what}, {"why", a.why}});
  j["wrong"] = out.report.wrong;
  return j.dump(2) + "\n";
}

std::vector<picture> pictures(const peer_output& out) {
  std::vector<picture> all;
  const auto add = [&](const std::string& name, const chart& c) {
    if (!c.groups.empty()) all.push_back({name + ".svg", draw(c)});
  };
  for (const std::size_t m : product_rows) {
    const std::string rows = std::to_string(m);
    add("gemm-m" + rows,
        chart_of(out, "Matrix products of " + rows + (m == 1 ? " row" : " rows") + ", one thread",
                 "gemm M=" + rows + " "));
  }
  for (const std::string shape : {"bert-base", "tinybert-4l"})
    add("encoder-" + shape, chart_of(out, shape + " encoder; limits of one core", shape + " "));
  return all;
}

}  // namespace lowbit_bench
