// SPDX-License-Identifier: Apache-2.0
// Scales of groups of columns multiply codes that are symmetric around 0: an input with a range has
// an offset, which would take a sum of codes per group.
// expect: int4<scale::group<64>> and A = activation::int8_per_token
#include "lowbit/codec/integer.hpp"
#include "lowbit/policy/policy.hpp"

using weights = lowbit::int4<lowbit::scale::group<32>>;
#if defined(BAD)
using input = lowbit::activation::int8_dynamic;
#else
using input = lowbit::activation::int8_per_token;
#endif

struct mine : lowbit::policy::fp32 {
  using embedding = lowbit::int4<lowbit::scale::group<32>>;
  using linear = lowbit::linear_format<weights, input>;
};
static_assert(mine::linear::weight_bits == 4);
