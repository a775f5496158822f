// SPDX-License-Identifier: Apache-2.0
// lowbit_peers: compares lowbit with OpenBLAS, oneDNN and ONNX Runtime in one run, interleaved, on
// the same shapes, after checking every output (docs/peers.md). Exit code 1 if an output is wrong,
// or, with --strict, if a bar is missed or not measured.
#include <fmt/core.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "byte_arch.hpp"
#include "compare.hpp"
#include "contestants.hpp"
#include "machine.hpp"
#include "onnxruntime.hpp"
#include "openblas.hpp"
#include "output.hpp"

namespace lowbit_bench {
namespace {

/// oneDNN's OpenMP reads this before main() runs.
void force_one_openmp_thread(char** argv) {
  const char* now = std::getenv("OMP_NUM_THREADS");
  if (now != nullptr && std::strcmp(now, "1") == 0) return;
  setenv("OMP_NUM_THREADS", "1", 1);
  execv("/proc/self/exe", argv);  // returns only on failure
}

bool write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.close();
  if (out) return true;
  fmt::print(stderr, "lowbit_peers: {}: cannot write\n", path.native());
  return false;
}

bool write_all(const std::filesystem::path& folder, const peer_output& out) {
  bool written = write_text(folder / "peers.json", to_json(out));
  for (const picture& p : pictures(out)) written = write_text(folder / p.name, p.text) && written;
  return written;
}

bool misses(const peer_output& out) {
  for (const bar_result& b : out.bars) {
    if (!b.passed()) return true;
  }
  return !(out.peak_megabytes >= 0 && out.peak_megabytes <= peak_megabytes_bar);
}

}  // namespace
}  // namespace lowbit_bench

int main(int argc, char** argv) {
  using namespace lowbit_bench;
  force_one_openmp_thread(argv);
  force_openblas_core(argv);
  peer_options options;
  std::string folder = ".";
  bool strict = false;
  bool no_products = false;
  bool no_encoders = false;
  CLI::App program("Compare lowbit with OpenBLAS, oneDNN and ONNX Runtime on this machine");
  program.add_option("--onnxruntime", options.onnxruntime, "ONNX Runtime library")
      ->capture_default_str();
  program.add_option("--out", folder, "folder for peers.json, charts and temporary models")
      ->capture_default_str();
  program
      .add_option("--seconds", options.seconds,
                  "time per product contest; encoder contests take six times as long")
      ->check(CLI::Range(0.01, 60.0))
      ->capture_default_str();
  program.add_flag("--strict", strict, "fail if a bar is missed or not measured");
  program.add_flag("--no-products", no_products, "encoders only");
  program.add_flag("--no-encoders", no_encoders, "products only");
  CLI11_PARSE(program, argc, argv);

  if (!comparers_work()) {
    fmt::print(stderr, "lowbit_peers: the comparison functions do not detect differences\n");
    return 1;
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  options.table = usable_kernels().back();
  options.folder = folder + "/models";
  options.narrate = true;
  peer_output out;
  const auto runtime = onnxruntime::open(options.onnxruntime);
  out.facts = {{"cpu", cpu_model()},
               {"compiler", compiler()},
               {"arch", options.table->arch},
               {"byte arch", byte_arch(*options.table)},
               {"OpenBLAS", openblas_description()},
               {"oneDNN", onednn_description()},
               {"ONNX Runtime", runtime ? (*runtime)->version()
                                        : "none: " + std::string(runtime.status().message())}};
  out.limits = measure_limits(options);
  if (!no_products) contest_products(options, out.report);
  if (!no_encoders) {
    contest_encoders(options, out.report);
    out.peak_megabytes = peak_megabytes(options, "bibert", out.report);
  }
  out.bars = judge(all_bars(), out.report, options.table->arch);
  print(out);
  std::filesystem::remove(options.folder, error);  // empty at this point
  if (!write_all(folder, out)) return 1;
  return !out.report.wrong.empty() || (strict && misses(out)) ? 1 : 0;
}
