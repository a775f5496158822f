// SPDX-License-Identifier: Apache-2.0
// The policies of this program: the library's, or those of the header named by LOWBIT_POLICIES,
// which must define lowbit::program_policies.
#pragma once

#ifdef LOWBIT_POLICIES
#include LOWBIT_POLICIES
#else
#include "lowbit/policy/registry.hpp"

namespace lowbit::inline LOWBIT_ISA {
using program_policies = library_policies;
}  // namespace lowbit::inline LOWBIT_ISA
#endif
