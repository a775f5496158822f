// SPDX-License-Identifier: Apache-2.0
// Architecture tags: feature bundles in a total order. A tag states whether this translation unit
// was compiled for it; using one that was not is a compile error, never a slower fallback.
#pragma once

#include <concepts>
#include <type_traits>

#include "lowbit/arch/list.hpp"

namespace lowbit::inline LOWBIT_ISA {

#define LOWBIT_DEFINE_TAG(tag, below, is_compiled, asked_for, only_bytes) \
  struct tag {                                                            \
    using fallback = below;                                               \
    static constexpr bool compiled = is_compiled != 0;                    \
    static constexpr bool on_request = asked_for;                         \
    static constexpr bool bytes_only = only_bytes;                        \
    static constexpr const char* name = #tag;                             \
  };
LOWBIT_EACH_ARCH(LOWBIT_DEFINE_TAG)
#undef LOWBIT_DEFINE_TAG

template <class Tag>
concept arch_tag = requires {
  typename Tag::fallback;
  { Tag::compiled } -> std::convertible_to<bool>;
};

template <class... Tags>
struct arch_list {};

namespace detail {

template <class... Tags, class Tag>
arch_list<Tags..., Tag> operator+(arch_list<Tags...>, std::type_identity<Tag>);

template <class Best, class... Rest>
struct best_arch {
  using type = Best;
};
template <class Best, class Next, class... Rest>
struct best_arch<Best, Next, Rest...>
    : best_arch<std::conditional_t<Next::compiled && !Next::on_request, Next, Best>, Rest...> {};

template <class... Tags>
typename best_arch<Tags...>::type best_of(arch_list<Tags...>);

#define LOWBIT_ADD_TAG(tag, ...) +std::type_identity<tag>()
using all_archs = decltype(arch_list<>() LOWBIT_EACH_ARCH(LOWBIT_ADD_TAG));
#undef LOWBIT_ADD_TAG

}  // namespace detail

/// Every tag, lowest first.
using all_archs = detail::all_archs;

/// The best tag this translation unit was compiled for that needs no OS permission.
using native = decltype(detail::best_of(all_archs{}));

}  // namespace lowbit::inline LOWBIT_ISA
