// SPDX-License-Identifier: Apache-2.0
// expect: lowbit: this translation unit was not compiled for the requested arch
#include "lowbit/gemm/gemm.hpp"

/// Stands in where every real tag is compiled.
struct later : lowbit::scalar {
  using fallback = lowbit::amx;
  static constexpr bool compiled = false;
};

#if defined(BAD)
using arch = std::conditional_t<lowbit::amx::compiled, later, lowbit::amx>;
#else
using arch = lowbit::native;
#endif

static_assert(lowbit::selected_kernel<lowbit::xor_popcount, arch>::nr % 16 == 0);
