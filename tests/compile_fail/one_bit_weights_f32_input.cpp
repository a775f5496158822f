// SPDX-License-Identifier: Apache-2.0
// expect: These exist: linear_format<W, activation::f32> with W = f32
#include "lowbit/policy/policy.hpp"

#if defined(BAD)
using input = lowbit::activation::f32;
#else
using input = lowbit::activation::elastic_bool;
#endif

struct mine : lowbit::policy::bit {
  using pooler = lowbit::linear_format<weights, input>;
};
static_assert(lowbit::site_formats<mine>::pooler::weight_bits == 1);
