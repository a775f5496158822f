// SPDX-License-Identifier: Apache-2.0
// Contestants of the matrix product contests. To add one, write a function in a separate file that
// appends to `entries`, and add a line to all_entries(); a peer missing from this build appends
// nothing and says why.
#pragma once

#include <memory>

#include "problem.hpp"
#include "turns.hpp"

namespace lowbit_bench {

/// Shared by the contestants of one shape: lowbit's own f32 problem and the kernels to run.
struct product_context {
  gemm_shape shape;
  const kernels& table;
  const problem& f32;  // checked and run: floats() is the expected output
  peer_report& report;
};

/// Appends its entries for this shape. State is held by the closures (shared_ptr).
using product_entry = void (*)(const product_context& context, std::vector<contestant>& entries);

void add_lowbit(const product_context& context, std::vector<contestant>& entries);
void add_lowbit_codes(const product_context& context, std::vector<contestant>& entries);
void add_onednn(const product_context& context, std::vector<contestant>& entries);
void add_openblas(const product_context& context, std::vector<contestant>& entries);

/// lowbit first.
inline constexpr product_entry all_entries[] = {add_lowbit, add_lowbit_codes, add_onednn,
                                                add_openblas};

/// Checks values that another library computed from the operands of `f32`, contiguous (M, N). Its
/// summation order differs, so |difference| <= 1e-6 K for operands within [-1, 1]. Empty if they
/// agree.
std::string compare_floats(const problem& f32, const std::vector<float>& out);

/// "2.6.3", or the reason why there is none.
std::string onednn_description();

}  // namespace lowbit_bench
