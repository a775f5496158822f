// SPDX-License-Identifier: Apache-2.0
// A policy for each layer: per_layer<first<2, policy::int8>, rest<policy::bibert>>. The embeddings
// are those of the first policy, the pooler that of the last.
#pragma once

#include <tuple>

#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The next Count layers.
template <std::size_t Count, class Policy>
struct first {
  static_assert(Count > 0, "lowbit: first<0, Policy> names no layer");
  static constexpr std::size_t count = Count;
  using policy = Policy;
};
/// All layers that are left; the last entry of a list.
template <class Policy>
struct rest {
  static constexpr std::size_t count = SIZE_MAX;
  using policy = Policy;
};

template <class... Segments>
struct per_layer {
  static constexpr const char* name = "per-layer";
  using segments = std::tuple<Segments...>;
  static constexpr std::size_t segment_count = sizeof...(Segments);
  template <std::size_t S>
  using policy_at = typename std::tuple_element_t<S, segments>::policy;
  static_assert(std::tuple_element_t<segment_count - 1, segments>::count == SIZE_MAX,
                "lowbit: the last entry of per_layer is rest<Policy>");

  using embedding = typename policy_at<0>::embedding;
  using last = policy_at<segment_count - 1>;
  using linear = typename last::linear;
  using pooler = typename site_formats<last>::pooler;
  using attention = typename last::attention;
  using activation = typename last::activation;
  using zero = typename last::zero;

  /// The first layer of segment s in an encoder of `layers` layers; `layers` past the last.
  [[nodiscard]] static constexpr std::size_t begin(std::size_t s, std::size_t layers) {
    constexpr std::size_t counts[] = {Segments::count...};
    std::size_t at = 0;
    for (std::size_t i = 0; i < s; ++i) at = counts[i] < layers - at ? at + counts[i] : layers;
    return at;
  }
};

template <class Policy>
inline constexpr bool is_per_layer = false;
template <class... Segments>
inline constexpr bool is_per_layer<per_layer<Segments...>> = true;

}  // namespace lowbit::inline LOWBIT_ISA
