// SPDX-License-Identifier: Apache-2.0
// From a policy's number to its type. Static: every engine has its own code, and no weak symbols.
#pragma once

#include <type_traits>

#include "engine.hpp"
#include "lowbit/policy/quantized.hpp"
#include "lowbit/policy/quantized_bert.hpp"

namespace lowbit_engine {

namespace policies = lowbit::policy;

/// function(type_identity<P>) for a policy whose weights are integers of any format.
template <class Function>
static auto with_integer_policy(policy p, Function function) {
  switch (p) {
    case policy::integers_relu:
      return function(std::type_identity<policies::any_integer_relu>{});
    case policy::static_integers:
      return function(std::type_identity<policies::q8bert>{});
    case policy::ibert:
      return function(std::type_identity<policies::ibert>{});
    case policy::ibert_relu:
      return function(std::type_identity<policies::ibert_relu>{});
    default:
      return function(std::type_identity<policies::any_integer>{});
  }
}

/// function(type_identity<P>) for the policy.
template <class Function>
static auto with_every_policy(policy p, Function function) {
  switch (p) {
    case policy::integers:
    case policy::integers_relu:
    case policy::static_integers:
    case policy::ibert:
    case policy::ibert_relu:
      return with_integer_policy(p, function);
    case policy::floats_relu:
      return function(std::type_identity<policies::any_float_relu>{});
    case policy::bibert:
      return function(std::type_identity<policies::bibert>{});
    case policy::bibert_plus_one:
      return function(std::type_identity<policies::bibert_plus_one>{});
    case policy::bit:
      return function(std::type_identity<policies::bit>{});
    case policy::ternarybert_w2a8:
      return function(std::type_identity<policies::ternarybert<8>>{});
    case policy::ternarybert_w2a4:
      return function(std::type_identity<policies::ternarybert<4>>{});
    case policy::binarybert_w2a8:
      return function(std::type_identity<policies::binarybert_ternary<8>>{});
    case policy::binarybert_w2a8_relu:
      return function(std::type_identity<
                      policies::binarybert_ternary<8, policies::dynamic_step, lowbit::relu>>{});
    case policy::binarybert_w2a4:
      return function(std::type_identity<policies::binarybert_ternary<4>>{});
    case policy::binarybert_w2a4_gelu:
      return function(std::type_identity<
                      policies::binarybert_ternary<4, policies::learned_step, lowbit::gelu_erf>>{});
    case policy::binarybert_w1a8:
      return function(std::type_identity<policies::binarybert<8>>{});
    case policy::binarybert_w1a8_relu:
      return function(
          std::type_identity<policies::binarybert<8, policies::dynamic_step, lowbit::relu>>{});
    case policy::binarybert_w1a4:
      return function(std::type_identity<policies::binarybert<4>>{});
    case policy::binarybert_w1a4_gelu:
      return function(
          std::type_identity<policies::binarybert<4, policies::learned_step, lowbit::gelu_erf>>{});
    case policy::binarybert_split_w1a8:
      return function(std::type_identity<policies::binarybert_split<8>>{});
    case policy::binarybert_split_w1a8_relu:
      return function(std::type_identity<
                      policies::binarybert_split<8, policies::dynamic_step, lowbit::relu>>{});
    case policy::binarybert_split_w1a4:
      return function(std::type_identity<policies::binarybert_split<4>>{});
    case policy::binarybert_split_w1a4_gelu:
      return function(std::type_identity<
                      policies::binarybert_split<4, policies::learned_step, lowbit::gelu_erf>>{});
    case policy::floats:
      break;
  }
  return function(std::type_identity<policies::any_float>{});
}

}  // namespace lowbit_engine
