// SPDX-License-Identifier: Apache-2.0
// One test body for every arch that this translation unit was compiled for:
//   TEMPLATE_LIST_TEST_CASE("property", "[tag]", lowbit_test::compiled_archs) {
//     lowbit_test::need_arch<TestType>();
// The case is skipped on a CPU without the arch; LOWBIT_REQUIRE_ARCHS=avx2,avx512 in the
// environment turns that skip into a failure. A program built for a tag of byte products alone
// (avx_vnni, amx) tests only that tag; those below have their own programs.
#pragma once

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <string_view>
#include <tuple>
#include <vector>

#include "lowbit/arch/detect.hpp"
#include "lowbit/arch/tags.hpp"

namespace lowbit_test {

template <bool Wanted, class Tag>
using tag_if = std::conditional_t<Wanted, std::tuple<Tag>, std::tuple<>>;

/// Whether the highest tag of this translation unit has byte products alone.
template <class... Tags>
consteval bool only_bytes(lowbit::arch_list<Tags...>) {
  bool highest = false;
  ((highest = Tags::compiled ? Tags::bytes_only : highest), ...);
  return highest;
}
template <class... Tags>
auto compiled_of(lowbit::arch_list<Tags...> all) {
  constexpr bool bytes_only = only_bytes(decltype(all){});
  return std::tuple_cat(tag_if < Tags::compiled && Tags::bytes_only == bytes_only, Tags > {}...);
}
using compiled_archs = decltype(compiled_of(lowbit::all_archs{}));

/// Must run before any test: until then cpu_runs("amx") is false.
inline const bool amx_enabled = lowbit::enable_amx();

/// Only the arch of this translation unit: for whole models, because each arch has its own test
/// program. Kernels of lower archs are tested under these flags individually.
using own_arch = std::tuple<lowbit::native>;

/// Splits a list like "avx2,avx512".
inline std::vector<std::string_view> split_names(std::string_view list) {
  std::vector<std::string_view> names;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view name = list.substr(0, comma);
    if (!name.empty()) names.push_back(name);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return names;
}

inline std::string_view required_archs() {
  const char* list = std::getenv("LOWBIT_REQUIRE_ARCHS");
  return list == nullptr ? std::string_view{} : std::string_view{list};
}

enum class verdict { run, skip, fail };

[[nodiscard]] inline verdict verdict_for(std::string_view arch, bool cpu_has_it,
                                         std::string_view required) {
  if (cpu_has_it) return verdict::run;
  for (const std::string_view name : split_names(required)) {
    if (name == arch) return verdict::fail;
  }
  return verdict::skip;
}

/// Skips the running test case if this CPU cannot run Arch.
template <class Arch>
void need_arch() {
  switch (verdict_for(Arch::name, lowbit::cpu_runs(Arch::name), required_archs())) {
    case verdict::run:
      return;
    case verdict::skip:
      SKIP("this CPU has no " << Arch::name);
    case verdict::fail:
      FAIL("LOWBIT_REQUIRE_ARCHS names " << Arch::name << ", this CPU does not have it");
  }
}

}  // namespace lowbit_test
