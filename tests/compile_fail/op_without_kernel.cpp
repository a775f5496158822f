// SPDX-License-Identifier: Apache-2.0
// expect: lowbit: this op has no kernel, not even a scalar one
#include "lowbit/gemm/gemm.hpp"

struct unknown_op {};

#if defined(BAD)
using op = unknown_op;
#else
using op = lowbit::mul_add;
#endif

using kernel = lowbit::selected_kernel<op, lowbit::native>;
kernel* use;
