// SPDX-License-Identifier: Apache-2.0
// How outputs of different programs are held against each other. Each gives an empty text when
// they agree, else what was found and what was expected; a NaN or another size never agrees.
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

/// The comparers tell crafted differences from none: one that cannot fail proves nothing.
bool comparers_work();

}  // namespace lowbit_bench
