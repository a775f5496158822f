// SPDX-License-Identifier: Apache-2.0
// Description of the machine and the compiler, for tables of measurements.
#pragma once

#include <fstream>
#include <string>

namespace lowbit_bench {

inline std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  std::string family;
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.starts_with("cpu family")) family = " (family " + line.substr(colon + 2) + ")";
    if (line.starts_with("model name")) return line.substr(colon + 2) + family;
  }
  return "unknown";
}

inline const char* compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

}  // namespace lowbit_bench
