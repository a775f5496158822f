// SPDX-License-Identifier: Apache-2.0
// expect: lowbit: no product for this pair of weight codec and activation encoding
#include "lowbit/policy/format.hpp"

#if defined(BAD)
using input = lowbit::activation::sign;
#else
using input = lowbit::activation::f32;
#endif

using format = lowbit::linear_format<lowbit::f32, input>;
static_assert(format::weight_bits == 32);
