// SPDX-License-Identifier: Apache-2.0
// expect: lowbit: the encoder of policy::any_integer or policy::any_float computes policies
#include "lowbit/policy/registry.hpp"

struct mine : lowbit::policy::int8 {
#if defined(BAD)
  using feed_forward_output = lowbit::policy::w4a8::linear;
#endif
};

using encoder = lowbit::named_integer<mine>::encoder;
static_assert(std::is_same_v<encoder, lowbit::policy::any_integer>);
