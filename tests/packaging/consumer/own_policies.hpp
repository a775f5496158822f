// SPDX-License-Identifier: Apache-2.0
// All the policies of this program: one of its own. A list may also join the library's
// (examples/own_policies.hpp), which takes minutes to compile.
#pragma once

#include <lowbit/policy/registry.hpp>

namespace lowbit::inline LOWBIT_ISA {

/// int8, with one-bit weights in the feed-forward half of each layer.
struct one_bit_feed_forward : policy::int8 {
  static constexpr const char* name = "one_bit_feed_forward";
  using feed_forward_input = policy::w1a8::linear;
  using feed_forward_output = policy::w1a8::linear;
};

using program_policies = policy_list<named<one_bit_feed_forward>>;

}  // namespace lowbit::inline LOWBIT_ISA
