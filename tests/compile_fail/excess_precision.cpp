// SPDX-License-Identifier: Apache-2.0
// expect: lowbit: float arithmetic in more precision
// The macro is what gcc's -mfpmath=387 defines, and every 32-bit x86 build without -msse2.
#if defined(BAD)
#undef __FLT_EVAL_METHOD__
#define __FLT_EVAL_METHOD__ 2
#endif

#include "lowbit/core/config.hpp"

static_assert(lowbit::virtual_lanes == 16);
