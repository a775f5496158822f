// SPDX-License-Identifier: Apache-2.0
// The contests, and the names by which bars.hpp and the charts find their measurements.
#pragma once

#include "kernels.hpp"
#include "turns.hpp"

namespace lowbit_bench {

struct peer_options {
  const kernels* table = nullptr;  // the best one that this CPU supports
  std::string onnxruntime = "libonnxruntime.so.1";
  std::string folder;    // for the compared models; large
  double seconds = 1;    // approximate time per contest
  bool narrate = false;  // print progress to stderr
};

/// Measured compute limits of one core in GMAC/s; 0 if there is no loop.
struct core_limits {
  double f32 = 0, int8 = 0, binary = 0;
};
core_limits measure_limits(const peer_options& options);

inline constexpr std::size_t product_rows[] = {1, 16, 128};
struct product_size {
  std::size_t n, k;
};
/// The linear layers of BERT-base.
inline constexpr product_size product_sizes[] = {{768, 768}, {3072, 768}, {768, 3072}};
std::string product_contest(std::size_t m, const product_size& size);

/// Every entry of contestants.hpp at every size, on one thread.
void contest_products(const peer_options& options, peer_report& report);

/// "bert-base S=128, 1 thread"
std::string encoder_contest(const std::string& shape, const std::string& input,
                            std::size_t threads);

/// BERT-base and TinyBERT-4L with the same random weights in lowbit, under every policy of
/// encoder_policies, and in ONNX Runtime.
void contest_encoders(const peer_options& options, peer_report& report);

/// A policy that takes part in the encoder contests as "lowbit NAME".
struct encoder_policy {
  const char* name;
  double least_cosine;  // between its hidden states and fp32's; 0: a different model, not compared
};
inline constexpr encoder_policy encoder_policies[] = {
    {"fp32", 0.999999},
    {"int8", 0.99},
    {"w1a8", 0},
    {"bibert", 0},
};

/// Peak resident memory (VmHWM) in MB (10^6 bytes) of a fresh process that loads BERT-base under
/// `policy` from a packed folder and runs 128 tokens; negative, with a reason in the report, on
/// failure.
double peak_megabytes(const peer_options& options, const std::string& policy, peer_report& report);

}  // namespace lowbit_bench
