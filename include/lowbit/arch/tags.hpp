// SPDX-License-Identifier: Apache-2.0
// Architecture tags: feature bundles in a total order. A tag says whether this translation unit was
// compiled for it; asking for one that was not is a compile error, never a slower path.
#pragma once

#include <concepts>
#include <type_traits>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct scalar {
  using fallback = void;
  static constexpr bool compiled = true;
  static constexpr const char* name = "scalar";
};

/// AVX2, FMA, BMI2, POPCNT: every x86-64 server and desktop core since 2015.
struct avx2 {
  using fallback = scalar;
  static constexpr bool compiled = LOWBIT_AVX2 != 0;
  static constexpr const char* name = "avx2";
};

/// AVX-512 F, CD, BW, DQ, VL, VPOPCNTDQ, VNNI, VBMI and IFMA: Ice Lake, Zen 4 and later. No kernel
/// uses CD or IFMA: xsimd refuses flags that leave out what every CPU with the others has.
struct avx512 {
  using fallback = avx2;
  static constexpr bool compiled = LOWBIT_AVX512 != 0;
  static constexpr const char* name = "avx512";
};

/// AVX-512 as above and the int8 tiles of AMX: Sapphire Rapids and later. The operating system lets
/// a process use tiles only when it has asked (arch/detect.hpp, enable_amx), which is why no
/// program gets this tag unless it names it.
struct amx {
  using fallback = avx512;
  static constexpr bool compiled = LOWBIT_AMX != 0;
  static constexpr const char* name = "amx";
};

template <class Tag>
concept arch_tag = requires {
  typename Tag::fallback;
  { Tag::compiled } -> std::convertible_to<bool>;
};

/// The best tag this translation unit was compiled for that needs nobody's permission to run.
using native =
    std::conditional_t<avx512::compiled, avx512, std::conditional_t<avx2::compiled, avx2, scalar>>;

}  // namespace lowbit::inline LOWBIT_ISA
