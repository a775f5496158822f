// SPDX-License-Identifier: Apache-2.0
// Who takes part in the contests of matrix products. A new contestant is one function in a file of
// its own that appends to `entries`, and its line in all_entries(); a peer that this build lacks
// appends nothing and says why.
#pragma once

#include <memory>

#include "problem.hpp"
#include "turns.hpp"

namespace lowbit_bench {

/// What the contestants of one shape share: lowbit's own f32 problem, the kernels to run.
struct product_context {
  gemm_shape shape;
  const kernels& table;
  const problem& f32;  // checked and run: floats() is the expected output
  peer_report& report;
};

/// Appends what it can do at this shape. State lives in the closures (shared_ptr).
using product_entry = void (*)(const product_context& context, std::vector<contestant>& entries);

void add_lowbit(const product_context& context, std::vector<contestant>& entries);
void add_lowbit_codes(const product_context& context, std::vector<contestant>& entries);
void add_onednn(const product_context& context, std::vector<contestant>& entries);
void add_openblas(const product_context& context, std::vector<contestant>& entries);

/// lowbit first.
inline constexpr product_entry all_entries[] = {add_lowbit, add_lowbit_codes, add_onednn,
                                                add_openblas};

/// Values that another library computed from f32's operands, (M, N) without gaps: it sums in
/// another order, so |difference| <= 1e-6 K for operands within 1. Empty when they agree.
std::string compare_floats(const problem& f32, const std::vector<float>& out);

/// "2.6.3", or why there is none.
std::string onednn_description();

}  // namespace lowbit_bench
