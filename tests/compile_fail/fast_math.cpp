// SPDX-License-Identifier: Apache-2.0
// expect: lowbit: -ffast-math breaks the promise
// The macro is what the flag defines; -ffast-math itself gives the same error.
#if defined(BAD)
#define __FAST_MATH__ 1
#endif

#include "lowbit/core/config.hpp"

static_assert(lowbit::virtual_lanes == 16);
