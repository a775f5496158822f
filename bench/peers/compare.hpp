// SPDX-License-Identifier: Apache-2.0
// Comparison of outputs of different programs. Each function returns an empty string if they agree,
// otherwise what was found and what was expected; NaN or a different size never agrees.
#pragma once

#include <string>
#include <vector>

namespace lowbit_bench {

/// |out[i] - expected[i]| <= bound everywhere.
std::string expect_close(const std::vector<float>& out, const std::vector<float>& expected,
                         double bound);

/// Cosine of the two vectors >= least.
std::string expect_cosine(const std::vector<float>& out, const std::vector<float>& expected,
                          double least);

/// Tests the comparison functions on crafted differences: a check that cannot fail proves nothing.
bool comparers_work();

}  // namespace lowbit_bench
