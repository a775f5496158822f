// SPDX-License-Identifier: Apache-2.0
// What is made from the list of archs: tags, names, detection, and what CMake read of it.
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "../support/archs.hpp"

namespace {

using namespace lowbit;

struct row {
  std::string tag, below, features;
  bool on_request, bytes_only;
};

std::vector<row> rows() {
#define LOWBIT_FLAG(feature, asked) " -m" feature
#define LOWBIT_ROW(tag, below, compiled, on_request, bytes_only) \
  row{#tag, #below, "" LOWBIT_FEATURES_##tag(LOWBIT_FLAG), on_request, bytes_only},
  return {LOWBIT_EACH_ARCH(LOWBIT_ROW)};
#undef LOWBIT_ROW
#undef LOWBIT_FLAG
}

template <class... Tags>
std::vector<std::string> names_of(arch_list<Tags...>) {
  return {Tags::name...};
}

/// Whether each compiled tag has its fallback compiled, too.
template <class... Tags>
constexpr bool falls_back_to_compiled(arch_list<Tags...>) {
  constexpr auto right = []<class Tag>(std::type_identity<Tag>) {
    if constexpr (std::is_void_v<typename Tag::fallback>) {
      return Tag::compiled;
    } else {
      return !Tag::compiled || Tag::fallback::compiled;
    }
  };
  return (right(std::type_identity<Tags>{}) && ...);
}

}  // namespace

TEST_CASE("tags are those of the list, lowest first", "[arch]") {
  std::vector<std::string> expected;
  for (const row& r : rows()) expected.push_back(r.tag);
  CHECK(names_of(all_archs{}) == expected);
  CHECK(names_of(all_archs{}).front() == std::string(scalar::name));
  STATIC_REQUIRE(falls_back_to_compiled(all_archs{}));
  STATIC_REQUIRE(native::compiled);
  STATIC_REQUIRE_FALSE(native::on_request);
}

TEST_CASE("an arch stands behind its fallback in the list", "[arch]") {
  std::string before = "void ";
  for (const row& r : rows()) {
    INFO(r.tag);
    CHECK(before.find(r.below + " ") != std::string::npos);
    before += r.tag + " ";
  }
}

TEST_CASE("messages name every arch", "[arch]") {
#if LOWBIT_X86
  CHECK(known_archs() == "scalar, avx2, avx_vnni, avx512 or amx");
#elif LOWBIT_AARCH64
  CHECK(known_archs() == "scalar, neon, dotprod or i8mm");
#else
  CHECK(known_archs() == "scalar");
#endif
  for (const row& r : rows()) CHECK(is_known_arch(r.tag));
  CHECK_FALSE(is_known_arch("void"));
  CHECK_FALSE(is_known_arch("avx"));
  CHECK_FALSE(is_known_arch(""));
}

TEST_CASE("a CPU that runs an arch runs its fallback", "[arch]") {
  CHECK(cpu_runs("scalar"));
  for (const row& r : rows()) {
    INFO(r.tag);
    if (r.below != "void" && cpu_runs(r.tag)) CHECK(cpu_runs(r.below));
  }
  CHECK_FALSE(cpu_runs("void"));
  CHECK_FALSE(cpu_runs("avx1024"));
}

TEST_CASE("CMake read the same list", "[arch]") {
  std::string expected;
  for (const row& r : rows())
    expected += r.tag + " " + r.below + (r.on_request ? " true" : " false") +
                (r.bytes_only ? " true" : " false") + r.features + "; ";
  CHECK(std::string(LOWBIT_CMAKE_ARCHS) == expected);
}
