// SPDX-License-Identifier: Apache-2.0
// One test body for every arch that this translation unit was compiled for:
//   TEMPLATE_LIST_TEST_CASE("property", "[tag]", lowbit_test::compiled_archs) {
//     lowbit_test::need_arch<TestType>();
// A CPU that lacks the arch skips the case; LOWBIT_REQUIRE_ARCHS=avx2,avx512 in the environment
// makes that skip a failure. A program built for a tag that runs on request (amx) tests that tag
// alone: those below have programs of their own.
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

template <class... Tags>
auto compiled_of(lowbit::arch_list<Tags...>) {
  constexpr bool on_request = ((Tags::compiled && Tags::on_request) || ...);
  return std::tuple_cat(tag_if < Tags::compiled && Tags::on_request == on_request, Tags > {}...);
}
using compiled_archs = decltype(compiled_of(lowbit::all_archs{}));

/// Before any test: cpu_runs("amx") is true only after it.
inline const bool amx_enabled = lowbit::enable_amx();

/// The arch of this translation unit alone: for whole models, whose other archs have a test program
/// each. Kernels of lower archs under these flags are tested one by one.
using own_arch = std::tuple<lowbit::native>;

/// The names of a list like "avx2,avx512".
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

/// Leaves the running test case when this CPU cannot run Arch.
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
