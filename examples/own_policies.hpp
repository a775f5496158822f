// SPDX-License-Identifier: Apache-2.0
// Your own named policy in lowbit's programs: build them with
//   cmake --preset release -DLOWBIT_POLICIES=examples/own_policies.hpp
// after which they accept it like any other policy:
//   lowbit quantize -p int8_attention CHECKPOINT OUT;  lowbit bench --shape tinybert-4l -p
//   int8,int8_attention
#pragma once

#include "lowbit/policy/registry.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// int8 in the attention half of each layer, f32 in the feed-forward half.
struct int8_attention : policy::int8 {
  static constexpr const char* name = "int8_attention";
  using feed_forward_input = policy::fp32::linear;
  using feed_forward_output = policy::fp32::linear;
};

using program_policies = joined_policies<library_policies, policy_list<named<int8_attention>>>;

}  // namespace lowbit::inline LOWBIT_ISA
