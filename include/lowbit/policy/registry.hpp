// SPDX-License-Identifier: Apache-2.0
// The list of named policies. Files, importers, ledgers, random models, the programs and the
// trainer are all driven by it, so a policy is named here and nowhere else. A program can have its
// own list: docs/extending.md#a-policy-by-name.
#pragma once

#include <cstddef>
#include <type_traits>

#include "lowbit/policy/ibert.hpp"
#include "lowbit/policy/policy.hpp"
#include "lowbit/policy/quantized.hpp"
#include "lowbit/policy/quantized_bert.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {
/// Whether Policy is Encoder, or differs from it in nothing but one format for all matrices.
template <class Policy, class Encoder>
constexpr bool runs_in() {
  if constexpr (std::is_same_v<Policy, Encoder>) {
    return true;
  } else {
    using sites = site_formats<Policy>;
    using linear = typename Policy::linear;
    return std::is_same_v<typename sites::projection, linear> &&
           std::is_same_v<typename sites::attention_output, linear> &&
           std::is_same_v<typename sites::feed_forward_input, linear> &&
           std::is_same_v<typename sites::feed_forward_output, linear> &&
           std::is_same_v<typename sites::pooler, linear> &&
           std::is_same_v<typename linear::input, typename Encoder::linear::input> &&
           std::is_same_v<typename Policy::attention, typename Encoder::attention> &&
           std::is_same_v<typename Policy::hidden_act, typename Encoder::hidden_act>;
  }
}
}  // namespace detail

/// A policy under Policy::name, and the one whose encoder is compiled for it: its own, or one that
/// takes the format of every matrix from the file (policy::any_float, policy::any_integer).
template <class Policy, class Encoder = Policy>
struct named {
  static_assert(detail::runs_in<Policy, Encoder>(),
                "lowbit: the encoder of policy::any_integer or policy::any_float computes policies "
                "that differ from it in one format for all matrices only; this one is "
                "named<Policy>, with an encoder of its own");
  using policy = Policy;
  using encoder = Encoder;
};

/// Two policies may share a name if they differ in `zero`; the one with zero_is_zero comes first.
template <class... Named>
struct policy_list {
  static constexpr std::size_t size = sizeof...(Named);
};

template <class First, class Second>
struct joined;
template <class... First, class... Second>
struct joined<policy_list<First...>, policy_list<Second...>> {
  using type = policy_list<First..., Second...>;
};
/// joined_policies<library_policies, policy_list<named<mine>>>
template <class First, class Second>
using joined_policies = typename joined<First, Second>::type;

template <class Policy>
using named_float = named<Policy, policy::any_float>;
template <class Policy>
using named_integer = named<Policy, policy::any_integer>;

using library_policies = policy_list<
    named_float<policy::fp32>, named_float<policy::bf16>, named_float<policy::f16>,
    named_float<policy::gobo<3>>, named_float<policy::gobo<4>>, named_float<policy::sparse>,
    named_integer<policy::int8>, named_integer<policy::w4a8>, named_integer<policy::w4g32a8>,
    named_integer<policy::w4g64a8>, named_integer<policy::w4g128a8>, named_integer<policy::w2a8>,
    named_integer<policy::w1a8>, named_integer<policy::codebook<8>>,
    named_integer<policy::codebook<16>>, named_integer<policy::codebook<256>>,
    named_integer<policy::any_integer>, named<policy::q8bert>, named<policy::ibert>,
    named<policy::bibert>, named<policy::bibert_plus_one>, named<policy::bit>,
    named<policy::ternarybert<8>>, named<policy::ternarybert<4>>,
    named<policy::binarybert_ternary<8>>, named<policy::binarybert_ternary<4>>,
    named<policy::binarybert<8>>, named<policy::binarybert<4>>, named<policy::binarybert_split<8>>,
    named<policy::binarybert_split<4>>>;

// --- Encoders: each listed once, in list order
// ----------------------------------------------------

template <class... Encoders>
struct encoder_list {
  static constexpr std::size_t size = sizeof...(Encoders);
};

namespace detail {

template <class Encoders, class List>
struct collect;
template <class... Encoders>
struct collect<encoder_list<Encoders...>, policy_list<>> {
  using type = encoder_list<Encoders...>;
};
template <class... Encoders, class First, class... Rest>
struct collect<encoder_list<Encoders...>, policy_list<First, Rest...>> {
  using encoder = typename First::encoder;
  static constexpr bool known = (std::is_same_v<encoder, Encoders> || ...);
  using type = typename collect<
      std::conditional_t<known, encoder_list<Encoders...>, encoder_list<Encoders..., encoder>>,
      policy_list<Rest...>>::type;
};

template <class Encoder, class... Encoders>
constexpr std::size_t index_of(encoder_list<Encoders...>) {
  std::size_t at = 0;
  static_cast<void>(((std::is_same_v<Encoder, Encoders> ? true : (++at, false)) || ...));
  return at;
}

template <class Function, class First, class... Rest>
auto pick(std::size_t index, Function& function, std::type_identity<First> first, Rest... rest) {
  if constexpr (sizeof...(Rest) != 0) {
    if (index != 0) return pick(index - 1, function, rest...);
  }
  LOWBIT_EXPECTS(index == 0);
  return function(first);
}

template <class Function, class... Named>
auto pick_policy(policy_list<Named...>, std::size_t row, Function& function) {
  return pick(row, function, std::type_identity<typename Named::policy>{}...);
}
template <class Function, class... Encoders>
auto pick_encoder(encoder_list<Encoders...>, std::size_t index, Function& function) {
  return pick(index, function, std::type_identity<Encoders>{}...);
}

}  // namespace detail

template <class List>
using encoders_of = typename detail::collect<encoder_list<>, List>::type;

/// Calls function(std::type_identity<Policy>) for row `row` of the list, row < List::size.
template <class List, class Function>
auto with_policy(std::size_t row, Function function) {
  return detail::pick_policy(List{}, row, function);
}
/// Calls function(std::type_identity<Encoder>) for encoder `index` of encoders_of<List>.
template <class List, class Function>
auto with_encoder(std::size_t index, Function function) {
  return detail::pick_encoder(encoders_of<List>{}, index, function);
}

// --- Properties derived from the types
// ------------------------------------------------------------

/// Encoders that read the format of every matrix from the file.
template <class Encoder>
inline constexpr bool has_formats_by_name = requires {
  typename Encoder::linear::weights::codecs;
};
/// Policies whose activation ranges come from calibration or training and are stored in the file.
template <class Policy>
inline constexpr bool has_stored_ranges =
    std::is_same_v<typename Policy::linear::input, activation::int8_static>;
/// Policies that need scales, shifts or clips that only their own training produces.
template <class Policy>
inline constexpr bool needs_own_training =
    whole_batch_ranges<Policy> || std::is_same_v<typename Policy::attention, elastic_attention>;
/// Policies with one-bit products: they can load a float checkpoint, but without useful accuracy.
template <class Policy>
inline constexpr bool is_one_bit = std::is_base_of_v<counting_op, typename Policy::linear::op>;
/// The scheme whose checkpoints the policy reads; defaults to its name.
template <class Policy>
inline constexpr const char* training_scheme = [] {
  if constexpr (requires { Policy::scheme; }) {
    return Policy::scheme;
  } else {
    return Policy::name;
  }
}();
/// The usual activation function of models with this policy.
template <class Policy>
inline constexpr activation_function usual_act = [] {
  if constexpr (requires { Policy::usual_act; }) {
    return Policy::usual_act;
  } else if constexpr (named_activation<typename Policy::hidden_act>) {
    return Policy::hidden_act::function;
  } else {
    return activation_function::gelu;
  }
}();
/// The name of the policy's sign(0) rule as stored in files.
template <class Policy>
inline constexpr const char* stored_zero =
    std::is_same_v<typename Policy::attention, bi_attention> ? Policy::zero::name
                                                             : zero_is_zero::name;

}  // namespace lowbit::inline LOWBIT_ISA
