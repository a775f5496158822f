// SPDX-License-Identifier: Apache-2.0
// expect: lowbit: this translation unit was not compiled for the requested arch
#include <tuple>

#include "lowbit/gemm/gemm.hpp"

template <class... Tags>
std::tuple_element_t<sizeof...(Tags) - 1, std::tuple<Tags...>> highest_of(
    lowbit::arch_list<Tags...>);
using highest = decltype(highest_of(lowbit::all_archs{}));

/// Stands in where every real tag is compiled.
struct later : lowbit::scalar {
  using fallback = highest;
  static constexpr bool compiled = false;
};

#if defined(BAD)
using arch = std::conditional_t<highest::compiled, later, highest>;
#else
using arch = lowbit::native;
#endif

static_assert(lowbit::selected_kernel<lowbit::xor_popcount, arch>::nr % 16 == 0);
