// SPDX-License-Identifier: Apache-2.0
// lowbit_ratios: speedup of lowbit over its rivals in one run, on one thread, interleaved, against
// the project's performance targets (bars). Medians; absolute times are not comparable between
// runs. Exit code 1 if an output is wrong, or with --strict if a bar is missed.
#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <fstream>
#include <nlohmann/json.hpp>

#include "contest.hpp"
#include "machine.hpp"
#include "openblas.hpp"
#include "shapes.hpp"

namespace lowbit_bench {
namespace {

std::string verdict(const ratio_row& r) {
  if (!r.unmeasured.empty())
    return r.bar > 0 ? "cannot be measured: " + r.unmeasured : r.unmeasured;
  if (r.bar == 0) return "";
  return fmt::format("bar {:>5.2f}  {}", r.bar, r.missed() ? "MISSED" : "ok");
}

void print(const ratio_report& report, const char* arch) {
  fmt::print("cpu       {}\ncompiler  {}\narch      {}\nOpenBLAS  {}\n", cpu_model(), compiler(),
             arch, openblas_description());
  fmt::print("one thread unless noted; medians of interleaved repetitions, thread CPU time\n\n");
  fmt::print("{:<34}{:>11}{:>10}  {:<20}{:>11}{:>9}\n", "lowbit", "ms", "GMAC/s", "rival", "ms",
             "ratio");
  for (const ratio_row& r : report.rows) {
    fmt::print("{:<34}{:>11.4f}{:>10.1f}  {:<20}{:>11.4f}{:>8.2f}x  {}\n", r.what, r.milliseconds,
               r.gigamacs_per_second, r.rival, r.rival_milliseconds, r.ratio(), verdict(r));
  }
  for (const std::string& wrong : report.wrong) fmt::print("WRONG RESULT: {}\n", wrong);
}

nlohmann::json json_of(const ratio_report& report, const char* arch) {
  nlohmann::json out = {{"cpu", cpu_model()},
                        {"compiler", compiler()},
                        {"arch", arch},
                        {"openblas", openblas_description()},
                        {"wrong", report.wrong}};
  for (const ratio_row& r : report.rows) {
    nlohmann::json row = {{"what", r.what},
                          {"rival", r.rival},
                          {"milliseconds", r.milliseconds},
                          {"rival_milliseconds", r.rival_milliseconds},
                          {"gigamacs_per_second", r.gigamacs_per_second},
                          {"ratio", r.rival_milliseconds > 0 ? r.ratio() : 0}};
    if (r.bar > 0) {
      row["bar"] = r.bar;
      row["pass"] = !r.missed();
    }
    if (!r.unmeasured.empty()) row["unmeasured"] = r.unmeasured;
    out["rows"].push_back(std::move(row));
  }
  return out;
}

bool write_json(const std::string& path, const nlohmann::json& value) {
  std::ofstream out(path);
  out << value.dump(2) << '\n';
  out.close();
  if (out) return true;
  fmt::print(stderr, "lowbit_ratios: {}: cannot write\n", path);
  return false;
}

}  // namespace
}  // namespace lowbit_bench

int main(int argc, char** argv) {
  using namespace lowbit_bench;
  force_openblas_core(argv);
  contest_options options;
  std::string json;
  bool strict = false;
  bool products_only = false;
  CLI::App program("Speedup of lowbit over its rivals on this machine");
  program.add_option("--repetitions", options.repetitions, "repetitions per product")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  program
      .add_option("--encoder-repetitions", options.encoder_repetitions, "repetitions per encoder")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  program.add_option("--json", json, "also write the results to this file");
  program.add_flag("--strict", strict, "fail if a bar is missed or cannot be measured");
  program.add_flag("--products-only", products_only, "skip the encoders");
  CLI11_PARSE(program, argc, argv);

  const auto usable = usable_kernels();
  options.table = usable.back();
  options.has_bars = std::string(options.table->arch) == "avx512";
  ratio_report report;
  contest_products(options, report);
  if (!products_only) contest_encoders(options, report);
  print(report, options.table->arch);
  if (!json.empty() && !write_json(json, json_of(report, options.table->arch))) return 1;
  bool failed = !report.wrong.empty();
  if (strict) {
    failed = failed || !openblas_core_is_right();
    for (const ratio_row& r : report.rows) failed = failed || r.missed();
  }
  return failed ? 1 : 0;
}
