// SPDX-License-Identifier: Apache-2.0
// The measurements behind lowbit_ratios. Each contest checks its outputs, times its contestants in
// interleaved runs and appends rows with the speedup of lowbit over its rival, and the bar.
#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"

namespace lowbit_bench {

struct ratio_row {
  std::string what;
  std::string rival;
  double milliseconds = 0;         // lowbit, median
  double rival_milliseconds = 0;   // median
  double gigamacs_per_second = 0;  // lowbit; 0 if not applicable
  double bar = 0;                  // 0: no bar, informational
  std::string unmeasured;          // reason for a missing measurement, otherwise empty

  [[nodiscard]] double ratio() const { return rival_milliseconds / milliseconds; }
  [[nodiscard]] bool missed() const {
    return bar > 0 && (!unmeasured.empty() || !(ratio() >= bar));
  }
};

struct ratio_report {
  std::vector<ratio_row> rows;
  std::vector<std::string> wrong;  // outputs that differ from the reference: nothing else counts
};

struct contest_options {
  std::size_t repetitions = 31;
  std::size_t encoder_repetitions = 7;
  const kernels* table = nullptr;  // the best one that this CPU supports
  bool has_bars = false;           // bars are defined for AVX-512
};

/// One-bit products with both output kinds, and f32, against OpenBLAS's fastest f32 of the same
/// size.
void contest_products(const contest_options& options, ratio_report& report);
/// BERT-base with random weights: bibert against fp32, and two threads against one.
void contest_encoders(const contest_options& options, ratio_report& report);

}  // namespace lowbit_bench
