// SPDX-License-Identifier: Apache-2.0
// One policy or more of each kind of product, to compile quickly.
#pragma once

#include "lowbit/policy/registry.hpp"

namespace lowbit::inline LOWBIT_ISA {

using program_policies =
    policy_list<named_float<policy::fp32>, named_float<policy::f16>, named_float<policy::gobo<3>>,
                named_float<policy::sparse>, named_integer<policy::int8>,
                named_integer<policy::w4g32a8>, named_integer<policy::w2a8>,
                named_integer<policy::w1a8>, named_integer<policy::codebook<16>>,
                named<policy::ibert>, named<policy::bibert>, named<policy::bit>>;

}  // namespace lowbit::inline LOWBIT_ISA
