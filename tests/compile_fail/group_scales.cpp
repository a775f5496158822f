// SPDX-License-Identifier: Apache-2.0
// A product has one scale per output; scales of groups of columns are for embedding tables.
// expect: integer codecs with a scale per row or tensor
#include "lowbit/codec/integer.hpp"
#include "lowbit/policy/policy.hpp"

#if defined(BAD)
using weights = lowbit::int4<lowbit::scale::group<32>>;
#else
using weights = lowbit::int4<lowbit::scale::row>;
#endif

struct mine : lowbit::policy::fp32 {
  using embedding = lowbit::int4<lowbit::scale::group<32>>;
  using linear = lowbit::linear_format<weights, lowbit::activation::int8_per_token>;
};
static_assert(mine::linear::weight_bits == 4);
