// SPDX-License-Identifier: Apache-2.0
// Different policies for different layers: per_layer<first<2, policy::int8>, rest<policy::bibert>>.
// Embeddings use the first policy, the pooler the last.
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
/// All remaining layers; the last entry of a list.
template <class Policy>
struct rest {
  static constexpr std::size_t count = SIZE_MAX;
  using policy = Policy;
};

/// Policies and how many layers each applies to.
template <class... Segments>
struct segment_list {
  static constexpr std::size_t segment_count = sizeof...(Segments);
  template <std::size_t S>
  using policy_at = typename std::tuple_element_t<S, std::tuple<Segments...>>::policy;
  using last = policy_at<segment_count - 1>;
  /// F<Policy> of each segment.
  template <template <class> class F>
  using each = std::tuple<F<typename Segments::policy>...>;

  /// The first layer of segment s in an encoder of `layers` layers; returns `layers` past the last
  /// segment.
  [[nodiscard]] static constexpr std::size_t begin(std::size_t s, std::size_t layers) {
    constexpr std::size_t counts[] = {Segments::count...};
    std::size_t at = 0;
    for (std::size_t i = 0; i < s; ++i) at = counts[i] < layers - at ? at + counts[i] : layers;
    return at;
  }
};

template <class... Segments>
struct per_layer : segment_list<Segments...> {
  static constexpr const char* name = "per-layer";
  using segments = segment_list<Segments...>;
  static_assert(std::tuple_element_t<sizeof...(Segments) - 1, std::tuple<Segments...>>::count ==
                    SIZE_MAX,
                "lowbit: the last entry of per_layer is rest<Policy>");

  using embedding = typename segments::template policy_at<0>::embedding;
  using last = typename segments::last;
  using linear = typename last::linear;
  using pooler = typename site_formats<last>::pooler;
  using attention = typename last::attention;
  using hidden_act = typename last::hidden_act;
  using zero = typename last::zero;
};

template <class Policy>
concept is_per_layer = requires {
  typename Policy::segments;
};

namespace detail {
template <class Policy>
struct segments_of : std::type_identity<segment_list<rest<Policy>>> {};
template <is_per_layer Policy>
struct segments_of<Policy> : std::type_identity<typename Policy::segments> {};
}  // namespace detail

/// A policy as a list of segments; a policy for all layers is one segment.
template <class Policy>
using segments_of = typename detail::segments_of<Policy>::type;

}  // namespace lowbit::inline LOWBIT_ISA
