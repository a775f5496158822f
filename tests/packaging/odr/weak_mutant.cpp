// SPDX-License-Identifier: Apache-2.0
// What weak_symbols.cmake must catch: an instantiation of the standard library.
#include <algorithm>
#include <vector>

void sort_all(std::vector<float>& values) { std::sort(values.begin(), values.end()); }
